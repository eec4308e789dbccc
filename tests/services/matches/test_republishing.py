"""State said again: under the sequences that it has, and of standings those that can have been said."""

import pytest

from schemas.envelope import Event
from services.chassis.bus import outbox, restoring
from services.chassis.bus.errors import UnknownKey
from services.chassis.bus.restoring import republish
from services.matches.commands.restoring import OWNER
from tests.services.matches.town import Town, uuid_of

FAR = [{"language": "en", "text": "We audit insurance contracts of shipping companies in large harbours."}]


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
    said = {topic: await town.records(topic) for topic in ("members.v1", "projects.v1", "standings.v1")}
    newest = {event.key: event for records in said.values() for event in map(Event.from_record, records)}
    standing = {f"{project}/{uuid_of(f'Organisation {number}')}" for number in (0, 1, 2, 4)}
    monkeypatch.setattr(restoring, "_CHUNK", 2)
    again: dict[str, Event] = {}
    for runtime in town.runtimes.values():
        count = await republish(runtime, runtime.service.owner)
        async with runtime.database.read() as connection:
            events = [event for _, event in await outbox.oldest(connection, limit=1_000)]
        assert count == len(events)
        again |= {event.key: event for event in events}
    living = {key: event for key, event in newest.items() if not event.tombstone}
    assert again.keys() == living.keys() >= standing
    assert {key: (event.sequence, event.json()) for key, event in again.items()} == {
        key: (event.sequence, event.json()) for key, event in living.items()
    }
    await town.settle()
    assert {topic: await town.records(topic) for topic in said} == said
