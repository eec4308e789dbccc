"""What this service seals, signs and orders with: one secret key, and a key of its own for each purpose drawn from it.

*What.* Webhook secrets sealed with AES-GCM, links of mails signed, the order of sending, hashes of suppressed addresses.
*Why drawn.* What proves a link must not open a secret. *Never:* log or return a key.
"""

import hmac
import secrets
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from itsdangerous import BadSignature, URLSafeSerializer

from services.chassis.settings import Settings
from services.chassis.web.secrets import kept_secret

SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix that Standard Webhooks gives every secret
_NONCE_BYTES = 12

OF_CONTACT = "-contact"
"""What the action of a link ends with that is about the contact of an endpoint."""

KEYS = "keys"
"""Where the runtime's state holds the keys."""


class SealBroken(Exception):  # noqa: N818 - what happened, in the past tense
    """A sealed secret cannot be opened: the key is another one than it was sealed with. It concerns that secret alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a link in a mail may do, and to what; `address` is the keyed hash of the one that it speaks for."""

    action: str
    about: str
    address: str | None


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys drawn from one secret."""

    secret: bytes

    @classmethod
    def of(cls, settings: Settings) -> "Keys":
        """Read the key of the settings, else of the file in data_folder, which is made when it is missing."""
        given = settings.notifications.secret_key
        if given is not None:
            return cls(given.get_secret_value().encode())
        return cls(kept_secret(settings.data_folder / "notifications.key"))

    def seal(self, text: str) -> bytes:
        """Return the text sealed."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self._drawn("seal")).encrypt(nonce, text.encode(), None)

    def unseal(self, sealed: bytes) -> str:
        """Return the sealed text. Raises SealBroken."""
        try:
            opened = AESGCM(self._drawn("seal")).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
        except InvalidTag as error:
            raise SealBroken("A webhook secret was sealed with another notifications.secret_key.") from error
        return opened.decode()

    def place(self, cycle: str, subscription: str) -> str:
        """Return a subscription's place in the order of sending of one cycle: a keyed hash, so nobody's is better."""
        about = f"{cycle}|{subscription}".encode()
        return blake2b(about, key=self._drawn("order"), digest_size=16).hexdigest()

    def link(self, action: str, about: str, *, email: str | None = None) -> str:
        """Return the signed token of a link in a mail; with an address it speaks for that one alone.

        It is about a subscription, or, with `OF_CONTACT` behind the action, about the contact of an endpoint.
        """
        said = [action, about] + ([] if email is None else [self.address_hash(email)])
        return str(self._links().dumps(said))

    def follow(self, token: str) -> Link | None:
        """Return what a link's token says, None if it is not ours."""
        try:
            found: Any = self._links().loads(token)
        except BadSignature:
            return None
        if not isinstance(found, list) or len(found) not in {2, 3}:
            return None
        action, about, *address = (str(one) for one in found)
        return Link(action=action, about=about, address=address[0] if address else None)

    def address_hash(self, email: str) -> str:
        """Return the keyed hash under which an address that wants no mail is remembered."""
        return hmac.new(self._drawn("addresses"), email.lower().encode(), "sha256").hexdigest()

    def _links(self) -> URLSafeSerializer:
        return URLSafeSerializer(
            self._drawn("links"), salt="comity.notifications", signer_kwargs={"digest_method": sha256}
        )

    def _drawn(self, purpose: str) -> bytes:
        return hmac.new(self.secret, purpose.encode(), "sha256").digest()


def new_secret() -> str:
    """Return a fresh signing secret in Standard Webhooks' form."""
    return SECRET_PREFIX + b64encode(secrets.token_bytes(32)).decode()


def keys_of(state: Mapping[str, Any]) -> Keys:
    """Return the keys that were drawn at start, from the runtime's state."""
    keys: Keys = state[KEYS]
    return keys
