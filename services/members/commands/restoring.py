"""What this service has said on `members.v1`: said again as it stands, or taken back from there after a restore.

*What.* The `Owner` of the topic. A record on the log that is newer than the row becomes the row, with its line in the
history. *Why.* The log has the newest revision of every profile, so an accepted write that a backup lacks is not lost; all
but the contact, which never was in an event, and the history's lines of revisions that compaction has removed. *Never:*
post an event in `take_back`, or decide what is allowed.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import Event
from schemas.events.members import Organisation
from services.chassis import external_ids
from services.chassis.bus import incarnation
from services.chassis.bus.errors import UnknownKey
from services.chassis.bus.owner import Owner, TakenBack, is_news
from services.chassis.database import insert_for
from services.chassis.reference import load_reference
from services.members import events
from services.members.commands.leave import empty_organisation
from services.members.commands.storing import columns
from services.members.tables import EXTERNAL_IDS, ORGANISATIONS, REVISIONS

RESTORER = "comity:restore"
"""Who the history names for a revision that came back from the log."""

_BARE = {
    "state": "erased",
    "legal_name": "",
    "name_key": "",
    "category": "",
    "hq_country": "",
    "sme": False,
    "fictional": False,
    "membership_state": "none",
}


async def keys(connection: AsyncConnection, after: str, limit: int) -> Sequence[str]:
    """Return ids of organisations, in order."""
    query = select(ORGANISATIONS.c.id).where(ORGANISATIONS.c.id > after)
    return list((await connection.execute(query.order_by(ORGANISATIONS.c.id).limit(limit))).scalars())


async def say(connection: AsyncConnection, runtime: Any, wanted: Sequence[str]) -> Sequence[Event]:
    """Return the present state of each; a tombstone for one that was erased. Raises UnknownKey."""
    here = {"incarnation": await incarnation.current(connection), "clock": runtime.clock}
    rows = await connection.execute(
        select(ORGANISATIONS).where(ORGANISATIONS.c.id.in_(wanted)).with_for_update()
    )
    said = {
        row.id: events.erased(row.id, revision=row.revision, **here)
        if row.record is None
        else events.revised(Organisation.model_validate_json(row.record), **here)
        for row in rows
    }
    for key in wanted:
        if key not in said:
            raise UnknownKey(f"There is no organisation {key}.")
    return [said[key] for key in wanted]


async def take_back(
    connection: AsyncConnection, runtime: Any, event: Event, data: BaseModel | None, life: int
) -> TakenBack:
    """Make a newer record the row; an erasure empties it. A contact stays as the backup has it."""
    held = await connection.scalar(select(ORGANISATIONS.c.revision).where(ORGANISATIONS.c.id == event.key))
    if not is_news(event, life, held):
        return "known"
    revision, record = event.sequence.version, data if isinstance(data, Organisation) else None
    if record is None:
        values: dict[str, Any] = _BARE | {"revision": revision}
    else:
        if "reference" not in runtime.state:
            runtime.state["reference"] = load_reference()
        values = columns(record, runtime.state["reference"], runtime.clock.now().date())
        del values["id"]
    values["revised_at"] = event.time
    row = insert_for(connection, ORGANISATIONS).values(id=event.key, registered_at=event.time, **values)
    await connection.execute(row.on_conflict_do_update(index_elements=["id"], set_=values))
    if record is None:
        await empty_organisation(connection, event.key, revision=revision, moment=event.time)
    line = insert_for(connection, REVISIONS).values(
        id=event.key,
        revision=revision,
        state="erased" if record is None else record.state,
        action="restored",
        changed_by=RESTORER,
        changed_at=event.time,
        why=None,
        record=None if record is None else values["record"],
    )
    await connection.execute(line.on_conflict_do_nothing())
    return "taken"


async def settle(connection: AsyncConnection) -> None:
    """Write the external ids anew, as the present records have them: each belongs to one organisation, and may have moved."""
    await external_ids.write_anew(connection, EXTERNAL_IDS, records=ORGANISATIONS, holder="organisation")


OWNER = Owner(keys=keys, say=say, take_back=take_back, settle=settle)
