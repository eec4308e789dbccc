"""The errors that a caller is told about, each with a status, a stable code and a sentence (RFC 9457).

A service adds its own by subclassing; the code then needs a page docs/problems/<code>.md, which a test checks, because
`type` is an address that people open. The docstring of a subclass is its default sentence. This module must not know
requests: `failures` turns a problem into a response.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NotRequired, Self, TypedDict

MEDIA_TYPE = "application/problem+json"


class ErrorEntry(TypedDict):
    """One fault: where it is, the code of the rule that it breaks, a sentence about it, and what to do.

    A program decides by `rule`, which stays; `detail` and `fix` are for people and may be reworded.
    """

    pointer: NotRequired[str]  # into the body (RFC 6901)
    parameter: NotRequired[str]  # of the path or the query
    header: NotRequired[str]
    rule: str
    detail: str
    fix: str
    organisation: NotRequired[str]  # who stands in the way, for those who may know


class Problem(Exception):  # noqa: N818 - the name of the standard
    """The request cannot be answered.

    `detail` is a sentence for people; `errors` has one entry for each fault, all at once;
    `members` are further fields of the answer.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong here"

    def __init__(
        self,
        detail: str = "",
        *,
        errors: Sequence[ErrorEntry] = (),
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        self.detail = detail or " ".join((type(self).__doc__ or "").split())
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.members = members
        super().__init__(self.detail)

    def body(self, *, public_url: str, instance: str) -> dict[str, Any]:
        """Return the problem as RFC 9457's object; `instance` is the request's id as a URN."""
        body: dict[str, Any] = {
            "type": f"{public_url}/problems/{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "code": self.code,
        }
        if self.errors:
            body["errors"] = [dict(error) for error in self.errors]
        return body | self.members

    @classmethod
    def at(cls, pointer: str, rule: str, *, detail: str, fix: str) -> Self:
        """Return a problem about one place of the body, named by its JSON pointer ("": the body itself)."""
        error: ErrorEntry = {"pointer": pointer, "rule": rule, "detail": detail, "fix": fix}
        return cls(f"{pointer or 'The body'}: {detail}", errors=[error])


def every_problem(root: type[Problem] = Problem) -> Iterator[type[Problem]]:
    """Yield every kind of problem that the loaded modules declare, `Problem` itself left out."""
    for kind in root.__subclasses__():
        yield kind
        yield from every_problem(kind)


class Internal(Problem):
    """Something went wrong here. It is in our log under the request id that this answer carries."""


class MalformedBody(Problem):
    """The body is not well-formed JSON."""

    status = 400
    code = "malformed-body"
    title = "The body cannot be read"


class UnknownParameter(Problem):
    """The request has a query parameter that this address does not know."""

    status = 400
    code = "unknown-parameter"
    title = "Unknown query parameter"


class InvalidParameter(Problem):
    """A parameter in the path, the query or a header has a value that is not allowed."""

    status = 400
    code = "invalid-parameter"
    title = "A parameter has a wrong value"


class InvalidCursor(Problem):
    """The cursor was not issued by us for this list, these filters and this caller. Start from the first page."""

    status = 400
    code = "invalid-cursor"
    title = "The cursor cannot be used"


class Unauthenticated(Problem):
    """A bearer token is needed here."""

    status = 401
    code = "unauthenticated"
    title = "Who are you?"

    def __init__(self, detail: str = "", **members: Any) -> None:
        headers = {"WWW-Authenticate": 'Bearer realm="comity"'} | dict(members.pop("headers", None) or {})
        super().__init__(detail, headers=headers, **members)


class TokenProblem(Unauthenticated):
    """The token cannot be used."""

    code = "token-invalid"
    title = "The token cannot be used"

    def __init__(self, detail: str = "", **members: Any) -> None:
        headers = {"WWW-Authenticate": 'Bearer realm="comity", error="invalid_token"'}
        super().__init__(detail, headers=headers, **members)


class TokenExpired(TokenProblem):
    """The token has expired. Ask for a new one at /v1/tokens."""

    code = "token-expired"
    title = "The token has expired"


class TokenRevoked(TokenProblem):
    """The token was revoked, or its client's rights have changed. Ask for a new one at /v1/tokens."""

    code = "token-revoked"
    title = "The token was revoked"


class TokenWrongAudience(TokenProblem):
    """The token was issued for another system."""

    code = "token-wrong-audience"
    title = "The token is for another system"


class TokenWrongIssuer(TokenProblem):
    """The token was issued by somebody whom this system does not trust."""

    code = "token-wrong-issuer"
    title = "The token is from another issuer"


class TokenWrongAlgorithm(TokenProblem):
    """The token is signed with an algorithm that is not accepted. Accepted are EdDSA and RS256."""

    code = "token-wrong-algorithm"
    title = "The token's algorithm is not accepted"


class Forbidden(Problem):
    """Your roles do not allow this."""

    status = 403
    code = "forbidden"
    title = "Not allowed"


class NotFound(Problem):
    """There is nothing at this address, or nothing that you may see."""

    status = 404
    code = "not-found"
    title = "Not found"


class MethodNotAllowed(Problem):
    """The address exists, but does not know this method."""

    status = 405
    code = "method-not-allowed"
    title = "Method not allowed"


class Conflict(Problem):
    """The request contradicts the present state."""

    status = 409
    code = "conflict"
    title = "Conflict"


class IdempotencyInFlight(Problem):
    """A request with this Idempotency-Key is being worked on. Ask again in a moment."""

    status = 409
    code = "idempotency-in-flight"
    title = "The first request is still being worked on"


class StaleRevision(Problem):
    """It was changed since you read it. Read it again, apply your change, and send the new ETag in If-Match."""

    status = 412
    code = "stale-revision"
    title = "Changed in the meantime"


class BodyTooLarge(Problem):
    """The body is larger than is accepted."""

    status = 413
    code = "body-too-large"
    title = "Body too large"


class RecordTooLarge(Problem):
    """The record is larger than the log of events accepts. Nothing was stored."""

    status = 413
    code = "record-too-large"
    title = "Record too large"


class UnsupportedMedia(Problem):
    """The body has a content type that this address does not read."""

    status = 415
    code = "unsupported-media"
    title = "Unsupported content type"


class InvalidBody(Problem):
    """The body was read, but does not follow the rules."""

    status = 422
    code = "invalid-body"
    title = "The body breaks a rule"


class IdempotencyMismatch(Problem):
    """The Idempotency-Key was used with another body. Use a new key for a new request."""

    status = 422
    code = "idempotency-mismatch"
    title = "The key belongs to another request"


class PreconditionRequired(Problem):
    """It exists already, so a write needs If-Match with the ETag that you read, lest you undo somebody's change."""

    status = 428
    code = "precondition-required"
    title = "If-Match is missing"


class TooManyRequests(Problem):
    """You sent more requests than the limit allows. Retry-After says when to go on."""

    status = 429
    code = "too-many-requests"
    title = "Too many requests"


class Unavailable(Problem):
    """A part that this request needs does not answer now. Nothing was changed; send it again."""

    status = 503
    code = "unavailable"
    title = "Not available now"

    def __init__(self, detail: str = "", *, retry_after: int = 2, **members: Any) -> None:
        headers = {"Retry-After": str(retry_after)} | dict(members.pop("headers", None) or {})
        super().__init__(detail, headers=headers, **members)
