"""Since when a text is on record: its service's word, kept for as long as the text stands, whatever the client sends."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

OLD, NEW = "2026-11-24", "2026-12-01"
LINES = {"language": "en", "title": "Lines", "text": "Fibre lines to forty schools."}
MASTS = {"language": "en", "text": "Masts for radio in the valleys."}
MATS = {"language": "fr", "text": "Des mâts pour la radio dans les vallées."}


def item(name: str, *texts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": name, "texts": list(texts)} | more


async def recorded(desk) -> Any:
    """The newest event's word, which is the stored record's and the answer's too."""
    [row] = await desk.rows("organisations")
    newest = (await desk.events())[-1].json()
    assert orjson.loads(row["record"]).get("recorded") == newest.get("recorded")
    return newest.get("recorded")


async def revise(desk, **changes: Any) -> Any:
    [row] = await desk.rows("organisations")
    desk.clock.moment = datetime(2026, 12, 1, 10, tzinfo=UTC)
    answer = await desk.put(match=row["revision"], **changes)
    assert answer.body.get("recorded") == await recorded(desk)
    return await recorded(desk)


async def test_a_first_revision_is_on_record_since_its_day(desk):
    await desk.put(evidence=[item("a", LINES)])
    assert await recorded(desk) == {"since": OLD, "texts": OLD, "evidence": {"a": OLD}}


@pytest.mark.parametrize(
    "changes",
    [
        {"legal_name": "Another Name"},
        {"operating_countries": ["UGA"]},
        {"offers": [{"kind": "research", "texts": [{"language": "en", "text": "Courses for technicians."}]}]},
        {"seeks": [{"kind": "funding", "texts": [{"language": "en", "text": "A sponsor."}]}]},
        {"evidence": [item("a", LINES, role="lead", year=1999)]},
        {"evidence": [item("renamed", LINES)]},
    ],
)
async def test_what_leaves_the_texts_as_they_are_leaves_their_day(desk, changes):
    offers = [{"kind": "training", "texts": [{"language": "en", "text": "Courses for technicians."}]}]
    await desk.put(offers=offers, evidence=[item("a", LINES, MATS)])
    evidence = changes.get("evidence", [item("a", LINES)])
    found = await revise(desk, **({"offers": offers, "evidence": evidence} | changes))
    assert found == {"since": OLD, "texts": OLD, "evidence": {evidence[0]["id"]: OLD}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"descriptions": [{"language": "en", "text": "We plan radio."}]}, "We plan radio"),
        ({"expertise": [{"language": "en", "text": "Radio planning."}]}, "Radio planning"),
        ({"offers": [{"kind": "training", "texts": [{"language": "en", "text": "Radio."}]}]}, "Radio"),
    ],
)
async def test_a_new_text_in_the_profile_gives_it_the_day_and_its_words_are_additions(desk, changes, words):
    descriptions = [{"language": "fr", "text": "Nous formons des enseignants."}]
    offers = [{"kind": "training"}]
    await desk.put(descriptions=descriptions, offers=offers, evidence=[item("a", LINES)])
    standing = {"descriptions": descriptions, "offers": offers, "evidence": [item("a", LINES)]}
    found = await revise(desk, **(standing | changes))
    [name] = changes
    added = [{"field": name, "language": "en", "on": NEW, "text": words}]
    assert found == {"since": OLD, "texts": NEW, "evidence": {"a": OLD}, "added": added}
    assert (await desk.put(match=2, **(standing | changes))).revision == 2, "nothing has changed"


async def test_a_changed_or_added_item_has_the_day_of_the_change(desk):
    await desk.put(evidence=[item("a", LINES), item("b", MASTS)])
    found = await revise(desk, evidence=[item("a", LINES | {"text": "Other lines."}), item("b", MASTS)])
    assert found == {"since": OLD, "texts": OLD, "evidence": {"a": NEW, "b": OLD}}


async def test_a_text_that_was_taken_away_comes_back_as_a_new_one(desk):
    await desk.put(evidence=[item("a", LINES)])
    assert await revise(desk) == {"since": OLD, "texts": OLD, "evidence": {}}
    assert (await revise(desk, evidence=[item("a", LINES)]))["evidence"] == {"a": NEW}


async def test_a_withdrawn_profile_keeps_its_days(desk):
    await desk.put(evidence=[item("a", LINES)])
    await desk.withdraw(match=1)
    assert await recorded(desk) == {"since": OLD, "texts": OLD, "evidence": {"a": OLD}}


async def test_what_stood_before_days_were_noted_is_never_given_one(migrated):
    from services.members.tables import ORGANISATIONS

    await migrated.put(evidence=[item("a", LINES)])
    [row] = await migrated.rows("organisations")
    record = orjson.loads(row["record"])
    del record["recorded"]
    async with migrated.runtime.database.write() as connection:
        await connection.execute(ORGANISATIONS.update().values(record=orjson.dumps(record)))
    assert (await migrated.put(match=1, evidence=[item("a", LINES)])).revision == 1, "nothing has changed"
    assert await revise(migrated, evidence=[item("a", LINES)], legal_name="Another Name") is None
    assert await revise(migrated, evidence=[item("a", LINES), item("b", MASTS)]) == {"evidence": {"b": NEW}}


async def test_a_client_cannot_say_since_when(desk):
    with pytest.raises(ValueError, match="recorded"):
        await desk.put(recorded={"texts": "1999-01-01", "evidence": {}})
