"""Compaction: a state topic keeps the last record of each key, and a tombstone for a time.

Superseded records go once they are older than the lag; tombstones go once they are older than the retention and every
group that is here has committed them, and the partition's horizon rises past them, so that a reader who was away longer
is stopped and told to rebuild.
The memory of each key's last sequence is never touched, so nothing old can come back. Small transactions:
appending waits for one of them at most.
"""

from collections.abc import Mapping

from sqlalchemy import TextClause, text

from services.chassis.bus.transport import TopicPartition
from services.chassis.database import Database

_CHUNK = 1_000

# A record is superseded if its key has said something at a later offset.
_SUPERSEDED = text("""
    DELETE FROM log_record
     WHERE (topic, partition, "offset") IN (
        SELECT r.topic, r.partition, r."offset"
          FROM log_record AS r
          JOIN log_key AS k ON k.topic = r.topic AND k.key = r.key
          JOIN log_topic AS t ON t.topic = r.topic
         WHERE t.compacted AND r."offset" < k.last_offset AND r.appended_at < :before
         LIMIT :chunk)
""")

# Only tombstones that are the last word of their key matter to a reader; the others were superseded.
_PARTITIONS = text("""
    SELECT p.topic, p.partition, p.next_offset FROM log_partition AS p JOIN log_topic AS t ON t.topic = p.topic
     WHERE t.compacted
""")
_HORIZON = text("""
    UPDATE log_partition
       SET horizon = gone.past
      FROM (SELECT MAX(r."offset") + 1 AS past
              FROM log_record AS r
             WHERE r.topic = :topic AND r.partition = :partition AND r."offset" < :below
               AND r.value IS NULL AND r.appended_at < :before) AS gone
     WHERE topic = :topic AND partition = :partition AND horizon < gone.past
""")
_TOMBSTONES = text("""
    DELETE FROM log_record
     WHERE (topic, partition, "offset") IN (
        SELECT r.topic, r.partition, r."offset"
          FROM log_record AS r
          JOIN log_partition AS p ON p.topic = r.topic AND p.partition = r.partition
         WHERE r."offset" < p.horizon AND r.value IS NULL AND r.appended_at < :before
         LIMIT :chunk)
""")


async def compact(
    database: Database,
    *,
    now: int,
    lag_seconds: int,
    tombstone_seconds: int,
    unread: Mapping[TopicPartition, int] = {},
) -> int:
    """Run one pass; returns how many records went.

    `now`: Unix microseconds; `unread`: from where on tombstones stay, however old, because a group that is here has yet
    to commit them.
    """
    removed = await _delete(database, _SUPERSEDED, before=now - lag_seconds * 1_000_000)
    before = now - tombstone_seconds * 1_000_000
    async with (
        database.write() as connection
    ):  # before the first of them goes: who has not read them is stopped
        for topic, partition, end in (await connection.execute(_PARTITIONS)).all():
            below = unread.get(TopicPartition(topic, partition), end)
            this = {"topic": topic, "partition": partition, "below": below, "before": before}
            await connection.execute(_HORIZON, this)
    return removed + await _delete(database, _TOMBSTONES, before=before)


async def _delete(database: Database, statement: TextClause, *, before: int) -> int:
    removed = 0
    while True:
        async with database.write() as connection:
            gone = await connection.execute(statement, {"before": before, "chunk": _CHUNK})
        removed += gone.rowcount
        if gone.rowcount < _CHUNK:
            return removed
