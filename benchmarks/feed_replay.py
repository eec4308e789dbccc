"""The match feed read from its beginning to its end: entries a second, over HTTP.

    python benchmarks/feed_replay.py [--entries 50000] [--json]

A reader follows the ids page by page with one connection, as it would to rebuild a dashboard, and parses every batch. The
feed is on SQLite, in a process of its own, filled by way of outbox, log and relay. The peer in the same run is a bare
endpoint of the same server that returns the same bytes of a page out of memory, read by the same client.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import httpx2
import orjson

from benchmarks.report import Claim, machine, report
from benchmarks.streams import FEED, Served, bare_process, token

REPLAYED = 20_000  # a second
FILL_SECONDS = 300.0


async def replay(client: httpx2.AsyncClient, path: str, count: int) -> float:
    """Read `count` entries; how many a second."""
    seen, following = 0, path
    began = time.perf_counter()
    while seen < count:
        answer = await client.get(following)
        batch = orjson.loads(answer.content)
        if answer.status_code != 200 or not batch:
            raise SystemExit(f"{answer.status_code} after {seen} of {count} entries")
        seen += len(batch)
        following = f"{path}?lastEventId={batch[-1]['id']}"
    return seen / (time.perf_counter() - began)


async def filled(client: httpx2.AsyncClient, count: int) -> None:
    """Wait until the feed has so many entries."""
    async with asyncio.timeout(FILL_SECONDS):
        while (await client.get(f"{FEED}?lastEventId=1-{count}")).status_code != 200:  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.5)


async def main() -> None:
    """Measure the service and its peer in one run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--entries", type=int, default=50_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    before = machine()
    with tempfile.TemporaryDirectory() as folder:
        served = Served(
            folder=Path(folder), every=0.01, burst=min(500, options.entries), total=options.entries
        )
        async with served:
            headers = {"Authorization": f"Bearer {token(served.settings)}"}
            address = f"http://127.0.0.1:{served.port}"
            async with httpx2.AsyncClient(base_url=address, headers=headers, timeout=30) as client:
                await filled(client, options.entries)
                first = (await client.get(FEED)).content
                ours = max([await replay(client, FEED, options.entries) for _ in range(3)])
        async with (
            bare_process(page=first) as (port, _pid),
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
        ):
            bare = max([await replay(client, FEED, options.entries) for _ in range(3)])
    report(
        ratios={"entries a second of the feed / of bytes in memory": round(ours / bare, 3)},
        claims=[Claim(name="feed replayed over HTTP", value=round(ours), unit="entries/s", goal=REPLAYED)],
        figures={
            "feed": round(ours),
            "bytes in memory": round(bare),
            "bytes an entry": round(len(first) / len(orjson.loads(first))),
        },
        machine=before,
        as_json=options.json,
    )


if __name__ == "__main__":
    asyncio.run(main())
