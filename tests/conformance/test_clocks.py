"""Time: the worker's clock is not the database's nor the broker's, and nothing but a stamp comes of it."""

from datetime import datetime, timedelta

from services.chassis.bus import positions
from services.chassis.runtime import Clock
from tests.conformance.kit import Bench, Site, erased, ids, revised

KEYS = ids(10)


class Wrong(Clock):
    """A clock that is wrong by so much, as seen from the database and the broker."""

    def __init__(self, by: timedelta) -> None:
        self.by = by

    def now(self) -> datetime:
        return super().now() + self.by


def wrong(bench: Bench, **by: int) -> Bench:
    bench.process.clock = Wrong(timedelta(**by))
    return bench


async def test_c31_nothing_depends_on_equal_clocks_of_database_and_worker(site: Site, bench: Bench) -> None:
    """Worker after worker, each days before or after the log's time, relays, consumes, is relieved, sets aside."""
    wrong(bench, days=20)
    await bench.post(*(revised(key, 1) for key in KEYS))
    await bench.relay()
    await bench.consume()
    for version, days in ((2, -20), (3, 9), (4, -3)):
        bench = wrong(await site.successor(), days=days)
        await bench.post(*(revised(key, version) for key in KEYS))
        await bench.relay()
        await bench.consume()
    bench = wrong(await site.successor(), days=20)
    await bench.post(erased(KEYS[0], 5))
    await bench.relay()
    await bench.consume()
    assert await bench.things() == dict.fromkeys(KEYS[1:], (4, "Kigali Fibre")) | {KEYS[0]: (5, None)}
    assert await bench.effects() == sorted(await bench.effects(), key=lambda one: one[1])
    assert len(await bench.effects()) == 41
    assert await bench.letters() == []


async def test_c31_a_group_begins_at_a_moment_of_the_logs_clock(bench: Bench) -> None:
    wrong(bench, days=-5)
    await bench.append(*(revised(key, 1) for key in KEYS))
    await bench.consume(begin=datetime.now().astimezone() - timedelta(hours=1))
    assert len(await bench.effects()) == 10


async def test_c31_the_age_of_what_waits_is_never_below_nothing(bench: Bench) -> None:
    wrong(bench, days=-5)
    async with bench.consuming() as running:
        await bench.caught_up(running)
        await bench.append(*(revised(key, 1) for key in KEYS))
        age = (await running.consumer.progress())["age_seconds"]
        assert age is None or age == 0.0
        await bench.caught_up(running)
    async with bench.database.read() as connection:
        assert len(await positions.all_of(connection, "things")) == 4
