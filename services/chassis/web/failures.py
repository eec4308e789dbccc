"""From whatever was raised to an answer: every error leaves as a problem document (RFC 9457).

This is the HTTP edge, one of the two places where any exception is caught. What is not one of our problems answers 500
with the request's id and nothing else about the inside.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import Scope

from services.chassis.bus.errors import BusError
from services.chassis.database import DatabaseAway
from services.chassis.identity.verification import KeysAway, TokenRefused
from services.chassis.telemetry import log_of
from services.chassis.web import problems
from services.chassis.web.problems import ErrorEntry, Problem
from services.chassis.web.refusals import causes_of, entry_of, sentence_of
from services.chassis.web.strict_json import pointer_to

_TOKENS: dict[str, type[Problem]] = {
    kind.code: kind
    for kind in (
        problems.TokenProblem,
        problems.TokenExpired,
        problems.TokenRevoked,
        problems.TokenWrongAudience,
        problems.TokenWrongIssuer,
        problems.TokenWrongAlgorithm,
    )
}
_MOST_ERRORS = 100


def problem_of(error: Exception, scope: Scope) -> Problem:
    """Return the problem that answers this error."""
    found: Problem = problems.Internal()
    match error:
        case Problem():
            found = error
        case RequestValidationError():
            found = _validation(error, scope)
        case HTTPException():
            found = _http(error, scope)
        case TokenRefused():
            found = _TOKENS[error.code](str(error))
        case DatabaseAway() | KeysAway():
            found = problems.Unavailable(str(error))
        case BusError() if error.status == problems.RecordTooLarge.status:
            found = problems.RecordTooLarge(error.detail)
        case BusError() if error.status == problems.Unavailable.status:
            found = problems.Unavailable(error.detail)
        case _:
            pass
    return found


def answer(error: Exception, scope: Scope, *, public_url: str) -> Response:
    """Return the error as a problem document; what is our own fault goes to the log with its trace."""
    problem = problem_of(error, scope)
    request_id = scope.get("state", {}).get("request_id", "unknown")
    if problem.status >= 500:
        log_of("web").error("request failed", exc_info=error, code=problem.code, request_id=request_id)
    body = problem.body(public_url=public_url, instance=f"urn:request:{request_id}")
    return Response(
        orjson.dumps(body),
        status_code=problem.status,
        media_type=problems.MEDIA_TYPE,
        headers={"Cache-Control": "no-store"} | problem.headers,
    )


def _http(error: HTTPException, scope: Scope) -> Problem:
    headers = dict(error.headers or {})
    match error.status_code:
        case 404:
            return problems.NotFound()
        case 405:
            allowed = ", ".join(_methods(scope))
            return problems.MethodNotAllowed(
                f"Allowed here: {allowed}.", headers=headers | {"Allow": allowed}
            )
        case 413:
            return problems.BodyTooLarge()
        case status if status < 500:
            return problems.MalformedBody(str(error.detail), headers=headers)
        case _:
            return problems.Internal()


def _methods(scope: Scope) -> list[str]:
    """Return the methods of all routes of this path; the framework names those of the first one only."""
    found: set[str] = set()
    for route in iter_route_contexts(scope["app"].routes):
        if route.path is not None and compile_path(route.path)[0].match(scope["path"]):
            found |= route.methods or set()
    if "GET" in found:
        found.add("HEAD")
    return sorted(found)


def _validation(error: RequestValidationError, scope: Scope) -> Problem:
    faults = causes_of(error.errors())[:_MOST_ERRORS]
    outside = [fault for fault in faults if fault["loc"][:1] != ("body",)]
    if outside:
        return problems.InvalidParameter(
            " ".join(f"{_name(fault)}: {sentence_of(fault)}" for fault in outside)[:1000],
            errors=[_outside(fault) for fault in outside],
        )
    kind = Headers(scope=scope).get("content-type", "")
    if kind and "json" not in kind.lower():
        return problems.UnsupportedMedia(
            "This address reads application/json.", headers={"Accept": "application/json"}
        )
    errors = [entry_of(fault) | {"pointer": _pointer(_place(fault))} for fault in faults]
    first = errors[0]
    more = f" ({len(errors)} rules are broken in all.)" if len(errors) > 1 else ""
    return problems.InvalidBody(f"{first['pointer'] or 'The body'}: {first['detail']}{more}", errors=errors)


def _outside(fault: Mapping[str, Any]) -> ErrorEntry:
    name = _name(fault)
    return entry_of(fault) | ({"header": name} if fault["loc"][0] == "header" else {"parameter": name})


def _name(fault: Mapping[str, Any]) -> str:
    """Return which parameter or header is meant; of a repeatable one it is not the place of the value."""
    return str(fault["loc"][:2][-1])


def _place(fault: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return where in the body a fault is: of fields that are checked together the one to mend."""
    field = (fault.get("ctx") or {}).get("field")
    return (*fault["loc"][1:], *([field] if field else []))


def _pointer(place: Sequence[Any]) -> str:
    # A missing body is reported at the body itself, whose pointer is the empty text.
    return pointer_to(*(part if isinstance(part, int) else str(part) for part in place))
