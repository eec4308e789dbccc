"""Three questions that are not one: is the process alive, can it serve, and does work get done.

Liveness asks nothing of anybody (a database that is away must not get every process restarted); readiness asks every
part that a request needs; progress gives figures, and never fails for what they are.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy import text

from schemas.topics import TOPICS
from services.chassis.bus import deadletters, limits, outbox
from services.chassis.bus.errors import BusError
from services.chassis.database import DatabaseAway
from services.chassis.runtime import Runtime

_PATIENCE = 5.0  # seconds


async def readiness(runtime: Runtime) -> dict[str, str | None]:
    """Return every part that requests need, with the reason why it is not ready, None if it is. All are asked at once."""
    name = runtime.service.name
    asked: dict[str, Callable[[Runtime], Awaitable[str | None]]]
    asked = {f"{name}.database": _ask_database, "log": _ask_log}
    if runtime.service.readers and runtime.role in {"all", "worker"}:
        asked[f"{name}.partitions"] = _halted
    starting = None if runtime.state.get("started", True) else "It is starting."
    parts: dict[str, str | None] = {f"{name}.started": starting}
    reasons = await asyncio.gather(*(_reason(partial(ask, runtime)) for ask in asked.values()))
    parts |= dict(zip(asked, reasons, strict=True))
    if runtime.service.readiness is not None and runtime.role != "relay":
        own = await runtime.service.readiness(runtime)
        parts |= {f"{name}.{part}": reason for part, reason in own.items()}
    return parts


async def progress(runtime: Runtime) -> dict[str, Any]:
    """Return the service's figures: what waits in the outbox, and what the service itself reports; sets the gauges."""
    figures: dict[str, Any] = {}
    metrics, name = runtime.metrics, runtime.service.name
    if "outbox" in runtime.service.metadata.tables:
        async with runtime.database.read() as connection:
            waiting, oldest = await outbox.waiting(connection)
        age = 0.0 if oldest is None else max(0.0, (runtime.clock.now() - oldest).total_seconds())
        figures |= {"outbox_rows": waiting, "outbox_oldest_seconds": age}
        metrics.outbox_rows.labels(name).set(waiting)
        metrics.outbox_oldest.labels(name).set(age)
    if runtime.service.progress is not None and runtime.role != "relay":
        figures |= await runtime.service.progress(runtime)
    return figures


async def measure(runtime: Runtime) -> None:
    """Set every gauge that has to be asked for, and when that was.

    What does not answer is down; gauges that were not set stay as they were, with the moment at which they were. All are asked
    at once, for one that hangs must not keep the answer beyond what a scraper waits (10 seconds, where nobody says otherwise).
    """
    metrics, name = runtime.metrics, runtime.service.name
    parts = {"letters": _measure_letters, "partitions": _measure_partitions, "progress": _measure_progress}
    asked = (_ask_database, _ask_log, *parts.values())
    database, log, *measured = await asyncio.gather(*(_reason(partial(ask, runtime)) for ask in asked))
    metrics.database_up.labels(name).set(database is None)
    metrics.log_up.labels(name).set(log is None)
    for part, missing in zip(parts, measured, strict=True):
        if missing is None:
            metrics.measured.labels(name, part).set(runtime.clock.now().timestamp())


async def _measure_progress(runtime: Runtime) -> None:
    await progress(runtime)
    if runtime.service.measure is not None and runtime.role != "relay":
        await runtime.service.measure(runtime)


async def _measure_letters(runtime: Runtime) -> None:
    if not runtime.service.readers:
        return
    metrics, name = runtime.metrics, runtime.service.name
    async with runtime.database.read() as connection:
        counts = await deadletters.counts(connection)
        keys, since = await deadletters.standing(connection)
        halted = await limits.halted(connection)
    for state, letters in counts.items():
        metrics.letters.labels(name, state).set(letters)
    age = 0.0 if since is None else max(0.0, runtime.clock.now().timestamp() - since / 1_000_000)
    metrics.letters_oldest.labels(name).set(age)
    metrics.parked_keys.labels(name).set(keys)
    metrics.halted.labels(name).set(len(halted))


async def _measure_partitions(runtime: Runtime) -> None:
    """Say what there is to read, in every role: who finds that nobody reads it need not be a worker."""
    for reader in runtime.service.readers:
        counts = [await runtime.transport.partitions(topic) for topic in reader.topics]
        runtime.metrics.partitions.labels(reader.group).set(sum(counts))


async def gathered_readiness(runtimes: Mapping[str, Runtime]) -> dict[str, str | None]:
    """Return the parts of several services in one process."""
    found: dict[str, str | None] = {}
    for parts in await asyncio.gather(*(readiness(runtime) for runtime in runtimes.values())):
        found |= parts
    return found


async def _ask_database(runtime: Runtime) -> None:
    async with runtime.database.read() as connection:
        await connection.execute(text("SELECT 1"))


async def _ask_log(runtime: Runtime) -> None:
    topics = runtime.service.topics or tuple(topic.name for topic in TOPICS.values())[:1]
    if not await runtime.transport.ends(topics[0]):  # the one question that a log answers from no memory
        raise LookupError(topics[0])


async def _halted(runtime: Runtime) -> str | None:
    async with runtime.database.read() as connection:
        found = await limits.halted(connection)
    where = ", ".join(f"{one.at} at {one.halted_offset}" for one in found)
    return f"Halted, because too much could not be applied: {where}. See the dead letters." if found else None


async def _reason(ask: Callable[[], Awaitable[str | None]]) -> str | None:
    """Return what an answer says against readiness, or why there is none."""
    try:
        async with asyncio.timeout(_PATIENCE):
            return await ask()
    except TimeoutError:  # which is an OSError, too
        return f"It did not answer within {_PATIENCE:.0f} seconds."
    except DatabaseAway:
        return "The database does not answer."
    except LookupError as missing:
        return f"The topic {missing.args[0]} is not there; `comity topics` creates it."
    except (BusError, OSError) as error:
        return f"It does not answer: {type(error).__name__}."
