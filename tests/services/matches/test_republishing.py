"""Standings said again: those that can have been said, and nothing else."""

import pytest

from services.chassis.bus.errors import UnknownKey
from services.chassis.bus.restoring import republish
from services.matches.commands.restoring import OWNER
from tests.services.matches.town import Town, uuid_of


async def test_a_pair_that_never_was_is_refused_and_nothing_is_posted(town: Town) -> None:
    ada, project = await town.organisation("Ada"), await town.published("schools")
    far = await town.organisation("Far", hq_country="BRA", operating_countries=[])
    await town.settle()
    runtime = town.runtimes["matches"]
    pair, stranger = f"{project}/{ada}", uuid_of("a stranger")
    for key in ("nonsense", "a/b", project, f"{project}/", f"{project}/{stranger}", f"{stranger}/{ada}"):
        with pytest.raises(UnknownKey, match=key):
            await republish(runtime, OWNER, [pair, key])
    assert await town.rows("SELECT * FROM outbox") == []
    assert await republish(runtime, OWNER, [pair, f"{project}/{far}"]) == 2
