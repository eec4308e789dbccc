"""Promise 7: any order, any duplication, any restart: the same computed lists of open projects, byte for byte."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

import pytest

from services.chassis.bus.transport import Record
from tests.services.matches.town import Town, open_town, uuid_of

TEXTS = (
    "We connect rural schools with solar-powered community networks and train village technicians.",
    "Our radios and solar panels work in schools without electricity.",
    "Nous relions les écoles rurales par des réseaux communautaires alimentés par le soleil.",
    "Соединяем сельские школы с интернетом и обучаем техников в деревнях.",
)


Step = Callable[[Town], Awaitable[object]]


def week() -> list[Step]:
    """Organisations come, change, withdraw and are erased; projects are published and revised."""
    languages = ("en", "en", "fr", "ru")

    def comes(number: int) -> Step:
        return lambda town: town.organisation(
            f"One {number}",
            descriptions=[{"language": languages[number % 4], "text": TEXTS[number % 4]}],
            hq_country=("KEN", "UGA", "FRA", "WSM")[number % 4],
            parent=uuid_of("Parent") if number % 5 == 0 else None,
        )

    def moves(number: int) -> Step:
        return lambda town: town.organisation(
            f"One {number}", hq_country="KEN", first_involved_on="2020-02-02"
        )

    return [
        lambda town: town.organisation("Parent"),
        *(comes(number) for number in range(16)),
        lambda town: town.published("schools"),
        lambda town: town.published("islands", countries=["WSM"]),
        *(moves(number) for number in (1, 4, 9)),
        lambda town: town.organisation("One 4", hq_country="UGA"),
        lambda town: town.withdraw(uuid_of("One 2")),
        lambda town: town.erase("organisations", uuid_of("One 3")),
        lambda town: town.draft("schools", countries=["KEN", "UGA"]),
    ]


PROJECTS = (uuid_of("schools"), uuid_of("islands"))


async def busy_week(town: Town) -> None:
    """All steps, and every event to its end."""
    for step in week():
        await step(town)
    await town.settle()


async def packed(town: Town) -> dict[str, bytes]:
    """The canonical rows of both lists as they are computed now."""
    return {project: (await town.ranked(project)).packed() for project in PROJECTS}


def disordered(records: list[Record], random: Random) -> list[Record]:
    """Any order, also within a key, with a third of them twice: more disorder than a log can make."""
    found = [*records, *random.sample(records, len(records) // 3)]
    random.shuffle(found)
    return found


@pytest.mark.parametrize("seed", range(4))
async def test_any_order_and_any_duplication_give_the_same_bytes(tmp_path: Path, seed: int) -> None:
    async with AsyncExitStack() as stack:
        first = await open_town(tmp_path / "first", stack)
        await busy_week(first)
        expected = await packed(first)
        assert all(expected.values())
        records = await first.records("members.v1") + await first.records("projects.v1")
        second = await open_town(tmp_path / "second", stack)
        await second.deliver_again(disordered(records, Random(seed)))
        await second.worker.index.load()
        assert await packed(second) == expected


@pytest.mark.parametrize("seed", range(4))
async def test_a_restart_between_any_two_steps_gives_the_same_bytes(tmp_path: Path, seed: int) -> None:
    """After each write some events go a part of their way, and every other time the process ends there."""
    async with AsyncExitStack() as stack:
        undisturbed = await open_town(tmp_path / "undisturbed", stack)
        await busy_week(undisturbed)
        expected = await packed(undisturbed)
    chance, revisions, left, restarts = Random(seed), {}, week(), 0
    while left:
        async with AsyncExitStack() as stack:
            town = await open_town(tmp_path / "town", stack)
            town.revisions = revisions
            restarts += 1
            while left:
                await left.pop(0)(town)
                moves = [town.relay, lambda town=town: town.consume(limit=2), town.rank]
                for move in chance.choices(moves, k=chance.randrange(4)):
                    await move()
                if chance.random() < 0.5:
                    break
    assert restarts > 5
    async with AsyncExitStack() as stack:
        town = await open_town(tmp_path / "town", stack)
        await town.settle()
        assert await packed(town) == expected
        await town.worker.index.load()
        assert await packed(town) == expected
