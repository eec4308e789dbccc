"""The archive: every revision of an organisation or project becomes a row of `documents`.

What: the one handler of this service. It runs in the consumer group, in the transaction that moves the position, so the
analysis of texts is divided among the workers and done once. Why: indexes are built from this table and past lists are
recomputed from it; nothing is ranked that is not archived. It must not rank, and must not look into an index.
"""

import asyncio
import hashlib

import structlog
from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import Sequence
from schemas.topics import ORGANISATION_ERASED, ORGANISATION_REVISED, PROJECT_ERASED, PROJECT_REVISED
from services.chassis.bus.consumer import Delivery
from services.matches.tables import DOCUMENTS
from services.matches.worker.documents import Analysis

GROUP = "matches"
KINDS = {
    ORGANISATION_REVISED: "member",
    ORGANISATION_ERASED: "member",
    PROJECT_REVISED: "project",
    PROJECT_ERASED: "project",
}

_THIS = (
    (DOCUMENTS.c.kind == bindparam("this_kind"))
    & (DOCUMENTS.c.id == bindparam("this_id"))
    & DOCUMENTS.c.latest
)
_NEWEST = select(DOCUMENTS.c.incarnation, DOCUMENTS.c.version).where(_THIS)
_SUPERSEDE = update(DOCUMENTS).where(_THIS).values(latest=False)
_ADD = DOCUMENTS.insert()

logger = structlog.get_logger(__name__)


async def archive(delivery: Delivery) -> None:
    """Add the revision if it is newer than what is known of its key; an older one changes nothing and is logged."""
    event, at, connection = delivery.event, delivery.at, delivery.connection
    kind = KINDS.get(event.type)
    if kind is None:
        return
    known = await newest(connection, kind, event.key)
    if known is not None and known >= event.sequence:
        logger.info(
            "an older revision came late", kind=kind, id=event.key, known=str(known), came=str(event.sequence)
        )
        return
    analysed = None
    if event.data is not None:
        analysis: Analysis = delivery.runtime.state["analysis"]
        analysed = await asyncio.to_thread(analysis.of, kind, event.data)
    if known is not None:
        await connection.execute(_SUPERSEDE, {"this_kind": kind, "this_id": event.key})
    if event.tombstone:
        # Erasure empties every row of the key: lists that held it are verified by digest and head only.
        await connection.execute(
            update(DOCUMENTS)
            .where(DOCUMENTS.c.kind == kind, DOCUMENTS.c.id == event.key)
            .values(record=None, analysed=None, erased=True)
        )
    await connection.execute(
        _ADD,
        {
            "kind": kind,
            "id": event.key,
            "incarnation": event.sequence.incarnation,
            "version": event.sequence.version,
            "topic": at.topic,
            "partition": at.partition,
            "offset": at.offset,
            "event_id": event.id,
            "latest": True,
            "erased": event.tombstone,
            "content_hash": hashlib.sha256(event.data or b"").hexdigest(),
            "record": event.data,
            "analysed": analysed,
        },
    )


async def newest(connection: AsyncConnection, kind: str, identifier: str) -> Sequence | None:
    """Return the newest sequence archived of a key, or None if it was never seen."""
    row = (await connection.execute(_NEWEST, {"this_kind": kind, "this_id": identifier})).first()
    return None if row is None else Sequence(row.incarnation, row.version)
