"""From a bearer token to a principal, by the published keys of its issuer (JWKS).

The algorithms are a fixed list, never what the token says; issuer, audience, expiry and revocation are checked. The keys'
document, which names the revoked tokens too, is fetched when first needed, kept, and fetched anew when a token names a key
that is not known (a rotation) or the document is a minute old. Where the issuer is away the last document stands, so that
an expired lifetime is what ends a token then. This module must not know who issues tokens, and never sees a private key.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import httpx2
import jwt

from services.chassis.identity.principal import ROLES, Principal
from services.chassis.settings import Settings

ALGORITHMS = ("EdDSA", "RS256")
_KEYS_LAST = 60.0  # seconds until the keys are fetched anew: so long may a revocation go unseen
_AFTER_FAILURE = 5.0  # seconds; an issuer that is away must not make every request wait for it
_BETWEEN_FETCHES = 1.0  # seconds; a flood of tokens with invented key ids must not become a flood of fetches
_FETCHED_WITHIN = 5.0  # seconds, to the last byte
_REMEMBERED = 4096

FetchKeys = Callable[[], Awaitable[Mapping[str, Any]]]


class TokenRefused(Exception):  # noqa: N818 - what happened, in the past tense
    """The token is not accepted; `code` is one of the codes of the token problems."""

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)


class KeysAway(Exception):  # noqa: N818 - a state of another system
    """The issuer's keys cannot be fetched now, so no token can be verified."""


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token that was good: whose, by which key, until when, and under which revision of its client it was issued."""

    principal: Principal
    key_id: str
    expires: float
    client: str
    revision: int


class Verifier:
    """Verifies tokens of one issuer for one audience. `fetch` returns the issuer's JWKS document."""

    def __init__(self, fetch: FetchKeys, *, issuer: str, audience: str, leeway_seconds: int = 30) -> None:
        self._fetch = fetch
        self._issuer = issuer
        self._audience = audience
        self._leeway = leeway_seconds
        self._keys: dict[str, jwt.PyJWK] = {}
        self._revoked: dict[str, int] = {}  # by client, the first revision whose tokens count
        self._fetched_at: float | None = None
        self._failed_at: float | None = None
        self._fetching = asyncio.Lock()
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()

    @classmethod
    def from_settings(cls, settings: Settings) -> "Verifier":
        """Return a verifier that fetches the keys from the address in the settings."""
        return cls(
            lambda: fetch_keys(settings.jwks_url),
            issuer=settings.issuer,
            audience=settings.identity.audience,
            leeway_seconds=settings.identity.leeway_seconds,
        )

    async def verify(self, token: str) -> Principal:
        """Return the token's principal. Raises TokenRefused, or KeysAway if no key can be had."""
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._verified.get(digest)
        if known is not None and known.expires + self._leeway > time.time():
            self._verified.move_to_end(digest)
            await self._key_of(known.key_id)
        else:
            known = await self._first_time(token)
            self._verified[digest] = known
            if len(self._verified) > _REMEMBERED:
                self._verified.popitem(last=False)
        if known.revision < self._revoked.get(known.client, 0):
            raise TokenRefused("token-revoked", "The token was revoked, or its client's rights have changed.")
        return known.principal

    async def _first_time(self, token: str) -> _Verified:
        key_id = _key_id(token)
        claims = self._claims(token, await self._key_of(key_id))
        revision = claims.get("client_revision", 0)
        return _Verified(
            _principal(claims),
            key_id,
            float(claims["exp"]),
            str(claims.get("client_id", "")),
            revision if isinstance(revision, int) else 0,
        )

    def _claims(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise TokenRefused(
                "token-expired", "The token has expired. Ask for a new one at /v1/tokens."
            ) from None
        except jwt.InvalidAudienceError:
            raise TokenRefused(
                "token-wrong-audience", f"The token is not for the audience {self._audience!r}."
            ) from None
        except jwt.InvalidIssuerError:
            raise TokenRefused("token-wrong-issuer", f"The token is not from {self._issuer}.") from None
        except jwt.InvalidAlgorithmError:
            raise _wrong_algorithm(key.algorithm_name) from None
        except jwt.PyJWTError as error:
            raise TokenRefused("token-invalid", f"The token cannot be used: {error}.") from None

    async def _key_of(self, key_id: str) -> jwt.PyJWK:
        """Return the key, from a document that is not old. Raises TokenRefused, or KeysAway."""
        if key_id not in self._keys or self._is_old():
            async with self._fetching:
                await self._refresh(key_id)
        key = self._keys.get(key_id)
        if key is None:
            raise TokenRefused("token-invalid", "The token names a key that its issuer does not publish.")
        return key

    def _is_old(self) -> bool:
        now = time.monotonic()
        if self._failed_at is not None and now - self._failed_at < _AFTER_FAILURE:
            return False
        return self._fetched_at is None or now - self._fetched_at > _KEYS_LAST

    async def _refresh(self, key_id: str) -> None:
        if key_id in self._keys and not self._is_old():
            return  # another request fetched them while this one waited
        if self._fetched_at is not None:
            # The key may be newer than the last fetch, so wait rather than refuse it.
            await asyncio.sleep(_BETWEEN_FETCHES - (time.monotonic() - self._fetched_at))
        begun = time.monotonic()
        try:
            document = await self._fetch()
            keys = {str(key["kid"]): jwt.PyJWK.from_dict(key) for key in document["keys"]}
            revoked = {str(client): int(first) for client, first in dict(document.get("revoked", {})).items()}
        except (httpx2.HTTPError, OSError, KeyError, TypeError, ValueError, jwt.PyJWTError) as error:
            if key_id in self._keys:
                self._failed_at = time.monotonic()
                return  # keys that were good a while ago are better than no answer
            raise KeysAway("The keys that verify tokens cannot be fetched now.") from error
        self._keys, self._revoked = keys, revoked
        self._fetched_at, self._failed_at = begun, None


async def fetch_keys(url: str, *, seconds: float = _FETCHED_WITHIN) -> Mapping[str, Any]:
    """Fetch a JWKS document, whole within so many seconds. Raises httpx2.HTTPError, TimeoutError."""
    # The client's own patience is from one byte to the next, and everybody waits for this.
    async with (
        asyncio.timeout(seconds),
        httpx2.AsyncClient(timeout=seconds, trust_env=False) as client,
    ):
        response = await client.get(url, headers={"Accept": "application/json"})
        response.raise_for_status()
        document: Mapping[str, Any] = response.json()
        return document


def _key_id(token: str) -> str:
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError):
        raise TokenRefused("token-invalid", "The token is not a JSON Web Token.") from None
    if header.get("alg") not in ALGORITHMS:
        raise _wrong_algorithm(*ALGORITHMS)
    return str(header.get("kid", ""))


def _principal(claims: Mapping[str, Any]) -> Principal:
    roles = claims.get("roles", [])
    if not isinstance(roles, list):
        raise TokenRefused("token-invalid", "The token's roles are no list.")
    known = frozenset(role for role in roles if isinstance(role, str)) & ROLES
    return Principal(
        str(claims["sub"]), known | {"public"}, _text(claims.get("organisation")), _text(claims.get("office"))
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _wrong_algorithm(*accepted: str) -> TokenRefused:
    return TokenRefused(
        "token-wrong-algorithm",
        f"The token's algorithm is not accepted; accepted here: {' and '.join(accepted)}.",
    )
