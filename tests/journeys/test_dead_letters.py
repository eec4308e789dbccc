"""A foreign writer puts records on the log that no reader can take; the operator finds and settles them in a terminal."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from schemas.topics import ORGANISATION_REVISED
from services.chassis.bus.transports.sql.log import SqlTransport
from services.chassis.database import Database, for_log
from services.chassis.settings import load_settings
from tests.conformance.kit import ids, revised
from tests.contracts.world import started
from tests.journeys.conftest import comity

pytestmark = pytest.mark.timeout(300)
BAD, WORSE = ids(2)


async def spoil(folder: Path) -> None:
    """Append what this release cannot read, past every outbox; a later, good record of one key follows."""
    log = for_log(load_settings(data_folder=folder))
    transport = SqlTransport(log)
    await transport.open()
    async with transport.appender("members") as appender:
        good = revised(BAD, 2)
        assert good.type == ORGANISATION_REVISED
        await appender.append([replace(revised(BAD, 1), data=b'{"id": 7}'), good])
        await appender.append([replace(revised(WORSE, 1), type="org.comity.unheard.of.v1")])
    # Were nothing of its own behind it, `members` would not start on what it has never said.
    members = Database.for_service(load_settings(data_folder=folder), "members")
    async with members.write() as connection:
        await connection.execute(text("UPDATE positions SET next_offset = 10 WHERE group_name = 'outbox'"))
    await members.close()
    await transport.close()
    await log.close()


def test_dead_letters_are_listed_shown_replayed_and_discarded_in_a_terminal(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    with started(folder):
        pass
    asyncio.run(spoil(folder))
    with started(folder) as world:
        world.settle()

        def ask(*words: str) -> str:
            done = comity("dead-letters", *words, folder=folder)
            assert done.returncode == 0, done.stderr
            return done.stdout

        listed = json.loads(ask("list", "matches", "--json"))
        assert listed["halted"] == []
        states = {(one["key"], one["state"]): one["id"] for one in listed["letters"]}
        assert set(states) == {(BAD, "dead"), (BAD, "parked"), (WORSE, "dead")}
        assert ask("list", "matches", "--key", WORSE).count("\n") == 1
        shown = json.loads(ask("show", "matches", str(states[BAD, "dead"])))
        assert (shown["value"], shown["kind"]) == ('{"id": 7}', "invalid")
        doctor = comity("doctor", folder=folder)
        assert (
            "dead letters of matches: 2 dead, 1 parked behind them; no partition is halted" in doctor.stdout
        )

        refused = comity("dead-letters", "replay", "matches", str(states[BAD, "dead"]), folder=folder)
        assert (refused.returncode, "could not be applied" in refused.stderr) == (4, True)
        gone = ask("discard", "matches", str(states[BAD, "dead"]), "--reason", "It was never a record.")
        assert gone == f"Discarded a record of members.v1 key {BAD}; 1 records of it wait.\n"
        assert "Applied 1 records" in ask("replay", "matches", str(states[BAD, "parked"]))
        ask("discard", "matches", str(states[WORSE, "dead"]), "--reason", "Nobody knows this type.")
        assert ask("list", "matches") == "There are no dead letters.\n"
        rows = world.get("admin", "/v1/audit/matches")["items"]
        assert [row["action"] for row in rows] == [
            "dead_letter.discarded",
            "dead_letter.replayed",
            "dead_letter.discarded",
        ]
        wrong = comity(
            "dead-letters", "resume", "matches", "members.v1", "0", "--reason", "Why not", folder=folder
        )
        assert wrong.returncode == 4
        assert comity("dead-letters", "list", "members", folder=folder).returncode == 2
