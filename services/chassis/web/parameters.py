"""Query parameters: the types that every list shares, and the refusal of those that a route does not declare.

Why refuse: a filter that is misspelt and ignored answers another question than the one asked. Why also refuse a
parameter given twice: readers disagree on which one counts.
"""

from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Annotated, Any, get_args, get_origin

from fastapi import Query, Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query as QueryField
from fastapi.routing import APIRoute

from services.chassis.web.problems import InvalidParameter, UnknownParameter

Limit = Annotated[int, Query(ge=1, le=200, description="How many rows a page has, 1 to 200.")]
"""How many rows a page has; declare it as `limit: Limit = 50`."""

Cursor = Annotated[
    str | None,
    Query(
        max_length=4000,
        description="The place that a former page named as `next`. Opaque: take it as it is, from the same list, "
        "with the same filters.",
    ),
]
"""Where to go on; declare it as `cursor: Cursor = None`."""


async def refuse_unknown_parameters(request: Request) -> None:
    """Raise UnknownParameter for every query parameter that the route does not declare, all at once."""
    if not request.scope.get("query_string"):
        return
    known = _declared(request)
    given = Counter(name for name, _ in request.query_params.multi_items())
    unknown = sorted(name for name in given if name not in known)
    if unknown:
        raise UnknownParameter(
            f"There is no parameter {', '.join(unknown)[:300]} here."
            + (f" Known are {', '.join(sorted(known))}." if known else " This address takes none."),
            errors=[
                {
                    "parameter": name[:100],
                    "rule": "unknown-parameter",
                    "detail": "It is not a parameter of this address.",
                    "fix": f"Did you mean {near[0]}?"
                    if (near := get_close_matches(name, known, n=1))
                    else "Remove it.",
                }
                for name in unknown[:20]
            ],
        )
    twice = sorted(name for name, count in given.items() if count > 1 and not known[name])
    if twice:
        raise InvalidParameter(
            f"The parameter {', '.join(twice)} may be given once.",
            errors=[
                {
                    "parameter": name,
                    "rule": "given-once",
                    "detail": "It is given more than once.",
                    "fix": "Give it once.",
                }
                for name in twice
            ],
        )


def _declared(request: Request) -> dict[str, bool]:
    """Return the route's parameters by name, with whether they may be repeated; worked out once a route."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return {}
    seen: dict[int, dict[str, bool]] = request.app.state.declared_parameters
    if id(route) not in seen:
        seen[id(route)] = dict(_parameters(route))
    return seen[id(route)]


def _parameters(route: APIRoute) -> Iterator[tuple[str, bool]]:
    for field in get_flat_params(route.dependant):
        if isinstance(field.field_info, QueryField):
            yield field.alias, _repeats(field.field_info.annotation)


def _repeats(annotation: Any) -> bool:
    if get_origin(annotation) in {list, tuple, set, frozenset}:
        return True
    return any(_repeats(part) for part in get_args(annotation))
