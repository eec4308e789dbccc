"""Three questions that are not one: is the process alive, can it serve, and does work get done.

Liveness asks nothing of anybody (a database that is away must not get every process restarted); readiness asks every
part that a request needs; progress gives figures, and never fails for what they are.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sqlalchemy import text

from schemas.topics import TOPICS
from services.chassis.bus import limits
from services.chassis.bus.errors import BusError
from services.chassis.database import DatabaseAway
from services.chassis.runtime import Runtime

_PATIENCE = 5.0  # seconds


async def readiness(runtime: Runtime) -> dict[str, str | None]:
    """Return every part that requests need, with the reason why it is not ready, None if it is."""
    parts: dict[str, str | None] = {}
    parts[f"{runtime.service.name}.started"] = (
        None if runtime.state.get("started", True) else "It is starting."
    )
    parts[f"{runtime.service.name}.database"] = await _reason(lambda: _ask_database(runtime))
    parts["log"] = await _reason(lambda: _ask_log(runtime))
    if runtime.service.readers and runtime.role in {"all", "worker"}:
        parts[f"{runtime.service.name}.partitions"] = await _halted(runtime)
    if runtime.service.readiness is not None and runtime.role != "relay":
        own = await runtime.service.readiness(runtime)
        parts |= {f"{runtime.service.name}.{part}": reason for part, reason in own.items()}
    return parts


async def progress(runtime: Runtime) -> dict[str, Any]:
    """Return the service's figures: what waits in the outbox, and what the service itself reports."""
    figures: dict[str, Any] = {}
    if "outbox" in runtime.service.metadata.tables:
        async with runtime.database.read() as connection:
            waiting = (await connection.execute(text("SELECT count(*) FROM outbox"))).scalar_one()
        figures["outbox_rows"] = waiting
        runtime.metrics.outbox_rows.labels(runtime.service.name).set(waiting)
    if runtime.service.progress is not None and runtime.role != "relay":
        figures |= await runtime.service.progress(runtime)
    return figures


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
    await runtime.transport.ends(topics[0])  # the one question that a log answers from no memory


async def _halted(runtime: Runtime) -> str | None:
    try:
        async with runtime.database.read() as connection:
            found = await limits.halted(connection)
    except DatabaseAway:
        return "The database does not answer."
    where = ", ".join(f"{one.at} at {one.halted_offset}" for one in found)
    return f"Halted, because too much could not be applied: {where}. See the dead letters." if found else None


async def _reason(ask: Callable[[], Awaitable[None]]) -> str | None:
    try:
        async with asyncio.timeout(_PATIENCE):
            await ask()
    except DatabaseAway:
        return "The database does not answer."
    except (BusError, OSError, LookupError) as error:
        return f"It does not answer: {type(error).__name__}."
    except TimeoutError:
        return f"It did not answer within {_PATIENCE:.0f} seconds."
    return None
