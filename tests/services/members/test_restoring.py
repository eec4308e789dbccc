"""What a restore takes back from a log that was compacted: each newest revision, whole; of the history what is left."""

from pathlib import Path

from schemas import contracts
from services.chassis.bus import incarnation
from services.chassis.database import Database
from services.chassis.settings import load_settings
from services.members.commands.restoring import RESTORER, take_back
from services.members.tables import METADATA
from tests.services.members.conftest import Desk, open_desk


async def test_the_newest_revision_comes_back_and_the_history_may_have_a_gap(
    desk: Desk, tmp_path: Path
) -> None:
    for revision, name in enumerate(("First", "Second", "Third")):
        await desk.put(match=revision or None, legal_name=name)
    said = await desk.events()
    before = await desk.rows("organisations")
    settings = load_settings(data_folder=tmp_path / "put back")
    settings.data_folder.mkdir()
    database = Database.for_service(settings, "members")
    async with database.write() as connection:
        await connection.run_sync(METADATA.create_all)
    again = await open_desk(settings, database)
    async with database.write() as connection:
        life = await incarnation.current(connection)
        for event in (said[0], said[2]):  # compaction took the second
            assert await take_back(connection, again.runtime, event, contracts.read(event), life) == "taken"
    assert [row["record"] for row in await again.rows("organisations")] == [row["record"] for row in before]
    history = [(row["revision"], row["changed_by"]) for row in await again.rows("revisions")]
    assert history == [(1, RESTORER), (3, RESTORER)]
    await database.close()
