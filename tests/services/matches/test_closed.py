"""A closed project's list: one last version, read from its stored rows for ever."""

import json
import zlib

import numpy as np
from sqlalchemy import insert, select, update

from matching.epoch import Epoch, canonical
from matching.placement import place
from matching.weights import Weights
from services.matches.queries.closed import head_in
from services.matches.tables import EPOCHS, LIST_VERSIONS
from tests.services.matches.town import Town, uuid_of

HARBOUR = [
    {"language": "en", "text": "We audit insurance contracts of shipping companies in large harbours."}
]


async def closed(town: Town) -> tuple[str, list[dict[str, object]]]:
    """A list of twelve with a group of three, a local newcomer and one left out; its rows before the project closed."""
    parent = await town.organisation("Parent", hq_country="UGA")
    for number in range(2):
        await town.organisation(f"Child {number}", parent=parent, hq_country="UGA")
    for number in range(9):
        await town.organisation(f"Single {number}", operating_countries=["UGA"], aliases=[f"a{number}"])
    await town.organisation("Absent", descriptions=HARBOUR)
    project = await town.published(
        "schools",
        countries=["UGA", "KEN"],
        presence_required={"required": True, "reason": "The work is on the spot."},
    )
    await town.settle()
    before = (await town.list_of(project, "include=parts"))["candidates"]
    await town.step(project, "close", body={"reason": "Partners were found."})
    await town.settle()
    return project, before


async def test_a_closed_list_is_read_from_its_last_version_with_the_same_rows(town: Town) -> None:
    project, before = await closed(town)
    answer = await town.list_of(project, "include=parts")
    assert (answer["state"], answer["changed_since"]) == ("closed", False)
    assert project not in town.worker.index.projects
    assert answer["candidates"] == before
    for row in answer["candidates"]:
        assert sum(part["points"] for part in row["parts"]) == row["points"]
    newest = (await town.versions(project))[0]
    assert newest["final"] is True
    assert "closed" in newest["reasons"]
    assert newest["counts"]["excluded"] == 1


async def test_whoever_could_read_the_list_reads_the_same_of_it_after_the_close(town: Town) -> None:
    project, before = await closed(town)
    single = town.bearer("organisation_reader", organisation=uuid_of("Single 4"))
    own = await town.list_of(project, who=single)
    assert (own["view"], [row["name"] for row in own["candidates"]]) == ("own", ["Single 4"])
    for who in ("office_officer", "bdt_analyst", "auditor"):
        assert len((await town.list_of(project, who=who))["candidates"]) == len(before), who
    assert (await town.call("GET", f"/v1/lists/{project}/candidates", who="nobody")).status_code == 401


async def test_what_happens_afterwards_does_not_touch_it(town: Town) -> None:
    project, before = await closed(town)
    await town.organisation("Single 3", descriptions=HARBOUR, operating_countries=["UGA"])
    await town.organisation("Latecomer", hq_country="KEN")
    await town.erase("organisations", uuid_of("Single 5"))
    await town.settle()
    assert (await town.call("POST", "/v1/days", {"day": "2026-12-24"})).status_code == 201
    await town.settle()
    after = (await town.list_of(project, "include=parts"))["candidates"]
    places = [(row["rank"], row["organisation"], row["points"], row["labels"], row["steps"]) for row in after]
    assert places == [
        (row["rank"], row["organisation"], row["points"], row["labels"], row["steps"]) for row in before
    ]
    erased = next(row for row in after if row["organisation"] == uuid_of("Single 5"))
    assert erased["name"] is None
    assert erased["parts"] == []
    assert len(await town.versions(project)) == 2


async def test_a_closed_list_is_paged_and_filtered_like_an_open_one(town: Town) -> None:
    project, before = await closed(town)
    found, path = [], f"/v1/lists/{project}/candidates?limit=1&include=parts"
    while path:
        answer = await town.call("GET", path)
        found += answer.json()["candidates"]
        path = answer.links.get("next", {}).get("url")
    assert found == before
    local = [row["name"] for row in before if "local" in row["labels"]]
    assert await town.names_of(project, "scope=local") == local
    assert await town.names_of(project, "country=UGA") == local
    assert await town.names_of(project, "region=EUR") == [
        row["name"] for row in before if row["hq_country"] == "CHE"
    ]
    assert await town.names_of(project, "need_kind=equipment") == []
    by_need = (await town.list_of(project, "need=n1"))["candidates"]
    assert [row["points"] for row in by_need] == sorted((row["points"] for row in before), reverse=True)
    excluded = await town.list_of(project, "eligibility=excluded")
    assert [row["name"] for row in excluded["excluded"]] == ["Absent"]
    row = await town.row_of(project, "Single 4")
    assert row["points"] == next(one["points"] for one in before if one["name"] == "Single 4")
    left_out = await town.row_of(project, "Absent")
    assert left_out["failed_rules"][0]["code"] == "presence_required"


async def test_a_restarted_process_reads_it_too(town: Town) -> None:
    project, before = await closed(town)
    await town.worker.index.load()
    assert project not in town.worker.index.projects
    assert (await town.list_of(project, "include=parts"))["candidates"] == before


async def test_a_list_of_an_earlier_analyser_is_read_too_and_says_that_it_is_not_explained(
    town: Town,
) -> None:
    project, before = await closed(town)
    await town.erase("organisations", uuid_of("Single 5"))
    await town.settle()
    async with town.runtimes["matches"].database.write() as connection:
        stored = (await connection.execute(select(EPOCHS.c.body))).scalar_one()
        body = json.loads(zlib.decompress(stored))
        body["analyser"]["number"] -= 1
        epoch = Epoch.loads(canonical(body))
        await connection.execute(
            insert(EPOCHS).values(
                number=-1,
                hash=epoch.hash,
                body=zlib.compress(canonical(body)),
                published_at="2026-01-01T00:00:00Z",
            )
        )
        await connection.execute(update(LIST_VERSIONS).values(epoch=epoch.hash))
    answer = await town.get(f"/v1/lists/{project}/candidates?limit=200&include=parts&language=fr")
    assert (answer["state"], answer["epoch"]) == ("closed", epoch.hash)
    for row, known in zip(answer["candidates"], before, strict=True):
        for name in ("rank", "organisation", "points", "components", "fit", "labels", "steps", "shown"):
            assert row[name] == known[name]
        assert row["parts"] == []
        assert ("analyseur" in row["reasons"][0]) == (row["organisation"] != uuid_of("Single 5"))
    by_need = await town.get(f"/v1/lists/{project}/candidates?need=n1")
    assert len(by_need["candidates"]) == len(before)
    row = await town.row_of(project, "Single 4")
    assert row["points"] == next(one["points"] for one in before if one["name"] == "Single 4")
    assert "analyser" in row["reasons"][0]
    left_out = await town.call("GET", f"/v1/lists/{project}/candidates/{uuid_of('Absent')}")
    assert left_out.status_code == 404
    assert "analyser" in left_out.json()["detail"]


async def test_an_erased_project_takes_its_standings_away_and_its_list_is_not_found(town: Town) -> None:
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    assert len(await town.rows("SELECT * FROM standings")) == 1
    await town.erase("projects", project)
    await town.settle()
    assert await town.rows("SELECT * FROM standings") == []
    assert (await town.told("standings.v1"))[-1] is None
    assert (await town.call("GET", f"/v1/lists/{project}/candidates")).status_code == 404


def test_the_head_of_stored_rows_is_the_head_that_was_placed() -> None:
    """Also where groups are so large that a head has fewer rows than places, and a row before those made room."""
    numbers, weights = np.random.default_rng(1), Weights()
    shorter = 0
    for _ in range(3_000):
        count = int(numbers.integers(0, 16))
        low, local, newcomer = (numbers.random(count) < 0.3 for _ in range(3))
        placed = place(
            numbers.integers(0, max(1, count // 3), count),
            above_floor=~low,
            local=local,
            newcomer=newcomer,
            weights=weights,
        )
        shorter += placed.head < min(count, weights.head)
        assert head_in(placed.steps[placed.order], weights.head) == placed.head
    assert shorter > 100
