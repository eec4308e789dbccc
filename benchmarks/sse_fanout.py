"""One process streams the match feed to a thousand readers: how long until each has an entry, and what memory they cost.

    python benchmarks/sse_fanout.py [--clients 1000] [--broadcasts 30] [--rest 0.5] [--json]

The way is the service's own: a standing is posted into the outbox, relayed to the log and fed, the tail sees it, and each
reader is sent it. The latency of a reader runs from the moment that the event was made (its `time`) to the moment that the
reader has parsed it; readers are bare sockets in this process, so their own cost is in the figure. The peer in the same run is
a bare endpoint of the same server (uvicorn, Starlette's streaming response, a queue a reader, no database) that is sent the same
bytes. Memory is the growth of the server's resident set while the readers are connected.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from benchmarks.report import Claim, machine, report
from benchmarks.streams import FEED, STREAM, Frame, Served, bare_process, frames, token

SLOWEST = 1.0  # seconds, of the 99th percentile
PATIENCE = 120.0


def resident(pid: int) -> float:
    """Return the resident set of a process, in MB."""
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


async def read(
    port: int, path: str, headers: dict[str, str], *, count: int, up: asyncio.Semaphore
) -> list[float]:
    """Connect, say so, and return the latencies of the next `count` entries."""
    found: list[float] = []
    stream: Any = frames(port, path, headers)
    async with aclosing(stream) as frames_:
        async for frame in frames_:
            if frame.data is None:
                up.release()
                continue
            found.append(time.time() - made_at(frame))
            if len(found) == count:
                return found
    raise SystemExit(f"A stream ended after {len(found)} of {count} entries.")


def made_at(frame: Frame) -> float:
    """Return when the event was made, in seconds since 1970."""
    return datetime.fromisoformat(orjson.loads(frame.data or b"{}")["time"]).timestamp()


async def readers(
    port: int, path: str, headers: dict[str, str], pid: int, *, clients: int, count: int
) -> dict[str, float]:
    """Connect all readers and follow until each has `count` entries."""
    before = resident(pid)
    up = asyncio.Semaphore(0)
    tasks = []
    for number in range(clients):
        tasks.append(asyncio.create_task(read(port, path, headers, count=count, up=up)))
        if number % 50 == 49:
            await asyncio.sleep(0.05)
    async with asyncio.timeout(PATIENCE):
        for _ in range(clients):
            await up.acquire()
    connected = resident(pid)
    async with asyncio.timeout(PATIENCE + count):
        latencies = sorted(one for each in await asyncio.gather(*tasks) for one in each)
    after = resident(pid)
    return {
        "p50": round(statistics.median(latencies), 4),
        "p99": round(latencies[int(len(latencies) * 0.99) - 1], 4),
        "max": round(latencies[-1], 4),
        "entries": len(latencies),
        "mb_before": round(before, 1),
        "mb_connected": round(connected, 1),
        "mb_after": round(after, 1),
        "kb_each": round((max(connected, after) - before) * 1024 / clients, 1),
    }


async def main() -> None:
    """Measure the service and its peer in one run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--clients", type=int, default=1_000)
    parser.add_argument("--broadcasts", type=int, default=30)
    parser.add_argument("--rest", type=float, default=0.5, help="seconds between two broadcasts")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    before = machine()
    with tempfile.TemporaryDirectory() as folder:
        served = Served(folder=Path(folder), every=options.rest, total=1_000_000)
        async with served:
            headers = {"Authorization": f"Bearer {token(served.settings)}"}
            ours = await readers(
                served.port, STREAM, headers, served.pid, clients=options.clients, count=options.broadcasts
            )
        async with bare_process(every=options.rest) as (port, pid):
            bare = await readers(port, FEED, {}, pid, clients=options.clients, count=options.broadcasts)
    report(
        ratios={
            "p99 of the stream / of a bare endpoint": round(ours["p99"] / bare["p99"], 2),
            "memory of a reader / of a bare endpoint's": round(
                ours["kb_each"] / max(bare["kb_each"], 0.1), 2
            ),
        },
        claims=[
            Claim(
                name=f"p99 of a broadcast to {options.clients} readers",
                value=ours["p99"],
                unit="s",
                goal=SLOWEST,
                at_least=False,
            )
        ],
        figures={"stream": ours, "bare endpoint": bare, "processors": os.cpu_count()},
        machine=before,
        as_json=options.json,
    )


if __name__ == "__main__":
    asyncio.run(main())
