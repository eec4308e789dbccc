"""Every error is a problem document whose type opens a page that explains it."""

import re
import sqlite3
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from services.catalogue import SERVICES
from services.chassis.web.pages import problem_examples, problem_pages
from services.chassis.web.problems import Problem, every_problem
from tests.contracts.world import World, profile, project, started

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("contracts"), pytest.mark.timeout(300)]

MEMBERS = {"type", "title", "status", "detail", "instance", "code"}
PLACES = {"pointer", "parameter", "header"}


@pytest.fixture(scope="module")
def kinds() -> dict[str, list[type[Problem]]]:
    """Return every kind of problem that the services can raise, by code."""
    for service in SERVICES.values():
        service.routers()
    found: dict[str, list[type[Problem]]] = {}
    for kind in every_problem():
        if kind.__module__.startswith("services."):
            found.setdefault(kind.code, []).append(kind)
    return found


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A system of its own that may be broken, with a small limit on callers without a token."""
    folder = tmp_path_factory.mktemp("strict")
    with started(folder, http={"anonymous_requests_per_minute": 40}) as running:
        yield running


def test_every_kind_has_a_page_with_its_meaning_an_example_and_the_fix(
    kinds: dict[str, list[type[Problem]]],
) -> None:
    pages = problem_pages()
    assert set(pages) == set(kinds)
    for code, of_code in kinds.items():
        page = pages[code]
        for heading in ("## What it means", "## Example", "## What to do"):
            section = page.partition(heading)[2].partition("\n## ")[0]
            assert len(section.strip()) > 40, (code, heading)
        example = problem_examples()[code]
        for kind in of_code:
            assert (example["status"], example["code"]) == (kind.status, code)
            assert example["title"] == kind.title
            assert example["type"].endswith(f"/problems/{code}")
        assert MEMBERS - {"instance"} <= set(example), code
        for error in example.get("errors", ()):
            assert_entry(error)


def assert_entry(error: dict[str, Any]) -> None:
    """See that a fault has its one form: a stable rule, a sentence, what to do, and one place."""
    assert re.fullmatch(r"[a-z][a-z0-9-]*", error["rule"]), error
    assert len(error["detail"]) > 5, error
    assert len(error["fix"]) > 3, error
    assert len(PLACES & set(error)) == 1, error


def test_every_code_s_page_opens(world: World, kinds: dict[str, list[type[Problem]]]) -> None:
    listed = world.ask("public", "GET", "/problems").text
    for code in kinds:
        page = world.ask("public", "GET", f"/problems/{code}", headers={"Accept": "text/html"})
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert f'href="/problems/{code}"' in listed


def requests(world: World) -> Iterator[tuple[int, Any]]:
    """Yield expected statuses with answers, one and more for each status that the edge and the services give."""
    ask, draft = world.ask, world.new_project(countries=[])
    path = f"/v1/projects/{draft[0]}"
    body = {"Content-Type": "application/json"}
    yield 400, ask("public", "GET", "/v1/projects?nonsense=1")
    yield 400, ask("public", "GET", "/v1/projects?limit=0&level=nowhere")
    yield 400, ask("admin", "PUT", path, content=b"{", headers=body)
    yield 401, ask("public", "GET", "/v1/clients")
    yield 401, ask("public", "GET", "/v1/projects", headers={"Authorization": "Bearer x"})
    yield 401, ask("public", "POST", "/v1/tokens", data={"grant_type": "client_credentials"})
    yield 403, ask("auditor", "PUT", path, json=project())
    yield 403, ask("reader_a", "GET", f"/v1/lists/{world.ids['open']}/coverage")
    yield 404, ask("public", "GET", "/nowhere")
    yield 404, ask("public", "GET", "/v1/projects/")
    yield 404, ask("public", "GET", f"/v1/projects/{uuid4()}")
    yield 404, ask("public", "GET", "/problems/no-such-problem")
    yield 405, ask("public", "PATCH", "/v1/projects")
    yield 405, ask("public", "POST", "/healthz")
    yield 409, ask("admin", "POST", f"{path}/publish", headers={"If-Match": draft[1]})
    yield 412, ask("admin", "PUT", path, json=project(), headers={"If-Match": '"99"'})
    yield 413, ask("admin", "PUT", path, content=b" " * 1_000_001, headers=body)
    yield 415, ask("admin", "PUT", path, content=b"x", headers={"Content-Type": "text/plain"})
    yield 415, ask("public", "POST", "/v1/tokens", json={})
    yield 422, ask("admin", "PUT", path, json={"owner": "nobody", "level": "galactic"})
    yield 422, ask("admin", "PUT", f"/v1/organisations/{uuid4()}", json=profile(hq_country="KE"))
    yield 428, ask("admin", "PUT", path, json=project())


def assert_problem(world: World, answer: Any, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) >= MEMBERS
    assert problem["status"] == status
    assert problem["instance"] == f"urn:request:{answer.headers['x-request-id']}"
    assert problem["detail"]
    assert problem["type"] == f"{world.address}/problems/{problem['code']}"
    page = world.ask("admin", "GET", problem["type"].removeprefix(world.address))
    assert page.status_code == 200
    assert problem["code"] in page.text
    for error in problem.get("errors", ()):
        assert_entry(error)


def test_every_error_is_a_problem_whose_type_opens_its_page(world: World) -> None:
    for status, answer in requests(world):
        assert_problem(world, answer, status)


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/projects/{open}", {"GET", "HEAD", "PUT", "DELETE"}),
        ("/v1/organisations/{a}", {"GET", "HEAD", "PUT", "DELETE"}),
        ("/v1/epochs", {"GET", "HEAD", "POST"}),
        ("/v1/projects/{open}/team/018f3c2a-7d10-7000-8000-00000000050b", {"PUT", "DELETE"}),
        ("/healthz", {"GET", "HEAD"}),
    ],
)
def test_a_405_names_every_method_of_the_path(world: World, path: str, methods: set[str]) -> None:
    answer = world.ask("public", "PATCH", path.format_map(world.ids))
    assert_problem(world, answer, 405)
    assert {one.strip() for one in answer.headers["allow"].split(",")} == methods


def test_beyond_the_limit_of_requests(strict: World) -> None:
    answers = [strict.ask("public", "GET", "/v1/projects") for _ in range(41)]
    assert {answer.status_code for answer in answers[:10]} == {200}
    assert_problem(strict, answers[-1], 429)
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert "r=0" in answers[-1].headers["RateLimit"]
    assert strict.ask("admin", "GET", "/v1/projects").status_code == 200  # others are not held up


def test_what_breaks_inside_is_told_without_the_inside(strict: World) -> None:
    database = sqlite3.connect(strict.folder / "members.db", isolation_level=None, timeout=10)
    database.execute("ALTER TABLE contacts RENAME TO hidden_contacts")
    try:
        path = f"/v1/organisations/{uuid4()}"
        answer = strict.ask("admin", "PUT", path, json=profile())
        assert_problem(strict, answer, 500)
        assert answer.json()["code"] == "internal"
        for inside in ("contacts", "sqlite", "Traceback", "SELECT", "INSERT", ".py"):
            assert inside not in answer.text
    finally:
        database.execute("ALTER TABLE hidden_contacts RENAME TO contacts")
        database.close()
    assert strict.ask("admin", "GET", path).status_code == 404
    strict.made("PUT", path, json=profile())
