"""What stays taken when the database of the lists goes back to a backup."""

from sqlalchemy import text

from services.chassis.bus.restoring import restore
from services.matches.commands.restoring import OWNER
from tests.services.matches.town import Town


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
