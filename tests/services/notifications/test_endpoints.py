"""What an endpoint's state lets through, and whose answer changes it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.services.notifications.hall import Hall
from tests.services.notifications.village import Receiver, receiving


@asynccontextmanager
async def answering(handle: Callable[[Any], Awaitable[int]]) -> AsyncIterator[str]:
    """A receiver that answers each event with the status that `handle` gives it, in its own time; its address."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=await handle(await request.json()))

    application = web.Application()
    application.router.add_post("/hook", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/hook"
    finally:
        await runner.cleanup()


async def endpoint_of(hall: Hall, identifier: str) -> Any:
    return await hall.call("GET", f"/v1/endpoints/{identifier}")


async def put(hall: Hall, identifier: str, **body: Any) -> Any:
    """Change an endpoint as it stands now."""
    now = await endpoint_of(hall, identifier)
    whole = {"url": now["url"]} | body
    return await hall.call("PUT", f"/v1/endpoints/{identifier}", whole, If_Match=f'"{now["revision"]}"')


async def test_the_answer_of_an_address_that_was_left_does_not_verify_the_new_one(
    hall: Hall, receiver: Receiver
) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(_event: Any) -> int:
        asked.set()
        await answer.wait()
        return 204

    receiver.status = 500
    async with answering(slow) as old:
        made = await hall.call("POST", "/v1/endpoints", {"url": old}, status=201)
        await hall.dispatcher.turn()
        await asked.wait()
        assert (await put(hall, made["id"], url=receiver.url))["state"] == "pending"
        answer.set()
        await hall.dispatch()
    found = await endpoint_of(hall, made["id"])
    assert (found["state"], found["url"]) == ("pending", receiver.url)
    assert found["failing_since"] is not None  # the new address was asked, and said no
    receiver.status = 204
    await hall.until_due()
    assert (await endpoint_of(hall, made["id"]))["state"] == "active"


async def test_a_move_leaves_one_ping_the_new_address_own(hall: Hall, receiver: Receiver) -> None:
    receiver.status = 500
    made = await hall.call("POST", "/v1/endpoints", {"url": receiver.url}, status=201)
    await hall.dispatch()
    async with receiving() as other:
        await put(hall, made["id"], url=other.url)
        while await hall.until_due():
            pass
        assert len(other.taken) == 1
    assert len(receiver.taken) == 1
    states = await hall.rows("SELECT state FROM deliveries ORDER BY id")
    assert [one["state"] for one in states] == ["cancelled", "delivered"]
