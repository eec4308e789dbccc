"""A group that nobody waits for lets the others of its process go first."""

import asyncio
import uuid

from services.chassis.bus.consumer import Consumer
from tests.services.chassis.bus.bench import apply, organisation


async def test_a_group_that_lingers_lets_the_others_of_its_process_go_first(bench):
    order = []

    async def eager(_delivery):
        order.append("eager")

    async def patient(delivery):
        order.append("patient")
        await apply(delivery)

    stop = asyncio.Event()
    other = Consumer(bench.process, group="others", topics=["members.v1"], handle=eager)
    async with bench.consuming(patient, linger=0.3) as running:
        beside = asyncio.create_task(other.run(stop))
        await bench.caught_up(running)
        await bench.append(*(organisation(str(uuid.UUID(int=n)), version=1) for n in (1, 2)))
        await bench.caught_up(running)
        stop.set()
        await beside
    assert order == ["eager"] * 2 + ["patient"] * 2
    assert len(await bench.effects()) == 2
