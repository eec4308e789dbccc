"""Whether more of a list is coming: what this group has not read of the project's partitions, and what it has set aside.

*What.* A ranking pass puts the pairs of a version before the version, and the relay keeps that order: once a version is here, its
pairs stand on the log. So a pair that is missing is unread (it comes), set aside as a dead letter (it comes when somebody replays
it), or lost. *Why not by time alone.* A group that is an hour behind on one topic would tell in parts those whom one cycle must
tell. *Never:* read an event; that there is one is enough.
"""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.bus import positions
from services.chassis.bus.failures import TRANSIENT
from services.chassis.bus.partitioner import partition_for
from services.chassis.bus.transport import TopicPartition
from services.chassis.runtime import Runtime
from services.notifications.consumers import GROUP
from services.notifications.tables import METADATA

STANDINGS, LISTS = "standings.v1", "matches.v1"
_LETTERS = METADATA.tables["dead_letters"]


async def unread(runtime: Runtime, connection: AsyncConnection, project: str) -> bool:
    """Whether the log has records of the project's partitions that are not applied here; so too where it does not answer.

    The transaction is a snapshot, in which a position and the effects up to it are of one moment. No row is locked: the
    consumer takes a position first and the list's row then, and whoever holds that row must not ask for the other.
    """
    reached = {one.at: one.next_offset for one in await positions.all_of(connection, GROUP)}
    try:
        for topic in (LISTS, STANDINGS):
            at = TopicPartition(topic, partition_for(project, await runtime.transport.partitions(topic)))
            batch = await runtime.transport.read(topic, at.partition, offset=reached.get(at, 0), limit=1)
            if batch.records:
                return True
    except TRANSIENT:
        return True
    return False


async def set_aside(connection: AsyncConnection, project: str) -> int:
    """Return how many pairs of a project have records that could not be applied and wait for somebody to decide."""
    query = select(func.count(_LETTERS.c.key.distinct())).where(
        _LETTERS.c.group_name == GROUP,
        _LETTERS.c.topic == STANDINGS,
        _LETTERS.c.key.startswith(f"{project}/", autoescape=True),
    )
    return (await connection.scalar(query)) or 0
