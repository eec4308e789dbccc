"""Compaction: a state topic keeps the last record of each key, and a tombstone for a time.

Superseded records go once they are older than the lag; tombstones go once they are older than the retention, and
the partition's horizon rises past them, so that a reader who was away longer is stopped and told to rebuild.
The memory of each key's last sequence is never touched, so nothing old can come back. Small transactions:
appending waits for one of them at most.
"""

from sqlalchemy import TextClause, text

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
_HORIZON = text("""
    UPDATE log_partition
       SET horizon = gone.past
      FROM (SELECT r.topic, r.partition, MAX(r."offset") + 1 AS past
              FROM log_record AS r JOIN log_topic AS t ON t.topic = r.topic
             WHERE t.compacted AND r.value IS NULL AND r.appended_at < :before
             GROUP BY r.topic, r.partition) AS gone
     WHERE log_partition.topic = gone.topic AND log_partition.partition = gone.partition
       AND log_partition.horizon < gone.past
""")
_TOMBSTONES = text("""
    DELETE FROM log_record
     WHERE (topic, partition, "offset") IN (
        SELECT r.topic, r.partition, r."offset"
          FROM log_record AS r JOIN log_topic AS t ON t.topic = r.topic
         WHERE t.compacted AND r.value IS NULL AND r.appended_at < :before
         LIMIT :chunk)
""")


async def compact(database: Database, *, now: int, lag_seconds: int, tombstone_seconds: int) -> int:
    """Run one pass; returns how many records went. `now`: Unix microseconds."""
    removed = await _delete(database, _SUPERSEDED, before=now - lag_seconds * 1_000_000)
    before = now - tombstone_seconds * 1_000_000
    async with (
        database.write() as connection
    ):  # before the first of them goes: who has not read them is stopped
        await connection.execute(_HORIZON, {"before": before})
    return removed + await _delete(database, _TOMBSTONES, before=before)


async def _delete(database: Database, statement: TextClause, *, before: int) -> int:
    removed = 0
    while True:
        async with database.write() as connection:
            gone = await connection.execute(statement, {"before": before, "chunk": _CHUNK})
        removed += gone.rowcount
        if gone.rowcount < _CHUNK:
            return removed
