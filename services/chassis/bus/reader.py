"""What a service does with the topics that it reads, as a description: the group, its topics, its handler.

Why apart from the consumer: the same handler is run by the consumer, by whoever replays dead letters or a range of the
log, and by a rebuild; each of them is told what there is to run by the service's descriptor. A handler here performs
no effect outside its database, so running it again is harmless. This module must not run anything.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.bus.delivery import Handler

Forget = Callable[[AsyncConnection], Awaitable[None]]
Absent = Callable[[AsyncConnection], Awaitable[Sequence[str]]]
Erase = Callable[[AsyncConnection, Sequence[str]], Awaitable[None]]
Replaced = Callable[[AsyncConnection, Sequence[str]], Awaitable[None]]


async def nothing_absent(connection: AsyncConnection) -> Sequence[str]:
    """Return no keys: of a projection that keeps nothing but what the log says now."""
    del connection
    return ()


async def nothing_to_erase(connection: AsyncConnection, keys: Sequence[str]) -> None:
    """Erase nothing; the companion of `nothing_absent`."""
    del connection, keys


async def nothing_replaced(connection: AsyncConnection, topics: Sequence[str]) -> None:
    """Do nothing where a topic's log is another one now: of a projection that keeps no place of it."""
    del connection, topics


def nothing_to_prepare(runtime: Any) -> None:
    """Prepare nothing: of a handler that needs its transaction alone."""
    del runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One group of a service.

    For a rebuild: `forget` empties what the handler projects, before the log is read from the beginning; `absent`
    returns the keys that are kept although the log does not hold them any more, and `erase` erases those. `replaced` is told
    first which topics stand in another log than the one that the positions counted in.
    `prepare` makes what the handler needs in the runtime's state, where the service was not started up.
    """

    group: str
    topics: tuple[str, ...]
    handle: Handler
    forget: Forget
    absent: Absent = nothing_absent
    erase: Erase = nothing_to_erase
    replaced: Replaced = nothing_replaced
    prepare: Callable[[Any], None] = nothing_to_prepare
