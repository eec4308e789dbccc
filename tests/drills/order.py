"""The order drill: whatever the log may do to a thousand events, the computed lists are the same (promise 7).

By hand: `python -m tests.drills.order --rounds 100 --seed 1 --json`. A year of a small town becomes a thousand events. Each
round shuffles them as a log may: the events of a key stay in their order, all else is mixed, and stretches are delivered
again, as after a relay or a consumer that died (so an older event may come after a newer one of its key). The archive is
filled from that while an index follows now and then, and the packed rows of every open project are compared.
"""

import asyncio
import random
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from services.chassis.bus import positions
from services.chassis.bus.delivery import deliver
from services.chassis.bus.transport import Record, TopicPartition
from services.chassis.settings import Telemetry
from services.chassis.telemetry import set_up_logs
from services.matches.consumers import GROUP, archive
from services.matches.worker.documents import Analysis
from tests.drills.reporting import Drill, parser, report
from tests.mutants.catalogue import MUTANTS
from tests.services.matches.town import Town, open_town, uuid_of

EVENTS = 1_000
ORGANISATIONS = 120
PROJECTS = 8
TEXTS = (
    ("en", "We connect rural schools with solar-powered community networks and train village technicians."),
    ("en", "Our radios and solar panels work in schools without electricity."),
    ("fr", "Nous relions les écoles rurales par des réseaux communautaires alimentés par le soleil."),
    ("ru", "Соединяем сельские школы с интернетом и обучаем техников в деревнях."),
    ("es", "Formamos a técnicos de redes comunitarias en las escuelas rurales."),
)
COUNTRIES = ("KEN", "UGA", "FRA", "WSM", "TCD")
AT_ONCE = 50


async def year(town: Town, chance: random.Random) -> None:
    """Write until a thousand events stand on the log: profiles come, change, leave and are erased, projects change."""
    names = [f"One {number}" for number in range(ORGANISATIONS)]
    alive: set[str] = set()
    for number in range(PROJECTS):
        await town.published(f"project {number}", countries=[chance.choice(COUNTRIES)])
    written = 2 * PROJECTS
    while written < EVENTS:
        written += 1
        name = chance.choice(names)
        fate = chance.random()
        if fate < 0.08:
            await town.draft(f"project {chance.randrange(PROJECTS)}", countries=chance.sample(COUNTRIES, 2))
        elif name not in alive or fate < 0.9:
            language, text = chance.choice(TEXTS)
            parent = chance.choice(sorted(alive)) if alive and fate < 0.2 and name not in alive else None
            await town.organisation(
                name,
                descriptions=[{"language": language, "text": f"{text} {written} times."}],
                hq_country=chance.choice(COUNTRIES),
                parent=uuid_of(parent) if parent else None,
            )
            alive.add(name)
        elif fate < 0.95:
            await town.withdraw(uuid_of(name))
            alive.discard(name)
            names.remove(name)
        else:
            await town.erase("organisations", uuid_of(name))
            alive.discard(name)
            names.remove(name)


def disordered(records: list[Record], chance: random.Random) -> list[Record]:
    """Return the records as a log of another order holds them, a fifth of them again in stretches."""
    queues: dict[tuple[str, bytes | None], list[Record]] = defaultdict(list)
    for record in records:
        queues[record.topic, record.key].append(record)
    turns = [key for key, some in queues.items() for _ in some]
    chance.shuffle(turns)
    places = {key: iter(some) for key, some in queues.items()}
    found = [next(places[key]) for key in turns]
    for _ in range(len(found) // 50):
        begin = chance.randrange(len(found) - 10)
        again = found[begin : begin + 10]
        place = chance.randrange(begin + 10, len(found) + 1)
        found[place:place] = again
    offsets: dict[TopicPartition, Iterator[int]] = defaultdict(count)
    return [record._replace(offset=next(offsets[at_of(record)])) for record in found]


def at_of(record: Record) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)


async def lists(town: Town) -> dict[str, str]:
    """Return the packed rows of every open project, in hexadecimal."""
    pinned = await town.worker.index.pin()
    return {
        project: pinned.view.rank(project, pinned.day).packed().hex()
        for project in sorted(town.worker.index.projects)
    }


async def shuffled(folder: Path, records: list[Record], chance: random.Random) -> tuple[dict[str, str], int]:
    """Fill a new archive in some order; the lists, and how many deliveries it took."""
    order = disordered(records, chance)
    async with AsyncExitStack() as stack:
        town = await open_town(folder, stack)
        for begin in range(0, len(order), AT_ONCE):
            await delivered(town, order[begin : begin + AT_ONCE])
            if chance.random() < 0.3:
                await town.worker.index.follow()
        while await town.worker.index.follow():
            pass
        followed = await lists(town)
        await town.worker.index.load()
        assert await lists(town) == followed, "an index that followed differs from one that was loaded"
        return followed, len(order)


async def delivered(town: Town, records: list[Record]) -> None:
    """Hand records to the archive in the transaction that moves the positions past them."""
    runtime = town.runtimes["matches"]
    log = await runtime.transport.identity("members.v1")
    last = {at_of(record): record for record in records}
    async with runtime.database.write() as connection:
        for record in records:
            await deliver(connection, record, runtime=runtime, group=GROUP, handle=archive, parked=set())
        for at, record in last.items():
            held = await positions.take(connection, GROUP, at, log=log, now=0)
            await positions.move(connection, held, held.past(record, None))


async def written(folder: Path, *, seed: int) -> tuple[dict[str, str], list[Record]]:
    """Make the year; its lists, and every record that stands on the log."""
    async with AsyncExitStack() as stack:
        town = await open_town(folder, stack)
        await year(town, random.Random(seed))
        await town.settle()
        return await lists(town), await town.records("members.v1") + await town.records("projects.v1")


async def drill(folder: Path, *, rounds: int, seed: int) -> dict[str, Any]:
    """Make the year, shuffle it again and again, count the differences; first with a mutant, which has to show."""
    expected, records = await written(folder / "year", seed=seed)
    with pytest.MonkeyPatch.context() as broken:
        MUTANTS["stale-sequence-applied"].patch(broken)
        try:
            stale, _ = await shuffled(folder / "stale", records, random.Random(seed))
        except Exception:  # noqa: BLE001 - whatever it breaks is noticed
            stale = {}
    deliveries, different = 0, []
    for number in range(rounds):
        found, delivered = await shuffled(folder / str(number), records, random.Random(f"{seed} {number}"))
        shutil.rmtree(folder / str(number))
        deliveries += delivered
        if found != expected:
            different.append(number)
    return {
        "events": len(records),
        "lists": len(expected),
        "deliveries": deliveries,
        "different": different,
        "caught": stale != expected,
    }


def remembered(patch: pytest.MonkeyPatch) -> None:
    """Analyse each record once: it is a pure function, and a hundred shuffles would do it a hundred times."""
    original, known = Analysis.of, {}

    def of(self: Analysis, kind: str, data: bytes) -> bytes:
        if (kind, data) not in known:
            known[kind, data] = original(self, kind, data)
        return known[kind, data]

    patch.setattr(Analysis, "of", of)


def main() -> None:
    """Prove that the drill finds a stale event applied, run it, and print what it found."""
    given = parser(__doc__, rounds=5, meaning="permutations").parse_args()
    set_up_logs(Telemetry(level="error"))
    begun = time.monotonic()
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="comity-order-") as folder:
        remembered(patch)
        found = asyncio.run(drill(Path(folder), rounds=given.rounds, seed=given.seed))
    passed = {
        "catches stale-sequence-applied": found.pop("caught"),
        "a thousand events": found["events"] >= EVENTS,
        "same lists": not found["different"],
    }
    figures = {
        "rounds": given.rounds,
        "seed": given.seed,
        **found,
        "seconds": round(time.monotonic() - begun, 1),
    }
    report(Drill(name="order", passed=passed, figures=figures), as_json=given.json)


if __name__ == "__main__":
    main()
