"""The OpenAPI document, made true: every operation shows the problems that it can answer with, and who may call it.

FastAPI's own default for errors (a 422 of its own shape) is replaced; what the edge does for every route is added to
every route here. Also the older dialect that the bundled documentation page reads.
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from schemas.http.examples import examples
from schemas.http.glossary import glossary
from schemas.http.texts import MISLEADING
from services.chassis.web import reason
from services.chassis.web.pages import problem_examples
from services.chassis.web.problems import MEDIA_TYPE, Problem

VERSION = version("comity")  # one for the whole system
_PROBLEMS = {  # by status: what it means, and the code of the example
    400: ("The request cannot be read: unknown or wrong parameter, malformed body", "invalid-parameter"),
    401: ("No token, or one that cannot be used", "unauthenticated"),
    403: ("Your roles do not allow this", "forbidden"),
    404: ("Not found, or not visible to you", "not-found"),
    409: ("It contradicts the present state", "conflict"),
    412: ("Changed since you read it", "stale-revision"),
    413: ("Too large", "body-too-large"),
    415: ("Unsupported content type", "unsupported-media"),
    422: ("The body breaks a rule; `errors` names each", "invalid-body"),
    428: ("If-Match is missing", "precondition-required"),
    429: ("Too many requests; see Retry-After", "too-many-requests"),
    500: ("Something went wrong here", "internal"),
    503: ("Not available now; see Retry-After", "unavailable"),
}
_DONE = {"200": "Answered", "201": "Made", "202": "Accepted; the work is done afterwards", "204": "Done"}
_EXAMPLES = (
    "Examples are answers of a small system with fictional organisations; of long lists their first entries."
)
_OF_EVERY_OPERATION = (400, 401, 403, 404, 429, 500, 503)
_OF_WRITES = (409, 413, 415, 422)
_OF_CONDITIONS = (412, 428)
_METHODS = {"get", "put", "post", "delete", "patch", "head", "options", "trace"}
_PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "An error (RFC 9457). `type` opens a page with its meaning, an example and the fix. "
    "A code may have members of its own beside these.",
    "additionalProperties": True,
    "required": ["type", "title", "status", "detail", "instance", "code"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri",
            "description": "The address of the page about this code.",
        },
        "title": {"type": "string", "description": "The code in a few words, the same each time."},
        "status": {
            "type": "integer",
            "minimum": 400,
            "maximum": 599,
            "description": "The HTTP status of the answer.",
        },
        "detail": {"type": "string", "description": "What is wrong this time, in a sentence."},
        "instance": {"type": "string", "description": "The request's id, as in X-Request-ID."},
        "code": {
            "type": "string",
            "pattern": "^[a-z][a-z0-9-]*$",
            "description": "The stable code of the problem.",
        },
        "errors": {
            "type": "array",
            "description": "Each fault of the request, with its place and its fix.",
            "items": {
                "type": "object",
                "required": ["rule", "detail", "fix"],
                "properties": {
                    "pointer": {"type": "string", "description": "Where in the body (RFC 6901)."},
                    "parameter": {
                        "type": "string",
                        "description": "The parameter of the address that is at fault.",
                    },
                    "header": {"type": "string", "description": "The header that is at fault."},
                    "rule": {
                        "type": "string",
                        "pattern": "^[a-z][a-z0-9-]*$",
                        "description": "The stable code of the rule that is broken.",
                    },
                    "detail": {"type": "string", "description": "What is wrong there, in a sentence."},
                    "fix": {"type": "string", "description": "What to send instead."},
                    "organisation": {
                        "type": "string",
                        "format": "uuid",
                        "description": "Who stands in the way, for those who may know.",
                    },
                },
            },
        },
    },
}
_IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Your own name of this request; sent again within 24 hours it gets the first answer again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
_REASON = {
    "name": reason.HEADER,
    "in": "header",
    "required": False,
    "description": (
        f"Why, for the audit trail, which nobody edits: name nobody. At most {reason.LONGEST} characters on one line; UTF-8, "
        "percent-encoded where it is not ASCII."
    ),
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": 12 * reason.LONGEST,
    },  # 4 bytes a character, each %XX
    "example": "Agreed with the administration on 3 November.",
}
_HEADERS = {
    "ETag": {
        "description": "What was answered, as If-None-Match takes it; of one record, what a write of it takes as If-Match.",
        "schema": {"type": "string"},
    },
    "Link": {
        "description": "Where to go on: `next`, while there is more; of a page also `first`.",
        "schema": {"type": "string"},
    },
    "Location": {
        "description": "The address of what was made.",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "RateLimit": {
        "description": "Of every answer where a limit is set: `r` requests are left, `t` seconds until all are.",
        "schema": {"type": "string"},
    },
    "RateLimit-Policy": {
        "description": "Of every answer where a limit is set: `q` requests in `w` seconds.",
        "schema": {"type": "string"},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
}
_SECURITY_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token from /v1/tokens, by OAuth 2.0 client credentials.",
    },
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "Client id and secret, for /v1/tokens only.",
    },
}
_NOT_CHANGED = {
    "description": "Not changed since the ETag in If-None-Match",
    "headers": {"ETag": {"$ref": "#/components/headers/ETag"}},
}
_PLAIN_TEXT = f"^[^{MISLEADING}]*$"  # what the edge lets through in an address
Responses = dict[int | str, dict[str, Any]]
"""What a route can answer with, by status, as FastAPI takes it."""

IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The ETag that you read; required where the resource exists.",
    "schema": {"type": "string", "pattern": '^"[0-9]+"$', "minLength": 3, "maxLength": 20},
}
"""The parameter that `document` adds to PUT, PATCH and DELETE; a POST that compares revisions names it in `openapi_extra`."""

_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
}
_KNOWN = _IF_NONE_MATCH | {"description": "ETags that you have: where one still holds, 304 without a body."}
_NEW = _IF_NONE_MATCH | {
    "description": "`*`: only make it; 412 where it exists already.",
    "schema": {"type": "string", "pattern": r"^\*$", "maxLength": 1},
}

UNCONDITIONAL = "x-unconditional"
"""A route's `openapi_extra` key for a PUT or DELETE that compares no revision, and so takes no If-Match."""

QUESTION = "x-question"
"""A route's `openapi_extra` key for a POST that changes nothing, and so takes no Idempotency-Key."""


def document(
    routes: Iterable[BaseRoute],
    *,
    title: str,
    description: str,
    public_url: str,
    webhooks: Iterable[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of these routes, which may stem from several applications."""
    made = get_openapi(
        title=title,
        version=VERSION,
        description=f"{description}\n\n{_EXAMPLES}",
        routes=list(routes),
        servers=[{"url": public_url}],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    components = made.setdefault("components", {})
    components["securitySchemes"] = _SECURITY_SCHEMES
    schemas = components.setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schemas["Problem"] = _PROBLEM
    components["responses"] = {f"Problem{status}": _response(status) for status in _PROBLEMS}
    components["responses"]["NotChanged"] = _NOT_CHANGED
    components["headers"] = _HEADERS
    responses = list(components["responses"].values())
    for path in made.get("paths", {}).values():
        for method, operation in path.items():
            if method in _METHODS:
                _complete(method, operation)
                _add_examples(operation)
                responses += operation["responses"].values()
    components["examples"] = _problem_examples(responses)
    for sent in webhooks:
        made.setdefault("webhooks", {}).update(sent["webhooks"])
        schemas.update(sent["schemas"])
    components["schemas"] = {name: _described(name, schema) for name, schema in schemas.items()}
    made["tags"] = _tags(made)
    return made


def refusals(*kinds: type[Problem]) -> Responses:
    """Return the documentation of the problems that are particular to a route, by status.

    What every route or every write can answer with, `document` adds.
    """
    by_status: dict[int, list[type[Problem]]] = {}
    for kind in kinds:
        by_status.setdefault(kind.status, []).append(kind)
    return {
        status: {
            "description": "; ".join(f"`{kind.code}`: {kind.title}" for kind in found),
            "content": _problem(*(kind.code for kind in found)),
        }
        for status, found in sorted(by_status.items())
    }


def older_dialect(made: Any) -> Any:
    """Return an OpenAPI 3.1 document in the 3.0 form that the documentation page reads; the API serves 3.1."""
    if isinstance(made, list):
        return [older_dialect(item) for item in made]
    if not isinstance(made, dict):
        return made
    plain = {name: older_dialect(value) for name, value in made.items()}
    if "openapi" in plain:
        plain["openapi"] = "3.0.3"
        plain.pop("webhooks", None)  # which came with 3.1
        plain["info"] = {**plain["info"], "license": {"name": plain["info"]["license"]["name"]}}
    return _older_schema(plain)


def _older_schema(plain: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without the keywords that the older dialect lacks; other objects have none of them."""
    branches = plain.get("anyOf")
    if isinstance(branches, list) and {"type": "null"} in branches:
        rest = [branch for branch in branches if branch != {"type": "null"}]
        del plain["anyOf"]
        plain |= {"nullable": True} | (
            rest[0] if len(rest) == 1 and "$ref" not in rest[0] else {"anyOf": rest}
        )
    if "const" in plain and "enum" not in plain and not isinstance(plain["const"], dict):
        plain["enum"] = [plain.pop("const")]
    if isinstance(plain.get("examples"), list):
        plain["example"] = next(iter(plain.pop("examples")), None)
    for bound, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(plain.get(bound), int | float) and not isinstance(plain[bound], bool):
            plain |= {inclusive: plain[bound], bound: True}
    for comparison in ("ge", "gt", "le", "lt"):  # bounds of dates, for which the dialect has no keyword
        if isinstance(plain.get(comparison), str):
            del plain[comparison]
    if "prefixItems" in plain:
        plain["items"] = {"anyOf": plain.pop("prefixItems")}
    if "$ref" in plain and len(plain) > 1:  # there nothing is read beside it
        plain["allOf"] = [{"$ref": plain.pop("$ref")}]
    return plain


def _complete(method: str, operation: dict[str, Any]) -> None:
    operation.setdefault("security", [{"bearer": []}])
    parameters = operation.setdefault("parameters", [])
    _add_parameters(method, operation, parameters)
    named = {one["name"] for one in parameters}
    responses = operation.setdefault("responses", {})
    _replace_frameworks_own(responses)
    statuses = _OF_EVERY_OPERATION if method == "get" else _OF_EVERY_OPERATION + _OF_WRITES
    for status in statuses + (_OF_CONDITIONS if "If-Match" in named else ()):
        responses.setdefault(str(status), {"$ref": f"#/components/responses/Problem{status}"})
    tagged = method == "get" and not _is_stream(operation)
    if tagged:
        responses["304"] = {"$ref": "#/components/responses/NotChanged"}
        responses["200"]["headers"] = _named_headers("ETag")
    if not parameters:
        del operation["parameters"]


def _add_examples(operation: Mapping[str, Any]) -> None:
    """Show what was answered once, where it was JSON, and with which headers."""
    for status, response in operation["responses"].items():
        answered = examples().get((operation["operationId"], status))
        if answered is None:
            continue
        if answered.headers:
            response["headers"] = _named_headers(*answered.headers)
        for media, content in response["content"].items():
            if media.endswith("json"):
                content["example"] = answered.body


def _add_parameters(method: str, operation: Mapping[str, Any], parameters: list[dict[str, Any]]) -> None:
    named = {one["name"] for one in parameters}
    question = operation.get(QUESTION, False)
    if method == "post" and not question and "Idempotency-Key" not in named:
        parameters.append(_IDEMPOTENCY)
    conditional = method in {"put", "patch", "delete"} and not operation.get(UNCONDITIONAL, False)
    if conditional and "If-Match" not in named:
        parameters.append(IF_MATCH)
    if method == "get" and not _is_stream(operation):
        parameters.append(_KNOWN)
    if conditional and "201" in operation["responses"]:
        parameters.append(_NEW)
    if method != "get" and not question:
        parameters.append(_REASON)
    for one in parameters:
        one["schema"] = _without_null(one.get("schema", {}))
        one["schema"].pop("title", None)
        if one.get("in") in {"query", "path"}:
            _bound_text(one["schema"])


def _is_stream(operation: Mapping[str, Any]) -> bool:
    """Whether it is answered with what comes, which has no ETag: nobody has it already."""
    return "text/event-stream" in operation["responses"]["200"].get("content", {})


def _described(model: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema whose members say what they mean, without titles, which generators take each for the name of a type."""
    if "properties" not in schema:
        return schema
    members = {}
    for name, one in schema["properties"].items():
        meaning = glossary().meaning_of(model, name)
        told = {} if meaning is None else {"description": meaning}
        members[name] = told | {key: value for key, value in one.items() if key != "title"}
    return schema | {"properties": members}


def _tags(made: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return what stands under each tag of these operations, in the order of the table."""
    paths = [*made.get("paths", {}).values(), *made.get("webhooks", {}).values()]
    used = {tag for path in paths for operation in path.values() for tag in operation.get("tags", ())}
    return [{"name": tag, "description": text} for tag, text in glossary().tags.items() if tag in used]


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter's schema without null: in an address or a header one is left out, or it is a text."""
    branches = [dict(branch) for branch in schema.get("anyOf", ()) if branch != {"type": "null"}]
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return rest | (branches[0] if len(branches) == 1 else {"anyOf": branches} if branches else {})


def _bound_text(schema: dict[str, Any]) -> None:
    """Say of a free text in an address which characters it may hold."""
    for one in (schema, *schema.get("anyOf", ())):
        if one.get("type") == "string" and not {"pattern", "enum", "const", "format"} & one.keys():
            one["pattern"] = _PLAIN_TEXT


def _replace_frameworks_own(responses: dict[str, Any]) -> None:
    """Take out of a route's answers what the framework says by itself."""
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    for status, response in responses.items():
        if response["description"] == "Successful Response":
            response["description"] = _DONE[status]
        for content in response.get("content", {}).values():
            content["schema"].pop("title", None)


def _named_headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _response(status: int) -> dict[str, Any]:
    meaning, code = _PROBLEMS[status]
    names = {429: ("Retry-After", "RateLimit", "RateLimit-Policy"), 503: ("Retry-After",)}.get(status, ())
    made = {"description": meaning, "content": _problem(code)}
    return made | ({"headers": _named_headers(*names)} if names else {})


def _problem(*codes: str) -> dict[str, Any]:
    """Return the content of an answer that is one of these problems, with the example of each."""
    shown = {code: {"$ref": f"#/components/examples/{code}"} for code in codes}
    return {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": shown}}


def _problem_examples(responses: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the examples that these answers name, from the pages about the problems."""
    contents = [content for one in responses for content in one.get("content", {}).values()]
    codes = {code for content in contents for code in content.get("examples", ())}
    return {code: {"value": shown} for code, shown in problem_examples().items() if code in codes}
