"""The embedded log: records appended and replayed a second, on SQLite.

    python benchmarks/sql_log.py [--records 50000] [--json]

Appending is what the relay does: batches of 500 in one transaction each, fenced, idempotent, with dense offsets and
the last sequence of every key. Replaying is what a rebuild reads: every partition from its first offset. The peers in
the same run are SQLite itself: the same rows inserted and read by the standard library, in transactions of the same size
with the same durability, into a table without any rule.
"""

import argparse
import asyncio
import sqlite3
import tempfile
from pathlib import Path

from benchmarks.bus import TOPIC, make_events, timed
from benchmarks.report import Claim, machine, report
from schemas.envelope import Event
from schemas.topics import TOPICS
from services.chassis.bus.transports.sql.log import SqlTransport
from services.chassis.bus.transports.sql.records import encode_headers
from services.chassis.bus.transports.sql.tables import METADATA
from services.chassis.database import Database

APPENDED, REPLAYED = 10_000, 50_000  # a second
_BATCH = 500
_READ = 2_000


async def measure(folder: Path, events: list[Event]) -> dict[str, float]:
    """Append and replay through the log."""
    figures: dict[str, float] = {}
    database = Database(f"sqlite+aiosqlite:///{folder}/log.db", service="log")
    async with database.write() as connection:
        await connection.run_sync(METADATA.create_all)
    transport = SqlTransport(database)
    await transport.open()
    await transport.create_topics([TOPICS[TOPIC]])
    async with transport.appender("members") as appender:
        with timed(figures, "appended", len(events)):
            for begin in range(0, len(events), _BATCH):
                await appender.append(events[begin : begin + _BATCH])
    seen = 0
    with timed(figures, "replayed", len(events)):
        for partition in range(await transport.partitions(TOPIC)):
            offset = 0
            while (batch := await transport.read(TOPIC, partition, offset=offset, limit=_READ)).records:
                offset, seen = batch.next_offset, seen + len(batch.records)
    if seen != len(events):
        raise SystemExit(f"{len(events)} records were appended, {seen} came back")
    await transport.close()
    await database.close()
    return figures


def bare(folder: Path, events: list[Event]) -> dict[str, float]:
    """Insert and read the same bytes with nothing around."""
    figures: dict[str, float] = {}
    rows = [
        (number, event.id, event.key, encode_headers(event.headers()), event.data)
        for number, event in enumerate(events)
    ]
    with sqlite3.connect(folder / "bare.db", isolation_level=None) as connection:
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(
            "CREATE TABLE record (number INTEGER PRIMARY KEY, id TEXT, key TEXT, headers BLOB, value BLOB)"
        )
        with timed(figures, "inserted", len(events)):
            for begin in range(0, len(rows), _BATCH):
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(
                    "INSERT INTO record VALUES (?, ?, ?, ?, ?)", rows[begin : begin + _BATCH]
                )
                connection.execute("COMMIT")
        with timed(figures, "selected", len(events)):
            for begin in range(0, len(rows), _READ):
                connection.execute(
                    "SELECT * FROM record WHERE number >= ? ORDER BY number LIMIT ?", (begin, _READ)
                ).fetchall()
    connection.close()
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    before, events = machine(), make_events(arguments.records)
    with tempfile.TemporaryDirectory() as name:
        figures = asyncio.run(measure(Path(name), events)) | bare(Path(name), events)
    size = sum(len(event.data or b"") for event in events) // len(events)
    report(
        ratios={
            "append / bare insert": round(figures["appended"] / figures["inserted"], 3),
            "replay / bare select": round(figures["replayed"] / figures["selected"], 3),
        },
        claims=[
            Claim(name="records appended", value=figures["appended"], unit="1/s", goal=APPENDED),
            Claim(name="records replayed", value=figures["replayed"], unit="1/s", goal=REPLAYED),
        ],
        figures=figures | {"records": len(events), "bytes_a_record": size},
        machine=before,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    main()
