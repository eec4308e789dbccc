"""The lists' API says nothing: it is waited for once a step, and holds up nobody who needs no reasons, nor other lists."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2
from aiohttp import web

from services.notifications.worker import readying
from services.notifications.worker.reasons import READER, ListReader
from tests.services.notifications.hall import Hall
from tests.services.notifications.test_what_is_over import heard


@dataclass
class Api:
    """The lists' API on a real socket."""

    hangs: set[str] = field(default_factory=set)  # the projects about which it says nothing
    drips: set[str] = field(default_factory=set)  # and those about which it never comes to an end
    pours: bool = False  # it says far more than was asked
    asked: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        project = request.match_info["project"]
        self.asked.append(project)
        if project in self.hangs:
            await self.over.wait()
        if project in self.drips:
            return await self._drip(request)
        said = {"en": {"shared_terms": ["school"], "reasons": []}}
        plain = {"fit": 100, "band": "good", "confidence": 500, "said": said}
        asked = (await request.json())["organisations"]
        told = [plain | {"organisation": one} for one in asked]
        return web.json_response({"told": told, "more": "x" * 300_000 if self.pours else ""})

    async def _drip(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        while not self.over.is_set():
            await answer.write(b" ")
            await asyncio.sleep(0.05)
        return answer


@asynccontextmanager
async def asking(hall: Hall) -> AsyncIterator[Api]:
    """Have the service ask over HTTP, with less patience than it has."""
    api, application = Api(), web.Application()
    application.router.add_post("/v1/lists/{project}/reasons", api.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()

    async def token() -> str:
        return "token"

    address = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    try:
        async with httpx2.AsyncClient(timeout=0.2, trust_env=False) as client:
            hall.runtime.state[READER] = ListReader(
                client=client, address=address, token=token, seconds=1.0, most_bytes=100_000
            )
            yield api
    finally:
        api.over.set()
        await runner.cleanup()


async def opened(hall: Hall, count: int) -> list[str]:
    ada, projects = await hall.member("Ada"), []
    for number in range(count):
        projects.append(await hall.open_project(f"project {number}"))
        await hall.rank(projects[-1], 1, {ada: "good"})
        hall.clock.moment += hall.clock.moment.resolution
        await hall.herald()
    return projects


async def test_a_silent_api_is_asked_once_a_step_and_each_list_in_its_turn(hall: Hall) -> None:
    await hall.subscribe(channel="feed")
    hall.lists.away = True
    projects = await opened(hall, 4)
    async with asking(hall) as api:
        api.hangs = set(projects)
        for number in range(1, 6):
            await readying.step(hall.runtime)
            assert len(api.asked) == number
        assert api.asked == [*projects, projects[0]]
        api.hangs = {projects[1]}
        await readying.step(hall.runtime)
        await readying.step(hall.runtime)
        assert len(await heard(hall)) == 3  # that list alone waits
        api.hangs.clear()
        await readying.step(hall.runtime)
    assert await heard(hall) == ["match.proposed.v1"] * 4


async def test_who_needs_no_reasons_is_told_while_the_api_is_silent(hall: Hall) -> None:
    await hall.subscribe(channel="feed")
    projects = await opened(hall, 2)
    async with asking(hall) as api:
        api.hangs = set(projects)
        await hall.open_project("project 0", countries=["KEN", "TZA"])
        await hall.rank(projects[0], 2, {}, above=1)
        await hall.herald()
        await hall.open_project("project 1", state="closed")
        await hall.herald()
        assert set(api.asked) == {projects[0]}
    assert await heard(hall) == ["match.proposed.v1"] * 2 + ["opportunity.closed.v1"]


async def test_an_api_that_never_comes_to_an_end_is_not_waited_for_without_end(hall: Hall) -> None:
    await hall.subscribe(channel="feed")
    hall.lists.away = True
    projects = await opened(hall, 2)
    async with asking(hall) as api:
        api.drips = {projects[0]}
        async with asyncio.timeout(10):
            await readying.step(hall.runtime)
            await readying.step(hall.runtime)
        assert await heard(hall) == ["match.proposed.v1"]
        api.drips.clear()
        await readying.step(hall.runtime)
    assert await heard(hall) == ["match.proposed.v1"] * 2


async def test_an_answer_that_is_far_too_long_is_not_read(hall: Hall) -> None:
    await hall.subscribe(channel="feed")
    hall.lists.away = True
    await opened(hall, 1)
    async with asking(hall) as api:
        api.pours = True
        await readying.step(hall.runtime)
        assert await heard(hall) == []
        api.pours = False
        await readying.step(hall.runtime)
    assert await heard(hall) == ["match.proposed.v1"]
