"""The cache of computed lists: one computation for all who ask at once, bounded, and no error kept."""

import asyncio

import pytest

from services.matches.queries.computations import Computations


async def test_all_who_ask_at_once_share_one_computation() -> None:
    made = []

    async def make() -> int:
        made.append(1)
        await asyncio.sleep(0.01)
        return 42

    computations = Computations()
    assert await asyncio.gather(*(computations.get("a", make) for _ in range(10))) == [42] * 10
    assert await computations.get("a", make) == 42
    assert len(made) == 1


async def test_an_error_is_raised_to_all_and_not_kept() -> None:
    attempts = []

    async def fail() -> int:
        attempts.append(1)
        raise KeyError("gone")

    computations = Computations()
    for _ in range(2):
        with pytest.raises(KeyError):
            await computations.get("a", fail)
    assert len(attempts) == 2


async def test_one_who_goes_away_takes_nothing_from_the_others() -> None:
    gate = asyncio.Event()

    async def make() -> int:
        await gate.wait()
        return 1

    computations = Computations()
    first = asyncio.create_task(computations.get("a", make))
    second = asyncio.create_task(computations.get("a", make))
    await asyncio.sleep(0)
    first.cancel()
    gate.set()
    assert await second == 1


async def test_the_longest_unused_goes_first() -> None:
    made: list[str] = []
    computations = Computations(most=2)

    async def ask(key: str) -> None:
        async def make() -> str:
            made.append(key)
            return key

        assert await computations.get(key, make) == key

    for key in ("a", "b", "a", "c", "a", "b"):
        await ask(key)
    assert made == ["a", "b", "c", "b"]
