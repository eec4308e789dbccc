"""The peer of the feed's benchmarks: what the same server does with nothing behind it.

    python -m benchmarks.bare_streams PORT EVERY PAGE_FILE

One path. With a page it answers these bytes; without, it streams: every so many seconds a standing-like entry is put into a queue for
each reader. It must not leave out what the framework does for every streaming response.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import orjson
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from schemas.feeds.matches import BATCH_CONTENT, SOURCE
from schemas.topics import STANDING_CROSSED

PATH = "/v1/feeds/matches"
_PROJECT = "018f3c2a-7d10-7000-8000-0000000000aa"
_ORGANISATION = "018f3c2a-7d10-7000-8000-000000000001"
ENTRY = {
    "specversion": "1.0",
    "type": STANDING_CROSSED,
    "source": SOURCE,
    "subject": f"{_PROJECT}/{_ORGANISATION}",
    "sequence": "0000000001.000000000000000001",
    "eventid": "019ab3c2-7d4e-7f00-8a11-3c5e9d7b2f60",
    "datacontenttype": "application/json",
    "dataschema": f"urn:comity:schema:{STANDING_CROSSED}:1",
    "data": {
        "project": _PROJECT,
        "organisation": _ORGANISATION,
        "number": 1,
        "points": 207245980,
        "fit": 113,
        "band": "good",
        "above_floor": True,
    },
}


def application(every: float, page: bytes) -> Starlette:
    """Return the application."""
    queues: set[asyncio.Queue[bytes]] = set()

    async def stream(_request: Request) -> Response:
        return StreamingResponse(_entries(queues), media_type="text/event-stream")

    async def answer(_request: Request) -> Response:
        return Response(page, media_type=BATCH_CONTENT)

    async def tell() -> None:
        number = 0
        while True:
            await asyncio.sleep(every)
            number += 1
            entry = ENTRY | {"id": f"1-{number}", "time": datetime.now(UTC).isoformat()}
            frame = b"id: 1-%d\nevent: standing\ndata: %b\n\n" % (number, orjson.dumps(entry))
            for queue in queues:
                queue.put_nowait(frame)

    made = Starlette(routes=[Route(PATH, answer if page else stream)])
    made.state.telling = tell
    return made


async def _entries(queues: set[asyncio.Queue[bytes]]) -> AsyncIterator[bytes]:
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    queues.add(queue)
    try:
        yield b":\n\n"
        while True:
            yield await queue.get()
    finally:
        queues.discard(queue)


async def main(port: int, every: float, page: bytes) -> None:
    """Serve until killed."""
    made = application(every, page)
    telling = asyncio.create_task(made.state.telling())
    server = uvicorn.Server(
        uvicorn.Config(made, host="127.0.0.1", port=port, log_level="error", access_log=False)
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has a flag, not an event
        await asyncio.sleep(0.01)
    print(os.getpid(), flush=True)
    await serving
    telling.cancel()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]).read_bytes()))
