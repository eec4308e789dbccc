"""HEAD answers as GET without the body (RFC 9110 §9.3.2), on every route that answers GET and to every caller."""

from typing import Any

import pytest
from fastapi.routing import iter_route_contexts

from services.catalogue import SERVICES
from services.chassis.web.house import house_routes
from tests.contracts.visibility_rows import Get
from tests.contracts.visibility_table import TABLE
from tests.contracts.world import CALLERS, World

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("contracts"), pytest.mark.timeout(300)]

OF_ONE_ANSWER = {
    "x-request-id",
    "date",
    "transfer-encoding",
}  # the last: HEAD may leave it out (RFC 9112 §6.1)
OF_THIS_MOMENT = {"/metrics", "/progress", "/v1/ranking-progress", "/v1/audit/members"}
"""What counts or dates the requests themselves: two GETs differ as well, in length and digest."""


def get_routes() -> set[str]:
    """Return the path of every GET route of the merged application, those without an operation too."""
    routers = [router for service in SERVICES.values() for router in service.routers()]
    routers.append(house_routes({}, dict))
    found = {
        route.path
        for router in routers
        for route in iter_route_contexts(router.routes)
        if "GET" in (route.methods or ())
    }
    assert len(found) > 40
    return {path for path in found if path is not None}


def reads() -> dict[str, str]:
    """Return an address to ask for each GET route, with ids of the world in braces."""
    pages = ("/", "/docs", "/problems", "/openapi.json", "/docs/openapi.json", "/metrics")
    named = {"/docs/{name}": "/docs/swagger-ui.css", "/problems/{code}": "/problems/conflict"}
    rows = [row.send.path for rows in TABLE.values() for row in rows if isinstance(row.send, Get)]
    asked = {address: address for address in pages} | named
    return asked | {path: path for path in rows}


def matches(route: str, address: str) -> bool:
    one, other = route.split("/"), address.partition("?")[0].split("/")
    return len(one) == len(other) and all(
        there == "" or there.startswith("{") or there == here for there, here in zip(one, other, strict=True)
    )


def test_every_get_route_is_asked_here() -> None:
    assert [route for route in get_routes() if not any(matches(route, one) for one in reads().values())] == []


def same(got: Any, head: Any, path: str) -> bool:
    left_out = OF_ONE_ANSWER | ({"etag", "content-length"} if path in OF_THIS_MOMENT else set())
    kept = [
        {name: value for name, value in one.headers.items() if name not in left_out} for one in (got, head)
    ]
    return got.status_code == head.status_code and head.content == b"" and kept[0] == kept[1]


@pytest.mark.parametrize("address", sorted(reads().values()))
def test_head_has_the_status_and_headers_of_get_and_no_body(populated: World, address: str) -> None:
    path = address.format_map(populated.ids)
    for caller in ("public", *CALLERS):
        head = populated.ask(caller, "HEAD", path)
        got = [populated.ask(caller, "GET", path)]
        if not same(got[0], head, path):  # what is asked may have changed in between, but not twice
            head = populated.ask(caller, "HEAD", path)
            got.append(populated.ask(caller, "GET", path))
        assert same(got[-1], head, path), (caller, got[-1].headers, head.headers)


def test_head_is_conditional_as_get_is(populated: World) -> None:
    path = f"/v1/projects/{populated.ids['open']}"
    tag = populated.ask("manager", "HEAD", path).headers["etag"]
    assert populated.ask("manager", "HEAD", path, headers={"If-None-Match": tag}).status_code == 304


def test_head_of_what_get_does_not_answer_is_refused_with_the_methods_there_are(populated: World) -> None:
    for path, allowed in (("/v1/tokens", "POST"), (f"/v1/projects/{populated.ids['open']}/publish", "POST")):
        answer = populated.ask("admin", "HEAD", path)
        assert (answer.status_code, answer.headers["allow"], answer.content) == (405, allowed, b"")
    assert populated.ask("admin", "HEAD", "/v1/nothing").status_code == 404


def test_head_writes_no_more_audit_rows_than_get(populated: World) -> None:
    for owner in SERVICES:
        before = populated.get("auditor", f"/v1/audit/{owner}?limit=1")["items"]
        for address in sorted(reads().values()):
            populated.ask("admin", "HEAD", address.format_map(populated.ids))
        assert populated.get("auditor", f"/v1/audit/{owner}?limit=1")["items"] == before


def test_a_query_that_get_refuses_is_refused_to_head(populated: World) -> None:
    assert populated.ask("admin", "HEAD", "/v1/projects?nonsense=1").status_code == 400
