"""The token endpoint's work: OAuth 2.0 client credentials (RFC 6749 §4.4), by form fields or HTTP Basic."""

import hmac
import secrets
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from services.chassis.runtime import Runtime, timestamp
from services.chassis.settings import LONGEST_LEEWAY_SECONDS, LONGEST_TOKEN_SECONDS
from services.chassis.web.secrets import service_secret
from services.identity.commands.hashing import HASHING, Hashing
from services.identity.commands.signing import SIGNING, Signing
from services.identity.queries import Grant, grant_of, revoked_tokens
from services.identity.rules import InvalidClient, InvalidTokenRequest, UnsupportedGrant

GRANT = "client_credentials"
SERVICES = {
    "comity:notifications": Grant(
        client="comity:notifications",
        revision=0,
        person=None,
        roles=frozenset({"bdt_analyst"}),
        organisation=None,
        office=None,
        hashes=(),
    )
}
"""The services that ask other services: each as a client with roles of its own, which nobody can give or take away."""
_LONGEST = 300  # characters of an id or secret; ours are shorter, and argon2 should not be fed more


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client proves itself with."""

    client_id: str
    secret: str


def read_request(body: bytes, authorization: str | None) -> Credentials:
    """Return the credentials of a token request. Raises InvalidTokenRequest, UnsupportedGrant or InvalidClient."""
    fields = _fields(body)
    grant = fields.get("grant_type")
    if grant is None:
        raise InvalidTokenRequest(
            "The field grant_type is missing; send client_credentials.", error="invalid_request"
        )
    if grant != GRANT:
        raise UnsupportedGrant(error="unsupported_grant_type")
    in_form = {"client_id", "client_secret"} & fields.keys()
    if authorization is not None:
        if "client_secret" in in_form:
            raise InvalidTokenRequest(
                "Send the secret once: in the form or by HTTP Basic.", error="invalid_request"
            )
        return _basic(authorization)
    if len(in_form) < 2:
        raise InvalidClient(
            "Send client_id and client_secret, as form fields or by HTTP Basic.",
            headers={"WWW-Authenticate": 'Basic realm="comity"'},
            error="invalid_client",
        )
    return Credentials(fields["client_id"], fields["client_secret"])


async def issue_token(runtime: Runtime, credentials: Credentials) -> dict[str, Any]:
    """Return a token for these credentials. Raises InvalidClient, which does not say what of them was wrong."""
    hashing: Hashing = runtime.state[HASHING]
    if credentials.client_id in SERVICES:
        return _service_token(runtime, credentials)
    async with runtime.database.read() as connection:
        grant = await grant_of(connection, credentials.client_id)
    usable = len(credentials.secret) <= _LONGEST
    right = await hashing.verify(
        credentials.secret if usable else "", grant.hashes if grant and usable else ()
    )
    if grant is None or not right:
        raise _wrong()
    return _token(runtime, grant)


def _service_token(runtime: Runtime, credentials: Credentials) -> dict[str, Any]:
    """Return a token for a service of this system, which proves that it holds the system's key."""
    secret = service_secret(runtime.settings, credentials.client_id)
    if not hmac.compare_digest(secret.encode(), credentials.secret.encode("utf-8", "surrogatepass")):
        raise _wrong()
    return _token(runtime, SERVICES[credentials.client_id])


def _wrong() -> InvalidClient:
    return InvalidClient(headers={"WWW-Authenticate": 'Basic realm="comity"'}, error="invalid_client")


def _token(runtime: Runtime, grant: Grant) -> dict[str, Any]:
    signing: Signing = runtime.state[SIGNING]
    seconds = runtime.settings.identity.token_seconds
    return {
        "access_token": signing.sign(_claims(runtime, grant, seconds)),
        "token_type": "Bearer",
        "expires_in": seconds,
    }


async def key_set(runtime: Runtime) -> dict[str, Any]:
    """Return the JWKS document with the revoked tokens that may not have expired yet, by client."""
    signing: Signing = runtime.state[SIGNING]
    longest = timedelta(seconds=LONGEST_TOKEN_SECONDS + LONGEST_LEEWAY_SECONDS)
    async with runtime.database.read() as connection:
        revoked = await revoked_tokens(connection, since=timestamp(runtime.clock.now() - longest))
    return signing.public_keys() | {"revoked": revoked}


def _claims(runtime: Runtime, grant: Grant, seconds: int) -> dict[str, Any]:
    now = int(runtime.clock.now().timestamp())
    claims: dict[str, Any] = {
        "iss": runtime.settings.issuer,
        "aud": runtime.settings.identity.audience,
        "sub": grant.person or grant.client,
        "client_id": grant.client,
        "client_revision": grant.revision,
        "roles": sorted(grant.roles),
        "iat": now,
        "exp": now + seconds,
        "jti": secrets.token_urlsafe(12),
    }
    if grant.organisation is not None:
        claims["organisation"] = grant.organisation
    if grant.office is not None:
        claims["office"] = grant.office
    return claims


def _fields(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=20)
    except (UnicodeDecodeError, ValueError):
        raise InvalidTokenRequest("The form cannot be read.", error="invalid_request") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidTokenRequest("A field is sent twice.", error="invalid_request")
    return fields


def _basic(authorization: str) -> Credentials:
    scheme, _, coded = authorization.partition(" ")
    try:
        client_id, found, secret = b64decode(coded.strip(), validate=True).decode("utf-8").partition(":")
    except (Base64Error, ValueError):
        client_id, found, secret = "", "", ""
    if scheme.lower() != "basic" or not found:
        raise InvalidClient(
            "The Authorization header is no HTTP Basic credential.",
            headers={"WWW-Authenticate": 'Basic realm="comity"'},
            error="invalid_client",
        )
    return Credentials(
        unquote_plus(client_id), unquote_plus(secret)
    )  # RFC 6749 §2.3.1: form-encoded before Basic
