"""The program that the guide prints for who follows the feed, run as it is printed, over real sockets and through what breaks."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import httpx2
import pytest

from benchmarks.streams import FEED, Served, post, token
from services.chassis.lifecycle import System
from services.identity import SERVICE as IDENTITY
from services.identity.commands import ensure_first_admin
from tests.services.matches.test_feeds_stream import bearer, posted, served_here

KILLS = 3


class Shown(Exception):  # noqa: N818 - it ends a reader that would never end
    """What a reader had when it had enough."""


def guide_reader() -> dict[str, Any]:
    """The names that the guide's Python defines; it waits for less time than it would."""
    guide = (Path(__file__).parents[3] / "docs/guide/feeds.md").read_text("utf-8")
    [code] = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    reader: dict[str, Any] = {}
    exec(code, reader)  # noqa: S102 - the guide's own words are what is tried
    reader["WAIT"] = 0.01
    return reader


async def test_the_reader_in_the_guide_follows_the_feed_from_nothing_and_begins_anew_when_it_must(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = guide_reader()
    async with served_here(tmp_path) as system:
        headers, runtime = bearer(system.settings), system.runtimes[0]
        monkeypatch.setenv("COMITY", f"http://127.0.0.1:{system.settings.http.port}")
        reader["token"] = lambda: token(system.settings)
        await posted(system, headers, 3)
        seen: list[int] = []

        def show(kept: dict[str, Any]) -> None:
            seen.append(len(kept))
            if len(kept) == 5:
                raise Shown(kept)

        following = asyncio.create_task(asyncio.to_thread(reader["follow"], show))
        while 3 not in seen:  # noqa: ASYNC110 - it is a list
            await asyncio.sleep(0.01)
        async with runtime.database.write() as connection:  # as if its place were older than what is kept
            await connection.exec_driver_sql("INSERT INTO feed_horizon (single, position) VALUES (1, 4)")
        await post(runtime, 3, 2)
        with pytest.raises(Shown) as told:
            await asyncio.wait_for(following, 60)
        fed = {entry["subject"]: entry for entry in await read_current(system)}
        assert told.value.args == (fed,)


async def test_the_reader_in_the_guide_follows_also_what_has_nothing_for_it_yet_and_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    reader = guide_reader()
    batch = reader["batch"]
    reader["batch"] = lambda address, bearer: asked.append(address) or batch(address, bearer)
    async with served_here(tmp_path) as system:
        runtime = system.runtimes[0]
        monkeypatch.setenv("COMITY", f"http://127.0.0.1:{system.settings.http.port}")
        organisation = str(uuid.uuid5(uuid.NAMESPACE_OID, "organisation 5"))
        reader["token"] = lambda: token(system.settings, organisation=organisation)
        seen: list[dict[str, Any]] = []

        def show(kept: dict[str, Any]) -> None:
            seen.append(dict(kept))
            if kept:
                raise Shown

        following = asyncio.create_task(asyncio.to_thread(reader["follow"], show))
        async with asyncio.timeout(60):
            while not any("timeout=" in one for one in asked):  # noqa: ASYNC110 - it is a list
                await asyncio.sleep(0.01)
        await post(runtime, 0, 5)
        async with runtime.database.write() as connection:  # as if deletions for others had come and gone
            await connection.exec_driver_sql("INSERT INTO feed_horizon (single, position) VALUES (1, 4)")
        await post(runtime, 5, 1)
        with pytest.raises(Shown):
            await asyncio.wait_for(following, 60)
    assert [len(one) for one in seen[-2:]] == [0, 1]
    assert len(asked) < 12  # it waits, and asks nothing again and again


async def read_current(system: System) -> list[dict[str, Any]]:
    address = f"http://127.0.0.1:{system.settings.http.port}"
    async with httpx2.AsyncClient(base_url=address, headers=bearer(system.settings)) as client:
        return list((await client.get(f"{FEED}/current")).json())


async def test_the_reader_in_the_guide_goes_on_when_its_server_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = guide_reader()
    async with Served(folder=tmp_path, every=0.01, burst=2, total=(KILLS + 1) * 40) as served:
        monkeypatch.setenv("COMITY", f"http://127.0.0.1:{served.port}")
        reader["token"] = lambda: token(served.settings)
        seen: list[int] = []

        def show(kept: dict[str, Any]) -> None:
            seen.append(len(kept))
            if len(kept) == served.total:
                raise Shown

        following = asyncio.create_task(asyncio.to_thread(reader["follow"], show))
        for number in range(KILLS):
            async with asyncio.timeout(60):
                while max(seen, default=0) <= 40 * number and not following.done():  # noqa: ASYNC110 - it is a list
                    await asyncio.sleep(0.01)
            await served.kill()
        with pytest.raises(Shown):
            await asyncio.wait_for(following, 120)


def answer(status: str, *headers: str, body: str = "") -> bytes:
    """An answer as it goes over the wire."""
    return "\r\n".join((f"HTTP/1.1 {status}", *headers, "", body)).encode()


@asynccontextmanager
async def front(port: int, instead: list[bytes | None]) -> AsyncIterator[tuple[str, list[tuple[str, float]]]]:
    """Stand before a server as a proxy does, and answer the first requests otherwise (None: let it through).

    Gives its address, and the path and moment of every request.
    """
    asked: list[tuple[str, float]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if found := re.search(rb"content-length: (\d+)", request, re.IGNORECASE):
            request += await reader.readexactly(int(found[1]))
        asked.append((request.split(b" ")[1].decode(), asyncio.get_running_loop().time()))
        said = instead.pop(0) if instead else None
        if said is None:
            behind, onward = await asyncio.open_connection("127.0.0.1", port)
            onward.write(request)
            said = await behind.read()  # to its end: the program asks for one answer a connection
            onward.close()
        writer.write(said)
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


async def test_the_reader_in_the_guide_goes_on_after_refusals_for_now_cut_connections_and_the_end_of_its_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = guide_reader()
    tokens, real = ["of.another.day"], reader["token"]
    reader["token"] = lambda: tokens.pop() if tokens else real()
    instead = [
        None,  # the feed, with a token that is good no more
        answer("503 Service Unavailable", "Retry-After: 1", "Content-Length: 0"),  # a token
        b"",
        None,
        answer("200 OK", "Content-Length: 99", 'Link: </x>; rel="next"', body="[{"),  # the feed
        answer("429 Too Many Requests", "Retry-After: 0", "Content-Length: 0"),
        answer("503 Service Unavailable", "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT", "Content-Length: 0"),
    ]
    async with (
        served_here(tmp_path, beside=IDENTITY) as system,
        front(system.settings.http.port, instead) as (address, asked),
    ):
        matches, identity = system.runtimes
        first = await ensure_first_admin(identity)
        assert first is not None
        for name, value in zip(("COMITY", "CLIENT_ID", "CLIENT_SECRET"), (address, *first), strict=True):
            monkeypatch.setenv(name, value)
        await post(matches, 0, 3)

        def show(kept: dict[str, Any]) -> None:
            if len(kept) == 3:
                raise Shown

        with pytest.raises(Shown):
            await asyncio.wait_for(asyncio.to_thread(reader["follow"], show), 60)
        assert [path for path, _ in asked[:8]] == [
            reader["CURRENT"], *["/v1/tokens"] * 3, *[reader["CURRENT"]] * 4
        ]  # fmt: skip
        assert asked[2][1] - asked[1][1] >= 1  # as it was told
        monkeypatch.setenv("CLIENT_SECRET", "another")
        with pytest.raises(HTTPError, match="401") as refused:  # nothing that passes
            await asyncio.wait_for(asyncio.to_thread(reader["follow"], show), 60)
        refused.value.close()
