"""State said again: under the sequences that it has, and of standings those that can have been said."""

from collections.abc import Mapping

import pytest
from sqlalchemy import text

from schemas.envelope import Event
from schemas.topics import LIST_REMOVED, TOPICS
from services.chassis.bus import outbox, restoring
from services.chassis.bus.errors import UnknownKey
from services.chassis.bus.restoring import republish
from services.chassis.bus.transport import Record
from services.matches.commands.restoring import OWNER
from tests.services.matches.town import Town, changed_epoch, uuid_of

FAR = [{"language": "en", "text": "We audit insurance contracts of shipping companies in large harbours."}]


async def test_what_was_never_said_is_refused_and_nothing_is_posted(town: Town) -> None:
    ada, project = await town.organisation("Ada"), await town.published("schools")
    far = await town.organisation("Far", hq_country="BRA", operating_countries=[])
    draft = await town.draft("roads")
    await town.settle()
    runtime = town.runtimes["matches"]
    pair, stranger = f"{project}/{ada}", uuid_of("a stranger")
    never = (
        "nonsense",
        "a/b",
        draft,
        f"{project}/",
        f"{project}/{stranger}",
        f"{stranger}/{ada}",
        "2020-02-29",
    )
    for key in never:
        with pytest.raises(UnknownKey, match=key):
            await republish(runtime, OWNER, [pair, key])
    assert await town.rows("SELECT * FROM outbox") == []
    assert await republish(runtime, OWNER, [pair, f"{project}/{far}", project]) == 3


async def test_of_a_list_that_is_shown_no_more_that_is_said_where_it_is_named(town: Town) -> None:
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    await town.erase("projects", project)
    await town.settle()
    runtime = town.runtimes["matches"]
    async with runtime.database.read() as connection:
        assert project not in await OWNER.keys(connection, "", 100)
    told = Event.from_record((await town.records("matches.v1"))[-1])
    async with runtime.database.write() as connection:
        (again,) = await OWNER.say(connection, runtime, [project])
    assert (again.type, again.sequence, again.data) == (LIST_REMOVED, told.sequence, told.data)


async def test_what_is_republished_keeps_its_sequences_and_adds_nothing_to_the_log(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        await town.organisation(f"Organisation {number}")
    project = await town.published("schools")
    await town.settle()
    await town.organisation("Organisation 3", descriptions=FAR, offers=[{"kind": "funding", "texts": FAR}])
    await town.draft("schools", countries=["UGA"])
    await town.settle()
    said = await everything_said(town)
    newest = newest_of(said)
    standing = {f"{project}/{uuid_of(f'Organisation {number}')}" for number in (0, 1, 2, 4)}
    monkeypatch.setattr(restoring, "_CHUNK", 2)
    again: dict[str, Event] = {}
    for runtime in town.runtimes.values():
        count = await republish(runtime, runtime.service.owner)
        async with runtime.database.read() as connection:
            events = [event for _, event in await outbox.oldest(connection, limit=1_000)]
        assert count == len(events)
        again |= {f"{event.topic} {event.key}": event for event in events}
    living = {key: event for key, event in newest.items() if not event.tombstone}
    assert (
        again.keys()
        == living.keys()
        >= {f"standings.v1 {pair}" for pair in standing} | {f"matches.v1 {project}"}
    )
    assert {key: (event.sequence, event.data) for key, event in again.items()} == {
        key: (event.sequence, event.data) for key, event in living.items()
    }
    await town.settle()
    assert await everything_said(town) == said


async def test_a_log_that_is_lost_and_filled_again_says_what_is_now(town: Town) -> None:
    """Of the history topics the newest of each: the versions of all lists, the epoch in force, the day."""
    for name in ("Ada", "Bea"):
        await town.organisation(name)
    lists = [await town.published(name) for name in ("schools", "roads", "clinics")]
    await town.settle()
    await town.organisation("Ada", hq_country="KEN")
    await town.settle()
    await town.step(lists[1], "close", body={"reason": "Enough."})
    assert (await town.call("POST", "/v1/epochs", changed_epoch(version=99))).status_code == 201
    assert (await town.call("POST", "/v1/days", {"day": "2026-11-30"})).status_code == 201
    await town.settle()
    said, feed = await everything_said(town), await town.rows("SELECT * FROM feed")
    async with town.runtimes["matches"].transport.database.write() as connection:
        for emptied in (
            "DELETE FROM log_record",
            "DELETE FROM log_key",
            "UPDATE log_partition SET next_offset = 0",
        ):
            await connection.execute(text(emptied))
    for runtime in town.runtimes.values():
        await republish(runtime, runtime.service.owner)
    await town.relay()
    before, after = newest_of(said), newest_of(await everything_said(town))
    frame = {
        event.type: key for key, event in before.items() if event.topic == "epochs.v1"
    }  # the last of each
    present = {
        key: event
        for key, event in before.items()
        if not event.tombstone and (event.topic != "epochs.v1" or key in frame.values())
    }
    assert {key: (event.sequence, event.data) for key, event in after.items()} == {
        key: (event.sequence, event.data) for key, event in present.items()
    }
    assert {f"matches.v1 {project}" for project in lists} < after.keys()
    assert len(frame) == 2
    assert await town.rows("SELECT * FROM feed") == feed


async def everything_said(town: Town) -> dict[str, list[Record]]:
    return {topic: await town.records(topic) for topic in TOPICS}


def newest_of(said: Mapping[str, list[Record]]) -> dict[str, Event]:
    """The newest event of each key of each topic."""
    events = [Event.from_record(record) for records in said.values() for record in records]
    return {f"{event.topic} {event.key}": event for event in events}
