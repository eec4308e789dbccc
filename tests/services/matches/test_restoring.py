"""What comes back and what stays when the database of the lists goes back to a backup, or its archive is rebuilt."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from schemas.envelope import Event
from services.chassis.bus.rebuilding import rebuild
from services.chassis.bus.restoring import restore
from services.chassis.bus.transports.sql.compaction import compact
from services.chassis.database import for_log
from services.matches.commands.restoring import OWNER
from services.matches.consumers import ARCHIVE
from services.matches.queries.recomputing import CannotRecompute, recompute
from services.matches.queries.waiting import covered, read_token
from tests.services.matches.town import Town, new_worker, open_town, uuid_of


async def test_a_number_that_the_log_was_told_of_is_not_given_out_again(town: Town) -> None:
    """Whoever holds it holds its digest too."""
    await town.organisation("Ada")
    projects = [await town.published(name) for name in ("schools", "roads")]
    await town.settle()
    for name in ("Bea", "Cleo"):
        await town.organisation(name, hq_country="KEN")
        await town.settle()
    told = {project: await town.versions(project) for project in projects}
    assert {tuple(one["number"] for one in versions) for versions in told.values()} == {(3, 2, 1)}
    runtime = town.runtimes["matches"]
    async with runtime.database.write() as connection:  # one list goes back to its first version, one to none
        await connection.execute(text("DELETE FROM list_versions WHERE number > 1"))
        await connection.execute(text("UPDATE list_versions SET shown_until = NULL"))
        await connection.execute(text("DELETE FROM list_versions WHERE project = :one"), {"one": projects[1]})
        await connection.execute(text("DELETE FROM standings"))
    done = await restore(runtime, OWNER)
    assert len(done.gone) == 5
    # What is older than the log's is not said as what is now: pairs would fall for it and rise again with the next version.
    assert await town.rows("SELECT type FROM outbox WHERE aggregatetype = 'matches.v1'") == []
    town.worker.owned.arriving |= town.worker.owned.generations.keys()  # as after a start
    await town.settle()
    numbers = {project: [one["number"] for one in await town.versions(project)] for project in projects}
    assert numbers == {projects[0]: [4, 1], projects[1]: [4]}


async def test_what_stands_after_a_restore_is_said_in_a_new_life(town: Town) -> None:
    """Also what readers hold and the backup does not: it is taken back there."""
    for name in ("Ada", "Bea"):
        await town.organisation(name)
    project = await town.published("schools")
    await town.settle()
    runtime, bea = town.runtimes["matches"], uuid_of("Bea")
    async with runtime.database.write() as connection:
        await connection.execute(text("DELETE FROM standings WHERE organisation = :one"), {"one": bea})
    done = await restore(runtime, OWNER)
    assert (done.incarnation, done.posted) == (
        2,
        5,
    )  # a pair that stands, one that does not; list, epoch, day
    await town.relay()
    newest = {event.key: event for event in map(Event.from_record, await town.records("standings.v1"))}
    assert {key: (event.sequence.incarnation, event.tombstone) for key, event in newest.items()} == {
        f"{project}/{uuid_of('Ada')}": (2, False),
        f"{project}/{bea}": (2, True),
    }


async def test_a_rebuild_leaves_what_the_log_holds_no_more_where_it_is(town: Town) -> None:
    """Compaction has taken the revision that the first version was ranked on: nothing but the archive has it."""
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    await town.organisation("Ada", hq_country="KEN")
    await town.settle()
    kept = "SELECT kind, id, version, latest, content_hash FROM documents ORDER BY kind, id, version"
    before, told = await town.rows(kept), await town.versions(project)
    log = for_log(town.settings)
    now = time.time_ns() // 1_000 + 1_000_000
    assert await compact(log, now=now, lag_seconds=0, tombstone_seconds=1_000) > 0
    await log.close()
    runtime = town.runtimes["matches"]
    done = await rebuild(runtime, ARCHIVE)
    assert done.records == len(await town.records("members.v1")) + len(await town.records("projects.v1"))
    assert await town.rows(kept) == before
    await town.settle()
    assert await town.versions(project) == told


async def reload(town: Town) -> None:
    """Start the service's worker anew, as after a rebuild, beside which none runs."""
    runtime = town.runtimes["matches"]
    await runtime.service.startup(runtime)
    town.worker = await new_worker(runtime, "after")


async def proved(town: Town, project: str) -> list[bool]:
    database = town.runtimes["matches"].database
    numbers = [one["number"] for one in await town.versions(project)]
    return [(await recompute(database, project, number)).same for number in sorted(numbers)]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
async def town_on_each(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Town]:
    """An empty town on either database."""
    sections: dict[str, Any] = {}
    if request.param == "postgresql":
        sections["database"] = {"url": request.getfixturevalue("postgresql_url")()}
    async with AsyncExitStack() as stack:
        yield await open_town(tmp_path / "town", stack, **sections)


async def test_after_a_rebuild_over_a_compacted_log_every_version_is_recomputed_to_the_bit(
    town_on_each: Town,
) -> None:
    """The log knows no more where a superseded revision stood; the archive does."""
    town = town_on_each
    for name in ("Ada", "Ben"):
        await town.organisation(name)
    project = await town.published("schools")
    await town.settle()
    await town.organisation("Ada", hq_country="KEN")
    await town.settle()
    await town.withdraw(uuid_of("Ben"))
    await town.settle()
    assert await proved(town, project) == [True, True, True]
    log = for_log(town.settings)
    now = time.time_ns() // 1_000 + 1_000_000
    assert await compact(log, now=now, lag_seconds=0, tombstone_seconds=1_000) > 0
    await log.close()
    await rebuild(town.runtimes["matches"], ARCHIVE)
    assert await proved(town, project) == [True, True, True]
    await town.organisation("Cleo")
    await town.settle()
    assert await proved(town, project) == [True] * 4


async def test_a_revision_that_a_rebuild_finds_below_what_was_read_is_in_no_list_of_before(
    town: Town,
) -> None:
    """It was a dead letter that somebody discarded: the lists of that time were ranked without it."""
    for name in ("Ada", "Ben"):
        await town.organisation(name)
    await town.settle()
    runtime = town.runtimes["matches"]
    async with runtime.database.write() as connection:
        await connection.execute(text("DELETE FROM documents WHERE id = :one"), {"one": uuid_of("Ben")})
    await reload(town)
    project = await town.published("schools")
    await town.settle()
    assert (await town.versions(project))[0]["counts"]["candidates"] == 1
    await rebuild(runtime, ARCHIVE)
    await reload(town)
    await town.settle()
    assert await proved(town, project) == [True, True]


async def refused_and_a_later_one_proved(town: Town, project: str, *, why: str) -> None:
    """The first version of a list cannot be recomputed after a rebuild; the one that is made then can."""
    await reload(town)
    await town.organisation("Ada", hq_country="KEN")
    await town.settle()
    database = town.runtimes["matches"].database
    with pytest.raises(CannotRecompute, match=why):
        await recompute(database, project, 1)
    assert (await recompute(database, project, 2)).same


async def test_a_version_from_before_the_log_was_replaced_is_refused_and_a_later_one_is_proved(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its positions count in a log that is gone; held against the new one they would accuse an honest list."""
    for name in ("Ada", "Ben"):
        await town.organisation(name)
    project = await town.published("schools")
    await town.settle()
    runtime = town.runtimes["matches"]
    monkeypatch.setattr(runtime.transport, "_identity", "another")
    await rebuild(runtime, ARCHIVE)
    await refused_and_a_later_one_proved(town, project, why="The log was replaced since")


async def test_a_list_that_held_what_was_erased_as_absent_is_refused_and_a_later_one_is_proved(
    town: Town,
) -> None:
    for name in ("Ada", "Ben"):
        await town.organisation(name)
    project = await town.published("schools")
    await town.settle()
    runtime = town.runtimes["matches"]
    log = for_log(town.settings)
    async with log.write() as connection:
        await connection.execute(text("DELETE FROM log_record WHERE key = :one"), {"one": uuid_of("Ben")})
    await log.close()
    assert (await rebuild(runtime, ARCHIVE, erase_absent=True)).erased == (f"member:{uuid_of('Ben')}",)
    await refused_and_a_later_one_proved(town, project, why="erased as absent")


async def test_a_token_of_a_revision_that_compaction_took_is_still_covered_after_a_rebuild(
    town: Town,
) -> None:
    """Links that carry it were sent out, and are followed long after."""
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    await town.organisation("Ada", hq_country="KEN")
    await town.settle()
    log = for_log(town.settings)
    now = time.time_ns() // 1_000 + 1_000_000
    assert await compact(log, now=now, lag_seconds=0, tombstone_seconds=1_000) > 0
    await log.close()
    runtime = town.runtimes["matches"]
    await rebuild(runtime, ARCHIVE)
    await reload(town)
    await town.settle()
    token = read_token(f"members.v1:{uuid_of('Ada')}:1.1")
    assert await covered(runtime, project, token)
