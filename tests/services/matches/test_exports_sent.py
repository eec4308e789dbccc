"""How files leave: named before they are made, sent while they are read, broken when they break, and not too many at once."""

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from sqlalchemy import insert, select, update

from services.matches.queries import exposure
from services.matches.queries.exports import AT_ONCE
from services.matches.queries.spool import PIECE
from services.matches.tables import DOCUMENTS
from tests.services.matches.town import Town, open_town, statements, uuid_of

MANY = 30_000
FORMS = ("csv", "jsonl", "xlsx")


def records_read(told: list[str]) -> int:
    """How many of the statements read records: those of pages, and whatever else opens them."""
    return sum("documents.record" in one.partition("WHERE")[0] for one in told)


async def crowd(town: Town, count: int) -> None:
    """Put so many organisations into the archive, as copies of one."""
    await town.organisation("One")
    await town.settle()
    async with town.runtimes["matches"].database.write() as connection:
        query = select(DOCUMENTS).where(DOCUMENTS.c.id == uuid_of("One"), DOCUMENTS.c.latest)
        row = (await connection.execute(query)).one()._asdict()
        record = json.loads(row["record"])
        rows = []
        for number in range(count):
            named = record | {
                "id": uuid_of(f"copy {number}"),
                "legal_name": f"Copy {number} " + "of one " * 20,
            }
            rows.append(row | {"id": named["id"], "offset": None, "record": json.dumps(named).encode()})
        await connection.execute(insert(DOCUMENTS), rows)


class Reader:
    """A client that takes as much as it is let to, and what it was sent."""

    def __init__(self, town: Town, path: str, **headers: str) -> None:
        self.town = town
        self.messages: list[dict[str, Any]] = []
        self.going = asyncio.Event()
        self.took = asyncio.Event()
        sent = {"host": "comity.test"} | {name.replace("_", "-"): value for name, value in headers.items()}
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
            "client": ("127.0.0.1", 1),
            "server": ("comity.test", 80),
        }

    async def run(self) -> None:
        await self.town.application(self.scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def _send(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        if message["type"] == "http.response.body":
            self.took.set()
            await self.going.wait()

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def bodies(self) -> list[bytes]:
        return [one["body"] for one in self.messages[1:]]

    @property
    def whole(self) -> bool:
        return bool(self.messages) and self.messages[-1].get("more_body") is False


async def test_a_file_has_the_same_name_only_as_long_as_it_has_the_same_bytes(town: Town) -> None:
    for number in range(6):
        await town.organisation(f"One {number}", hq_country=("KEN", "FRA")[number % 2])
    listed = await town.published("schools")
    await town.settle()
    own = town.bearer("organisation_reader", organisation=uuid_of("One 2"))
    asked: list[tuple[str, Any]] = [
        *(
            (f"{path}.{form}", "bdt_admin")
            for path in ("projects", "organisations", "exposure")
            for form in FORMS
        ),
        ("projects.csv?region=AFR", "nobody"),
        *((f"lists/{listed}.{form}", "bdt_admin") for form in FORMS),
        (f"lists/{listed}.csv?country=KEN", "bdt_admin"),
        (f"lists/{listed}.csv?country=FRA", "bdt_admin"),
        (f"lists/{listed}.csv", own),
    ]
    known: dict[str, bytes] = {}
    told: dict[str, set[str]] = {}
    files: dict[str, set[bytes]] = {}

    async def look() -> None:
        for number, (path, who) in enumerate(asked):
            answer = await town.call("GET", f"/v1/exports/{path}", who=who)
            assert answer.status_code == 200, answer.text
            tag = answer.headers["etag"]
            assert known.setdefault(tag, answer.content) == answer.content, path
            assert tag.strip('"')[:8] in answer.headers["content-disposition"]
            told.setdefault(f"{number} {path}", set()).add(tag)
            files.setdefault(f"{number} {path}", set()).add(answer.content)

    await look()
    await look()  # nothing has changed: nothing has another name
    assert {len(tags) for tags in told.values()} == {1}
    changes: list[Any] = [
        lambda: town.organisation("One 1", legal_name="Another name"),
        lambda: town.organisation("One 7", hq_country="KEN"),
        lambda: town.published("another"),
        lambda: town.draft("schools", titles=[{"language": "en", "text": "Other schools of the district"}]),
        lambda: town.withdraw(uuid_of("One 3")),
        lambda: town.erase("organisations", uuid_of("One 1")),
        lambda: town.call("POST", "/v1/days", {"day": "2027-02-01"}),
        lambda: town.step(listed, "close", body={"reason": "Found."}),
        lambda: town.erase("organisations", uuid_of("One 4")),
    ]
    for change in changes:
        await change()
        await look()  # what has not been heard of is not in it
        await town.settle()
        await look()
    assert min(len(contents) for contents in files.values()) >= 3
    for path, tags in told.items():
        assert len(tags) >= len(files[path])


@pytest.mark.parametrize("form", FORMS)
async def test_who_has_a_file_costs_no_row_of_it(town: Town, form: str) -> None:
    await town.organisation("One")
    listed = await town.published("schools")
    await town.settle()
    for path in ("projects", "organisations", f"lists/{listed}"):
        address = f"/v1/exports/{path}.{form}"
        with statements() as told:
            answer = await town.call("GET", address)
        assert records_read(told) > (
            path == f"lists/{listed}"
        )  # of a list, its project is read to know who may
        for method, headers in (("GET", {"If_None_Match": answer.headers["etag"]}), ("HEAD", {})):
            with statements() as told:
                short = await town.call(method, address, **headers)
            assert records_read(told) == (path == f"lists/{listed}"), told
            assert (short.status_code, short.content) == (304 if headers else 200, b"")
            assert short.headers["etag"] == answer.headers["etag"]
        assert short.headers["content-disposition"] == answer.headers["content-disposition"]
        assert short.headers["content-type"] == answer.headers["content-type"]


@pytest.mark.parametrize("form", FORMS)
async def test_who_has_the_exposure_report_as_a_file_has_nothing_counted(
    town: Town, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        await town.organisation(f"One {number}")
    await town.published("schools")
    await town.settle()
    counts, real = [], exposure.counted

    def count(*given: Any) -> Any:
        counts.append(given)
        return real(*given)

    monkeypatch.setattr(exposure, "counted", count)
    address = f"/v1/exports/exposure.{form}"
    await town.call("HEAD", address)
    with statements() as told:
        head = await town.call("HEAD", address)
        known = await town.call("GET", address, If_None_Match=head.headers["etag"])
    assert (known.status_code, counts) == (304, [])
    assert not [one for one in told if "attention" in one.partition("WHERE")[0]]
    answer = await town.call("GET", address)
    assert (answer.status_code, len(counts)) == (200, 1)
    assert answer.headers["etag"] == head.headers["etag"]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
async def test_a_long_file_leaves_while_it_is_read_and_its_reading_waits_for_nobody(
    town: Town, form: str
) -> None:
    await crowd(town, MANY)
    reader = Reader(town, f"/v1/exports/organisations.{form}")
    pages = MANY // AT_ONCE
    with statements() as told:
        running = asyncio.create_task(reader.run())
        await asyncio.wait_for(reader.took.wait(), 60)
        assert records_read(told) < pages / 2  # the first bytes are there
        tracemalloc.start()
        async with asyncio.timeout(100):
            while records_read(told) <= pages:  # noqa: ASYNC110 - it is a count
                await asyncio.sleep(0.05)
        assert len(reader.bodies) == 1  # the reader has taken no more, and the transaction is over
        reader.going.set()
        await asyncio.wait_for(running, 60)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert reader.whole
    held = sum(map(len, reader.bodies))
    assert max(map(len, reader.bodies)) <= PIECE
    assert held > 8_000_000 if form == "jsonl" else 6_000_000
    assert peak - held < 5_000_000  # a million of the file, and a page of records
    assert b"".join(reader.bodies).count(b"\n") == MANY + (2 if form == "csv" else 1)


@asynccontextmanager
async def served(town: Town) -> AsyncIterator[int]:
    config = uvicorn.Config(town.application, port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await running


async def taken(port: int, version: str, path: str) -> tuple[str, bytes]:
    """Ask over a socket: the head of the answer, and whatever comes until the line ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/{version}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await asyncio.wait_for(reader.read(), 60)).partition(b"\r\n\r\n")
    writer.close()
    return head.decode().lower(), body


async def test_a_file_that_breaks_never_looks_whole(town: Town) -> None:
    await crowd(town, 5 * AT_ONCE)
    path = "/v1/exports/organisations.jsonl"
    async with served(town) as port:
        head, body = await taken(port, "1.1", path)
        assert "transfer-encoding: chunked" in head
        assert body.endswith(b"\r\n0\r\n\r\n")
        head, body = await taken(port, "1.0", path)  # knows no chunks: the length says that it is whole
        assert f"content-length: {len(body)}" in head
        async with town.runtimes["matches"].database.write() as connection:
            last = select(DOCUMENTS.c.id).where(DOCUMENTS.c.latest).order_by(DOCUMENTS.c.id.desc()).limit(1)
            await connection.execute(
                update(DOCUMENTS).where(DOCUMENTS.c.id == last.scalar_subquery()).values(record=b"{broken")
            )
        head, body = await taken(port, "1.1", path)
        assert head.startswith("http/1.1 200")
        assert body.count(b'"legal_name"') >= AT_ONCE
        assert not body.endswith(b"0\r\n\r\n")
        for version, form in (("1.0", "jsonl"), ("1.1", "xlsx")):
            head, body = await taken(port, version, f"/v1/exports/organisations.{form}")
            assert " 500 " in head.partition("\r\n")[0]
            assert b"legal_name" not in body


async def test_files_at_once_are_bounded_and_who_takes_nothing_makes_room(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        bounds = {"exports": 2, "slow_reader_seconds": 1.5}
        town = await open_town(tmp_path / "town", stack, matches=bounds)
        await crowd(town, 2)
        path = "/v1/exports/organisations.csv"
        tag = (await town.call("GET", path, who="nobody")).headers["etag"]
        slow = [Reader(town, path) for _ in range(2)]
        running = [asyncio.create_task(reader.run()) for reader in slow]
        for reader in slow:
            await asyncio.wait_for(reader.took.wait(), 30)
        refused = await town.call("GET", path, who="nobody")
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert int(refused.headers["retry-after"]) > 0
        assert (await town.call("GET", path, who="nobody", If_None_Match=tag)).status_code == 304
        assert (await town.call("HEAD", path, who="nobody")).status_code == 200
        await asyncio.wait_for(asyncio.gather(*running), 30)
        assert [(reader.status, reader.whole) for reader in slow] == [(200, False)] * 2
        assert (await town.call("GET", path, who="nobody")).status_code == 200


async def test_a_file_has_its_time_however_steadily_it_is_taken(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        town = await open_town(tmp_path / "town", stack, matches={"export_seconds": 1.0})
        await crowd(town, 2)
        reader = Reader(town, "/v1/exports/organisations.csv")
        await asyncio.wait_for(reader.run(), 30)
        assert (reader.status, reader.whole) == (200, False)
