"""Opaque cursors: where a page ended, sealed so that only we can have written it.

A cursor is bound to its kind (name the list and its filters in it) and to the principal, and is authenticated with a
key of this system, so one of another list, filter or caller, or one that was changed, is refused rather than
misread. It is not encrypted: put nothing into the payload that the caller may not see.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, cast

import orjson
from starlette.requests import Request

from services.chassis.identity.principal import Principal
from services.chassis.web.problems import InvalidCursor

_MAC_BYTES = 16


@dataclass(frozen=True, slots=True)
class Cursors:
    """Seals and unseals with one secret key."""

    key: bytes

    def seal(self, kind: str, payload: Any, principal: Principal) -> str:
        """Return the payload (any JSON value) as text for a URL."""
        content = orjson.dumps(payload)
        return urlsafe_b64encode(self._mac(kind, content, principal) + content).rstrip(b"=").decode()

    def unseal(self, kind: str, cursor: str, principal: Principal) -> Any:
        """Return the payload that was sealed for this kind and principal. Raises InvalidCursor otherwise."""
        try:
            sealed = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        except (UnicodeEncodeError, Base64Error, ValueError):
            raise InvalidCursor from None
        mac, content = sealed[:_MAC_BYTES], sealed[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(kind, content, principal)):
            raise InvalidCursor
        if self.seal(kind, orjson.loads(content), principal) != cursor:
            raise InvalidCursor  # the same bytes in another spelling
        return orjson.loads(content)

    def _mac(self, kind: str, content: bytes, principal: Principal) -> bytes:
        about = orjson.dumps([kind, principal.id, sorted(principal.roles), principal.organisation])
        return blake2b(
            len(about).to_bytes(4, "big") + about + content, key=self.key, digest_size=_MAC_BYTES
        ).digest()


def cursors_of(request: Request) -> Cursors:
    """Return the application's cursors."""
    return cast("Cursors", request.app.state.cursors)
