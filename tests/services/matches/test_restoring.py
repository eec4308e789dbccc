"""What comes back and what stays when the database of the lists goes back to a backup, or its archive is rebuilt."""

import time

from sqlalchemy import text

from schemas.envelope import Event
from services.chassis.bus.rebuilding import rebuild
from services.chassis.bus.restoring import restore
from services.chassis.bus.transports.sql.compaction import compact
from services.chassis.database import for_log
from services.matches.commands.restoring import OWNER
from services.matches.consumers import ARCHIVE
from tests.services.matches.town import Town, uuid_of


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
        await connection.execute(text("DELETE FROM list_versions WHERE project = :one"), {"one": projects[1]})
        await connection.execute(text("DELETE FROM standings"))
    done = await restore(runtime, OWNER)
    assert len(done.gone) == 5
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
    assert (done.incarnation, done.posted) == (2, 2)
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
