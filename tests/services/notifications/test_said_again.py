"""What `matches` says again, after a lost log or a restore: whoever was told of a list hears nothing of it twice."""

from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text

from services.chassis.bus.rebuilding import rebuild
from services.chassis.bus.restoring import republish, restore
from services.matches.commands.restoring import OWNER
from services.matches.consumers import ARCHIVE
from services.notifications.consumers import READER
from services.notifications.worker import cycles
from tests.services.matches.test_restoring import reload
from tests.services.matches.town import uuid_of
from tests.services.notifications.village import Receiver, Village


async def lost_and_filled_again(village: Village) -> None:
    async with village.town.runtimes["matches"].transport.database.write() as connection:
        for emptied in (
            "DELETE FROM log_record",
            "DELETE FROM log_key",
            "UPDATE log_partition SET next_offset = 0",
        ):
            await connection.execute(text(emptied))
    for runtime in village.town.runtimes.values():
        await republish(runtime, runtime.service.owner)
    await village.town.relay()
    await rebuild(village.town.runtimes["matches"], ARCHIVE)
    await reload(village.town)
    await rebuild(village.runtime, READER)


async def restored(village: Village) -> None:
    await restore(village.town.runtimes["matches"], OWNER)
    await village.town.relay()


@pytest.mark.parametrize("said_again", [lost_and_filled_again, restored])
async def test_who_was_told_of_a_list_hears_nothing_where_it_is_said_again(
    village: Village, receiver: Receiver, said_again: Callable[[Village], Awaitable[None]]
) -> None:
    for name in ("Ada", "Ben"):
        await village.town.organisation(name)
        await village.hooked(name, receiver)
    project = await village.town.published("schools")
    await village.settle()
    await village.town.organisation("Ada", hq_country="KEN")
    await village.settle()
    told = await village.rows("SELECT id FROM notices ORDER BY id")
    listed = await village.rows("SELECT number, above_floor FROM lists")
    assert len(told) >= 2
    await said_again(village)
    await village.settle()
    assert await cycles.step(village.runtime) == 0
    assert await village.rows("SELECT id FROM notices ORDER BY id") == told
    assert await village.rows("SELECT number, above_floor FROM lists") == listed
    assert not (await village.rows("SELECT project FROM lists WHERE due"))
    await village.town.organisation("Cleo")
    await village.hooked("Cleo", receiver)
    await village.town.settle()
    await village.settle()
    new = await village.rows("SELECT organisation, project FROM notices ORDER BY id")
    assert new[len(told) :] == [{"organisation": uuid_of("Cleo"), "project": project}]
