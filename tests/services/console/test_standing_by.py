"""A verb that works on a service's database and log itself leaves the log as it is while it reads."""

import asyncio
from pathlib import Path

from services.chassis.lifecycle import open_transport
from services.chassis.settings import load_settings
from services.console.preparing import prepare
from services.console.standing_by import standing_by
from services.members import SERVICE


def compacts() -> bool:
    return "log compaction" in {task.get_name() for task in asyncio.all_tasks()}


async def test_no_verb_compacts_the_log_that_it_reads(tmp_path: Path) -> None:
    """A rebuild that takes its time would read what was erased, and not the tombstone behind it."""
    settings = load_settings(data_folder=tmp_path)
    await prepare(settings)
    async with open_transport(settings):
        assert compacts()  # as the system that runs has it
    async with standing_by(settings, SERVICE, alone=True):
        assert not compacts()
