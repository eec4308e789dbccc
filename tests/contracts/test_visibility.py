"""Who may do what: every operation of the API against every kind of caller, by a table written by hand.

The table is the contract; the code is held against it. A caller whom it does not name gets no 2xx, and an operation that
it does not name fails the test, so that no route comes in unseen.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from services.catalogue import SERVICES
from tests.contracts.visibility_rows import EVERYBODY, PUBLIC, A, B, Get
from tests.contracts.visibility_table import QUESTIONS, TABLE
from tests.contracts.world import World

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("contracts"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def document(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.get("public", "/openapi.json")
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_no_operation_is_missing_from_the_table_and_none_is_too_many(document: dict[str, Any]) -> None:
    assert {operation["operationId"] for _, _, operation in operations(document)} == set(TABLE)


def test_the_table_says_of_every_public_operation_that_it_is_public(document: dict[str, Any]) -> None:
    for _, path, operation in operations(document):
        public = {} in operation["security"]
        open_to_all = any("public" in row.allowed for row in TABLE[operation["operationId"]])
        assert public == open_to_all, path


@pytest.mark.parametrize("operation", TABLE)
def test_each_caller_gets_what_the_table_says(populated: World, operation: str) -> None:
    unexpected = []
    for number, row in enumerate(TABLE[operation]):
        for caller in sorted(EVERYBODY):
            answer = row.send(populated, caller)
            if answer.status_code != row.expected(caller):
                code = answer.json().get("code") if answer.content else None
                unexpected.append(
                    f"{number} {caller}: {answer.status_code} {code}, not {row.expected(caller)}"
                )
    assert unexpected == []


def test_the_auditor_reads_all_and_changes_nothing(world: World, document: dict[str, Any]) -> None:
    for method, _, operation in operations(document):
        name = operation["operationId"]
        may = ["auditor" in row.allowed for row in TABLE[name] if row.allowed]
        assert all(may) if method == "get" or name in QUESTIONS else not any(may), name
    for service in SERVICES:
        rows = everything(world, "auditor", f"/v1/audit/{service}?limit=200")
        assert rows or service == "matches"  # where nobody has published or opened anything yet
        assert not [row for row in rows if row["principal"] == world.clients["auditor"]]


def everything(world: World, caller: str, path: str) -> list[dict[str, Any]]:
    """Return the items of all pages."""
    items: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = world.get(caller, path + (f"&cursor={cursor}" if cursor else ""))
        items += page["items"]
        cursor = page["next"]
        if cursor is None:
            return items


def reads(world: World) -> Iterator[str]:
    """Yield the address of every read in the table."""
    for rows in TABLE.values():
        for row in rows:
            if isinstance(row.send, Get):
                yield row.send.path.format_map(world.ids)


@pytest.mark.parametrize(
    "caller", sorted(A | B | PUBLIC | {"manager", "other_manager", "analyst", "auditor"})
)
def test_nobody_reads_a_contact_that_is_not_theirs(populated: World, caller: str) -> None:
    own = {"a": "_a", "b": "_b"}
    contacts = {}
    for identifier in populated.organisations:
        contact = populated.get("admin", f"/v1/organisations/{identifier}")["contact"]
        mine = any(
            caller.endswith(end) and populated.ids[letter] == identifier for letter, end in own.items()
        )
        if not mine:
            contacts[contact["email"]] = contact["name"]
    paths = [*reads(populated), *(f"/v1/organisations/{one}" for one in populated.organisations)]
    assert len(paths) > 50
    for path in paths:
        text = populated.ask(caller, "GET", path).text
        assert not [email for email in contacts if email in text], path


def without_what_ifs(body: Any) -> Any:
    """Return a body without the ranks that the organisation itself would have, were its own profile another."""
    if isinstance(body, dict):
        return {name: without_what_ifs(value) for name, value in body.items() if name != "what_ifs"}
    return [without_what_ifs(one) for one in body] if isinstance(body, list) else body


@pytest.mark.parametrize("caller", sorted(A | B))
def test_an_organisation_sees_no_row_rank_or_reason_of_another(populated: World, caller: str) -> None:
    mine = populated.ids[caller[-1]]
    others = set(populated.organisations) - {mine}
    seen = 0
    for path in reads(populated):
        if not path.startswith(
            ("/v1/lists", "/v1/opportunities", "/v1/feeds", "/v1/streams", "/v1/exports/lists")
        ):
            continue
        answer = populated.ask(caller, "GET", path)
        if answer.status_code == 200:
            seen += 1
            assert not [one for one in others if one in answer.text], path
            shown = answer.text
            if answer.headers["content-type"] == "application/json" and isinstance(answer.json(), dict):
                shown = json.dumps(without_what_ifs(answer.json()), separators=(",", ":"))
            assert len(set(re.findall(r'"rank":(\d+)', shown))) <= 1, (
                path
            )  # its own, which the lane may repeat
    assert seen >= 3
    for project_id in (populated.ids["open"], populated.ids["presence"], populated.ids["closed"]):
        for other in others:
            answer = populated.ask(caller, "GET", f"/v1/lists/{project_id}/candidates/{other}")
            assert (answer.status_code, answer.json()["code"]) == (403, "list-restricted")
        page = populated.get(caller, f"/v1/lists/{project_id}/candidates?limit=200")
        assert [row["organisation"] for row in page["candidates"]] in ([mine], [])
        assert page["view"] == "own"
        assert page["next"] is None


def test_an_organisation_learns_its_margin_only_in_steps_of_ten_per_mille(populated: World) -> None:
    compared = 0
    for letter in ("a", "b"):
        for name in ("open", "presence", "closed"):
            path = f"/v1/lists/{populated.ids[name]}/candidates/{populated.ids[letter]}"
            own, whole = populated.get(f"reader_{letter}", path), populated.get("admin", path)
            if whole["margin"] is None:
                assert own["margin"] is None
                continue
            compared += 1
            assert own["margin"]["points"] is None
            assert own["margin"]["fit"] % 10 == 0
            assert 0 <= own["margin"]["fit"] - whole["margin"]["fit"] < 10
            assert whole["margin"]["points"] is not None
    assert compared >= 2


def test_whoever_reads_a_closed_list_reads_why_the_project_was_closed(populated: World) -> None:
    a, closed = populated.ids["a"], populated.ids["closed"]
    for caller in ("reader_a", "manager", "officer", "analyst", "auditor"):
        for path in ("candidates", f"candidates/{a}"):
            answer = populated.get(caller, f"/v1/lists/{closed}/{path}")
            assert (answer["state"], answer["closed_reason"]) == ("closed", "Done by its own people.")
        still = populated.get(caller, f"/v1/lists/{populated.ids['open']}/candidates/{a}")
        assert (still["state"], still["closed_reason"]) == ("ranked", None)
    withdrawn = populated.get("manager", f"/v1/lists/{populated.ids['withdrawn']}/candidates")
    assert withdrawn["closed_reason"] == "Done by its own people."


@pytest.mark.parametrize("caller", sorted(PUBLIC | A))
def test_outsiders_are_told_no_team_and_no_names_of_writers(populated: World, caller: str) -> None:
    project_id = populated.ids["open"]
    for path in (f"/v1/projects/{project_id}", f"/v1/projects/{project_id}/revisions", "/v1/projects"):
        text = json.dumps(populated.get(caller, path))
        assert populated.clients["manager"] not in text
        assert '"team": [' not in text


def test_people_s_names_and_addresses_stay_with_who_administers_them(populated: World) -> None:
    path = f"/v1/people/{populated.ids['person']}"
    assert populated.get("admin", path)["email"].endswith("@people.example")
    seen = populated.get("auditor", path)
    assert (seen["name"], seen["email"]) == (None, None)
    listed = json.dumps(everything(populated, "auditor", "/v1/people?limit=200"))
    assert "@people.example" not in listed
    assert "Amina" not in listed
    assert "@people.example" not in json.dumps(everything(populated, "owner_b", "/v1/people?limit=200"))


@pytest.mark.parametrize("caller", ["public", "reader_a", "editor_a", "owner_a", "other_manager"])
def test_small_counts_are_told_alike_by_the_flagship_s_page_and_the_list(
    populated: World, caller: str
) -> None:
    flagship = populated.get(caller, f"/v1/flagships/{populated.ids['flagship']}")
    assert flagship["projects"]
    for project in flagship["projects"]:
        told = [project["list"]["counts"] or {}]
        answer = populated.ask(caller, "GET", f"/v1/lists/{project['id']}/candidates")
        if answer.status_code == 200:
            told.append(answer.json()["counts"])
        assert (answer.status_code == 200) == (caller in {"reader_a", "editor_a", "owner_a"})
        for count in [count for figures in told for count in figures.values()]:
            assert count is None or count == 0 or count >= 5
