"""The same commands on SQLite and on PostgreSQL, as migrated, and at the same moment."""

import asyncio
from datetime import UTC, datetime

from services.chassis.web.problems import Conflict, InvalidBody, StaleRevision
from services.members.commands.dates import apply_dates

ONE = "018f3c2a-7d10-7000-8000-000000000001"
TWO = "018f3c2a-7d10-7000-8000-000000000002"


async def test_a_whole_life(migrated):
    desk = migrated
    await desk.put(
        review_by="2026-11-30",
        external_ids=[{"scheme": "ror", "value": "04xx7yy85"}],
        membership=[{"state": "active", "from": "2026-01-01", "to": "2026-11-30"}],
        category="sector_member",
    )
    await desk.put(TWO, legal_name="MWANGAZA networks", parent=ONE)
    desk.clock.moment = datetime(2026, 12, 1, tzinfo=UTC)
    assert await apply_dates(desk.runtime) == 1
    await desk.put(match=2)
    await desk.withdraw(match=3)
    await desk.erase(match=4)
    rows = {row["id"]: row for row in await desk.rows("organisations")}
    assert (rows[ONE]["state"], rows[ONE]["revision"], rows[ONE]["record"]) == ("erased", 5, None)
    sequences = [str(event.sequence) for event in await desk.events() if event.key == ONE]
    assert sequences == ["1.1", "1.2", "1.3", "1.4", "1.5"]
    assert len(await desk.rows("audit")) == 6


async def outcome(attempt):
    try:
        return (await attempt).status
    except (Conflict, InvalidBody, StaleRevision) as refused:
        return refused.code


async def test_two_that_name_each_other_as_parent_at_once_make_no_cycle(migrated):
    desk = migrated
    for _ in range(5):
        await desk.put(ONE, legal_name="Alpha", match="*" if await desk.rows("organisations") else None)
        await desk.put(
            TWO, legal_name="Beta", match="*" if len(await desk.rows("organisations")) > 1 else None
        )
        both = await asyncio.gather(
            outcome(desk.put(ONE, legal_name="Alpha", parent=TWO, match="*")),
            outcome(desk.put(TWO, legal_name="Beta", parent=ONE, match="*")),
        )
        assert sorted(map(str, both)) == ["200", "invalid-body"]


async def test_of_two_first_writes_of_one_id_one_is_told_so(migrated):
    both = await asyncio.gather(
        outcome(migrated.put(legal_name="First")),
        outcome(migrated.put(legal_name="Second")),
        return_exceptions=True,
    )
    assert 201 in both
    assert len(await migrated.rows("revisions")) == 1


async def test_of_two_replacements_with_one_etag_one_is_stale(migrated):
    await migrated.put()
    both = await asyncio.gather(
        outcome(migrated.put(match=1, short_name="A")), outcome(migrated.put(match=1, short_name="B"))
    )
    assert sorted(map(str, both)) == ["200", "stale-revision"]
    assert len(await migrated.events()) == 2
