"""Promise 7: any order, any duplication, any restart: the same computed lists of open projects, byte for byte."""

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


async def busy_week(town: Town) -> list[str]:
    """Organisations come, change, withdraw and are erased; projects are published and revised."""
    languages = ("en", "en", "fr", "ru")
    parent = await town.organisation("Parent")
    for number in range(16):
        await town.organisation(
            f"One {number}",
            descriptions=[{"language": languages[number % 4], "text": TEXTS[number % 4]}],
            hq_country=("KEN", "UGA", "FRA", "WSM")[number % 4],
            parent=parent if number % 5 == 0 else None,
        )
    projects = [await town.published("schools"), await town.published("islands", countries=["WSM"])]
    await town.settle()
    for number in (1, 4, 9):
        await town.organisation(f"One {number}", hq_country="KEN", first_involved_on="2020-02-02")
    await town.organisation("One 4", hq_country="UGA")
    await town.withdraw(uuid_of("One 2"))
    await town.erase("organisations", uuid_of("One 3"))
    await town.draft("schools", countries=["KEN", "UGA"])
    await town.settle()
    return projects


def disordered(records: list[Record], random: Random) -> list[Record]:
    """Any order, with a third of them twice; only what a log never does (another order within a key) is left out twice."""
    found = [*records, *random.sample(records, len(records) // 3)]
    random.shuffle(found)
    return found


@pytest.mark.parametrize("seed", range(4))
async def test_any_order_and_any_duplication_give_the_same_bytes(tmp_path: Path, seed: int) -> None:
    async with AsyncExitStack() as stack:
        first = await open_town(tmp_path / "first", stack)
        projects = await busy_week(first)
        expected = {project: (await first.ranked(project)).packed() for project in projects}
        records = await first.records("members.v1") + await first.records("projects.v1")
        second = await open_town(tmp_path / "second", stack)
        await second.deliver_again(disordered(records, Random(seed)))
        await second.worker.index.load()
        for project in projects:
            assert len(expected[project]) > 0
            assert (await second.ranked(project)).packed() == expected[project]


async def test_a_restart_between_any_two_steps_gives_the_same_bytes(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        town = await open_town(tmp_path / "town", stack)
        projects = await busy_week(town)
        expected = {project: (await town.ranked(project)).packed() for project in projects}
        await town.worker.index.load()
        for project in projects:
            assert (await town.ranked(project)).packed() == expected[project]
    async with AsyncExitStack() as stack:
        town = await open_town(tmp_path / "town", stack)
        await town.settle()
        for project in projects:
            assert (await town.ranked(project)).packed() == expected[project]
