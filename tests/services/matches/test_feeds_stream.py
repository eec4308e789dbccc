"""The match feed as a stream, over real sockets: the feed's own ids, exact resume, signs of life, ends, slow readers, kills."""

import asyncio
import json
import os
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select

from benchmarks.streams import (
    FEED,
    STREAM,
    Frame,
    Served,
    feed_only,
    frames,
    post,
    prepare,
    settings_of,
    token,
    verifier,
)
from migrations.running import migrate
from services.chassis.identity.principal import Principal
from services.chassis.identity.verification import TokenRefused
from services.chassis.lifecycle import System, run_services
from services.chassis.runtime import Service
from services.chassis.settings import Settings
from services.chassis.telemetry import set_up_logs
from services.console.parts.processes import free_port
from services.matches.queries.feeds import place_of
from services.matches.queries.streaming import Streaming
from services.matches.rules.feeds import Asked
from services.matches.tables import FEED as ENTRIES

CLIENTS = int(os.environ.get("COMITY_TEST_STREAM_CLIENTS", "10"))
KILLS = int(os.environ.get("COMITY_TEST_STREAM_KILLS", "3"))
"""By hand, as promised: COMITY_TEST_STREAM_CLIENTS=50 COMITY_TEST_STREAM_KILLS=100."""
pytestmark = pytest.mark.timeout(300 + 10 * KILLS)

LEEWAY = 30
EACH = 40  # entries between two kills


def bearer(settings: Settings) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(settings)}"}


async def feed(port: int, headers: dict[str, str]) -> list[dict[str, Any]]:
    """The first page of the feed."""
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
        answer = await client.get(FEED)
        assert answer.status_code == 200, answer.text
        return list(answer.json())


async def follow(served: Served, headers: dict[str, str], last: str, random: Random) -> list[dict[str, Any]]:
    """Read every entry behind `last` to the end, coming again with the last id whenever the stream breaks."""
    told: list[dict[str, Any]] = []
    while len(told) < served.total - 1:
        with suppress(OSError, asyncio.IncompleteReadError):
            async with aclosing(frames(served.port, STREAM, headers | {"Last-Event-ID": last})) as stream:
                async for frame in stream:
                    last = frame.id or last
                    if frame.data is not None:
                        told.append(json.loads(frame.data))
                        assert (frame.event, frame.id) == (told[-1]["type"], told[-1]["id"])
                    if len(told) == served.total - 1:
                        break
        await asyncio.sleep(random.uniform(0, 0.02))
    return told


async def test_servers_are_killed_and_every_reader_gets_each_entry_once(tmp_path: Path) -> None:
    random = Random(11)
    async with Served(folder=tmp_path, every=0.01, burst=2, total=(KILLS + 1) * EACH) as served:
        headers = bearer(served.settings)
        begun: list[dict[str, Any]] = []
        while not begun:
            begun = await feed(served.port, headers)
        first = begun[0]["id"]
        readers = [asyncio.create_task(follow(served, headers, first, Random(n))) for n in range(CLIENTS)]
        for _ in range(KILLS):
            await asyncio.sleep(random.uniform(0.1, 0.6))
            await served.kill()
        told = await asyncio.wait_for(asyncio.gather(*readers), 200 + 10 * KILLS)
    ids = [[one["id"] for one in each] for each in told]
    assert all(each == ids[0] for each in ids)
    assert (
        len({first, *ids[0]})
        == len({begun[0]["subject"], *(one["subject"] for one in told[0])})
        == served.total
    )


@asynccontextmanager
async def served_here(
    folder: Path, *, beside: Service | None = None, **matches: Any
) -> AsyncIterator[System]:
    """The feed served in this very process; nothing is posted but by the test. `beside` it the identity service, for its own tokens."""
    settings = settings_of(folder, free_port(), **matches)  # known before, for it is in the tokens
    set_up_logs(settings.telemetry)
    await prepare(settings)
    services = [feed_only(every=60, burst=1, total=0)]
    if beside is not None:
        services.append(beside)
        await asyncio.to_thread(migrate, settings, [beside.name])
    started: asyncio.Future[System] = asyncio.get_running_loop().create_future()

    async def ready(system: System) -> None:
        started.set_result(system)

    stop = asyncio.Event()
    running = asyncio.create_task(
        run_services(
            settings, services, ready=ready, stop=stop, verifier=None if beside else verifier(settings)
        )
    )
    try:
        await asyncio.wait({started, running}, return_when=asyncio.FIRST_COMPLETED)
        yield started.result()
    finally:
        stop.set()
        await running


async def posted(system: System, headers: dict[str, str], count: int) -> list[dict[str, Any]]:
    """Post the first standings and wait until the feed has them."""
    await post(system.runtimes[0], 0, count)
    async with asyncio.timeout(60):
        while len(fed := await feed(system.settings.http.port, headers)) < count:  # noqa: ASYNC110 - asked over HTTP
            await asyncio.sleep(0.02)
    return fed


async def next_data(stream: AsyncIterator[Frame]) -> tuple[list[Frame], Frame]:
    """The frames without data up to the next one with, and that one."""
    others = []
    async with asyncio.timeout(60):
        async for frame in stream:
            if frame.data is not None:
                return others, frame
            others.append(frame)
    raise AssertionError("the stream ended")


async def test_a_stream_has_the_feeds_ids_and_resumes_exactly_and_its_signs_of_life_have_none(
    tmp_path: Path,
) -> None:
    async with served_here(tmp_path, heartbeat_seconds=0.1) as system:
        port, headers, runtime = system.settings.http.port, bearer(system.settings), system.runtimes[0]
        fed = await posted(system, headers, 3)
        async with aclosing(frames(port, STREAM, headers)) as stream:
            opening = await anext(stream)
            assert (opening.id, opening.data) == (fed[-1]["id"], None)
            await asyncio.sleep(0.35)
            await post(runtime, 3, 1)
            others, entry = await next_data(stream)
            assert len(others) >= 2
            assert {frame.id for frame in others} == {None}
        fed = await feed(port, headers)
        assert (entry.id, json.loads(entry.data or b"")) == (fed[3]["id"], fed[3])
        for path, more in (
            (f"{STREAM}?lastEventId={fed[0]['id']}", {}),
            (f"{STREAM}?lastEventId={fed[0]['id']}", {"Last-Event-ID": ""}),  # of a client that has none yet
            (f"{STREAM}?lastEventId={fed[2]['id']}", {"Last-Event-ID": fed[0]["id"]}),  # the newer one
        ):
            async with aclosing(frames(port, path, headers | more)) as stream:
                got = [json.loads((await next_data(stream))[1].data or b"") for _ in range(3)]
            assert got == fed[1:]
        project = fed[2]["data"]["project"]
        async with aclosing(
            frames(port, f"{STREAM}?project={project}&lastEventId={fed[0]['id']}", headers)
        ) as stream:
            assert (await next_data(stream))[1].id == fed[2]["id"]


async def test_a_stream_of_a_feed_that_has_nothing_yet_has_a_place_to_come_back_to(tmp_path: Path) -> None:
    async with served_here(tmp_path, heartbeat_seconds=0.1) as system:
        port, headers = system.settings.http.port, bearer(system.settings)
        places = []
        for before in ({}, {"Last-Event-ID": "1-99"}):  # which is of another life of this feed
            async with aclosing(frames(port, STREAM, headers | before)) as stream, asyncio.timeout(10):
                while not (frame := await anext(stream)).id:
                    pass
                places.append(frame.id)
        fed = await posted(system, headers, 2)
        for place in places:
            async with aclosing(frames(port, STREAM, headers | {"Last-Event-ID": place})) as stream:
                assert [(await next_data(stream))[1].id for _ in range(2)] == [one["id"] for one in fed]


async def test_a_reader_of_little_has_signs_of_life_and_a_place_while_entries_for_others_go_by(
    tmp_path: Path,
) -> None:
    async with served_here(tmp_path, heartbeat_seconds=0.2) as system:
        port, headers, runtime = system.settings.http.port, bearer(system.settings), system.runtimes[0]
        fed = await posted(system, headers, 2)
        path = f"{STREAM}?type=org.comity.list.versioned.v1&lastEventId={fed[0]['id']}"
        quiet: list[Frame] = []

        async def listen() -> None:
            async with aclosing(frames(port, path, headers)) as stream:
                while True:
                    quiet.append(await anext(stream))

        listening = asyncio.create_task(listen())
        number = 2
        async with asyncio.timeout(60):
            while len(quiet) < 6:  # an entry far more often than the sign of life
                await post(runtime, number, 1)
                number += 1
                await asyncio.sleep(0.02)
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
        assert {frame.data for frame in quiet} == {None}
        places = [int(frame.id.rpartition("-")[2]) for frame in quiet if frame.id]
        assert len(places) >= 2
        assert places == sorted(set(places))
        assert places[0] > int(fed[0]["id"].rpartition("-")[2])
        assert len(places) < len(quiet)  # the signs of life themselves have none


async def test_who_comes_back_too_late_is_told_to_begin_anew(tmp_path: Path) -> None:
    async with served_here(tmp_path, heartbeat_seconds=0.2) as system:
        port, headers, runtime = system.settings.http.port, bearer(system.settings), system.runtimes[0]
        fed = await posted(system, headers, 2)
        for gone in ("1-99", "2-1"):
            async with aclosing(frames(port, STREAM, headers | {"Last-Event-ID": gone})) as stream:
                _, reset = await next_data(stream)
                assert (reset.event, reset.id) == ("reset", None)
                assert json.loads(reset.data or b"")["current"] == "/v1/feeds/matches/current"
                async with asyncio.timeout(10):  # who comes again has a place, although nothing has come
                    while (sign := await anext(stream)).id is None:
                        pass
                assert sign.id == (await feed(port, headers))[-1]["id"]
                await post(runtime, 2 if gone == "1-99" else 3, 1)
                _, entry = await next_data(stream)  # it goes on from the newest entry
                assert entry.id not in {one["id"] for one in fed}


async def test_a_stream_ends_with_its_time_its_token_and_the_process(tmp_path: Path) -> None:
    async with served_here(tmp_path, heartbeat_seconds=0.1, stream_seconds=0.5, streams=1) as system:
        port, headers = system.settings.http.port, bearer(system.settings)
        began = time.monotonic()
        async with aclosing(frames(port, STREAM, headers)) as stream:
            await anext(stream)
            with pytest.raises(ValueError, match="503"):
                await anext(frames(port, STREAM, headers))
            assert [frame.data async for frame in stream if frame.data] == []
        assert 0.4 < time.monotonic() - began < 20
        # Expired, but within the tolerated difference of clocks for half a second more.
        short = {"Authorization": f"Bearer {token(system.settings, seconds=1 - LEEWAY)}"}
        async with aclosing(frames(port, STREAM, short)) as stream:
            began = time.monotonic()
            assert [frame.data async for frame in stream if frame.data] == []
    async with (
        served_here(tmp_path / "again") as system,
        aclosing(frames(system.settings.http.port, STREAM, bearer(system.settings))) as stream,
    ):
        await anext(stream)
        began = time.monotonic()
        system.stop.set()
        assert [frame.data async for frame in stream if frame.data] == []
        assert time.monotonic() - began < 30  # not cut off: it ended by itself


async def test_who_waits_for_a_page_takes_no_streams_place_and_is_answered_while_all_are_taken(
    tmp_path: Path,
) -> None:
    async with served_here(tmp_path, streams=1) as system:
        port, headers = system.settings.http.port, bearer(system.settings)
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
            waiting = asyncio.create_task(client.get(f"{FEED}?timeout=20000"))
            while not system.runtimes[0].state["tail"].waiting:  # noqa: ASYNC110 - it is a count
                await asyncio.sleep(0.01)
            assert (await client.head(STREAM)).status_code == 200  # a head alone is no stream, and has an end
            async with aclosing(frames(port, STREAM, headers)) as stream:
                await anext(stream)
                assert (await client.get(f"{FEED}?timeout=50")).json() == []
                await post(system.runtimes[0], 0, 1)
                assert len((await asyncio.wait_for(waiting, 10)).json()) == 1


async def test_a_reader_that_takes_nothing_is_cut_off_and_the_others_are_not(tmp_path: Path) -> None:
    async with served_here(tmp_path, slow_reader_seconds=0.5, heartbeat_seconds=0.2) as system:
        port, headers, runtime = system.settings.http.port, bearer(system.settings), system.runtimes[0]
        tail = runtime.state["tail"]
        fed = await posted(system, headers, 1)
        loop = asyncio.get_running_loop()
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        slow.setblocking(False)  # noqa: FBT003 - the socket module's own signature
        await loop.sock_connect(slow, ("127.0.0.1", port))
        asked = f"GET {STREAM}?lastEventId={fed[0]['id']} HTTP/1.1\r\nHost: x\r\n"
        asked += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        await loop.sock_sendall(slow, f"{asked}\r\n".encode())
        quick = frames(port, STREAM, headers | {"Last-Event-ID": fed[0]["id"]})
        async with aclosing(quick):
            await anext(quick)
            async with asyncio.timeout(60):
                while tail.waiting < 2:  # noqa: ASYNC110 - it is a count
                    await asyncio.sleep(0.01)
                number = 1
                while tail.waiting == 2:  # until the sockets between are full, and then the time it is given
                    await post(runtime, number, 500)
                    number += 500
                    await asyncio.sleep(0.05)
            quick_ids = [(await next_data(quick))[1].id for _ in range(number - 1)]
        # What the slow one has got by then goes as far as some whole entry, and from there it goes on.
        got = await _drained(slow)
        *_, last, _ = re.findall(r"\nid: (\S+)\n", got)
        place = quick_ids.index(last)
        assert place < number - 2
        async with aclosing(frames(port, STREAM, headers | {"Last-Event-ID": last})) as stream:
            assert (await next_data(stream))[1].id == quick_ids[place + 1]


async def _drained(slow: socket.socket) -> str:
    loop, found = asyncio.get_running_loop(), b""
    with suppress(OSError):
        while piece := await asyncio.wait_for(loop.sock_recv(slow, 65_536), 5):
            found += piece
    slow.close()
    return found.decode(errors="replace")


async def test_a_slow_reader_of_a_long_backlog_gets_nothing_more_once_its_token_has_ended(
    tmp_path: Path,
) -> None:
    async with served_here(tmp_path, heartbeat_seconds=0.2) as system:
        runtime = system.runtimes[0]
        await post(runtime, 0, 1_000)
        kept = select(func.count(), func.min(ENTRIES.c.position), func.min(ENTRIES.c.incarnation))
        async with asyncio.timeout(60):
            count = 0
            while count < 1_000:
                async with runtime.database.read() as connection:
                    count, first, life = (await connection.execute(kept)).one()
                await asyncio.sleep(0.02)
        asked = 0

        async def verify() -> Principal:
            nonlocal asked
            asked += 1
            if asked > 1:
                raise TokenRefused("token-expired", "It has ended.")
            return Principal(id="x", roles=frozenset({"bdt_admin"}))

        behind = place_of(f"{life}-{first}")
        stream = Streaming(runtime=runtime, verify=verify, asked=Asked(), after=behind)
        taken = 0
        async with asyncio.timeout(60):
            async for piece in stream.pieces():
                await asyncio.sleep(0.3)
                taken += piece.count(b"data:")
        assert 0 < taken <= 100  # what was read at once, before anybody asked
