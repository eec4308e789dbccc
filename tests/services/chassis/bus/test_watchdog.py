"""The watchdog ends a consumer that is stuck, and neither one that is idle, nor one that retries, nor one that slept."""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Self

import pytest

from schemas.envelope import Event
from services.chassis.bus.consumer import Consumer, Delivery
from services.chassis.bus.errors import Transient
from services.chassis.bus.transport import Batch, Listener
from services.chassis.bus.transports.sql.membership import SqlMembership
from services.chassis.bus.watchdog import Stuck
from services.chassis.settings import Settings
from tests.services.chassis.bus.bench import Bench, organisation

PATIENCE = 0.5


@pytest.fixture
def impatient(bench: Bench) -> Bench:
    bench.process.settings = Settings(lifecycle={"stuck_seconds": PATIENCE})
    return bench


def event(version: int = 1) -> Event:
    return organisation("018f3c2a-7d10-7000-8000-000000000001", version=version)


async def applied(delivery: Delivery) -> None:
    del delivery


async def consuming(bench: Bench, handle: Any, *, seconds: float) -> None:
    """Consume for so long; what ends the consumer before is raised."""
    consumer = Consumer(
        bench.process, group="things", topics=["members.v1"], handle=handle, drain_seconds=0.1
    )
    stop = asyncio.Event()
    running = asyncio.create_task(consumer.run(stop))
    await asyncio.wait([running], timeout=seconds)
    stop.set()
    await running


async def test_a_handler_that_never_ends_ends_the_process_with_the_stacks_of_its_tasks(
    impatient: Bench, logged: list[Any]
) -> None:
    await impatient.post(event())
    await impatient.relay()

    async def asleep(delivery: Delivery) -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stuck, match="has not moved from 0"):
        await consuming(impatient, asleep, seconds=20)
    (told,) = [entry for entry in logged if entry["event"] == "consumer.stuck"]
    assert "asleep" in told["stacks"]


async def test_an_idle_consumer_is_never_stuck(impatient: Bench) -> None:
    await impatient.post(event())
    await impatient.relay()
    await consuming(impatient, applied, seconds=PATIENCE * 5)


async def test_a_consumer_that_says_why_it_waits_is_not_stuck(impatient: Bench) -> None:
    await impatient.post(event())
    await impatient.relay()

    async def away(delivery: Delivery) -> None:
        raise Transient("The other side is away.")

    await consuming(impatient, away, seconds=PATIENCE * 5)


async def test_a_machine_that_slept_over_a_weekend_is_not_stuck(impatient: Bench) -> None:
    """Frozen with work in hand, for longer than the patience, its clocks jumped; awake it goes on."""
    await impatient.post(event())
    await impatient.relay()
    seen: list[str] = []
    clock = impatient.process.clock
    jump = {"by": 0.0}
    now, monotonic = clock.now, clock.monotonic
    clock.now = lambda: now() + timedelta(seconds=jump["by"])  # type: ignore[method-assign]
    clock.monotonic = lambda: monotonic() + jump["by"]  # type: ignore[method-assign]

    async def slept(delivery: Delivery) -> None:
        await asyncio.sleep(PATIENCE * 0.3)
        time.sleep(PATIENCE * 3)  # noqa: ASYNC251 - the whole process is frozen
        jump["by"] = 2.5 * 86_400
        await asyncio.sleep(PATIENCE * 0.3)
        seen.append(delivery.event.id)

    await consuming(impatient, slept, seconds=PATIENCE * 8)
    assert len(seen) == 1


class Outside(SqlMembership):
    """A member that is given nothing; `told` whether the group says so, or the joining never ends."""

    told = False

    async def __aenter__(self) -> Self:
        if self.told:
            await self._listener.assigned(frozenset())
        return self

    async def fetch(self, *, timeout: float, limit: int) -> Sequence[Batch]:  # noqa: ASYNC109
        del limit
        await asyncio.sleep(timeout)
        return ()


class Spare(Outside):
    told = True


def joining(bench: Bench, member: type[SqlMembership], patch: pytest.MonkeyPatch) -> None:
    def membership(group: str, topics: Sequence[str], listener: Listener) -> SqlMembership:
        return member(bench.transport, group, topics, listener)

    patch.setattr(bench.transport, "membership", membership)


async def test_a_member_that_never_hears_what_is_its_own_ends_the_process(
    impatient: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await impatient.post(event())
    await impatient.relay()
    joining(impatient, Outside, monkeypatch)
    with pytest.raises(Stuck, match="has not been told which partitions are its own"):
        await consuming(impatient, applied, seconds=20)


async def test_a_member_that_never_hears_what_is_its_own_is_not_stuck_while_nothing_waits(
    impatient: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await impatient.post(event())
    await impatient.relay()
    await impatient.consume()
    joining(impatient, Outside, monkeypatch)
    await consuming(impatient, applied, seconds=PATIENCE * 5)


async def test_a_spare_member_is_not_stuck_whatever_waits_for_the_others(
    impatient: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await impatient.post(event())
    await impatient.relay()
    joining(impatient, Spare, monkeypatch)
    await consuming(impatient, applied, seconds=PATIENCE * 5)
