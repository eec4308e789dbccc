"""One service's database and log for a verb that works on them itself, without serving anything.

What: opens both, and where the verb says so refuses while the service runs. Why: what is read anew or said anew must
not be overtaken by the service's own consumer or relay. It must not start a service up.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import typer

from services.console.exits import Exit, stop

ServiceName = Annotated[str, typer.Argument(metavar="SERVICE", help="A service's name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout.")]


class StillRuns(Exception):  # noqa: N818 - what is the matter
    """The service runs; the verb needs its database for itself."""


def known(name: str, having: Callable[[Any], Any], what: str) -> Any:
    """Return the service of this name, if it has what the verb is about; ends the command otherwise."""
    from services.catalogue import SERVICES

    fitting = [service.name for service in SERVICES.values() if having(service)]
    if name not in fitting:
        stop(Exit.USAGE, f"{name!r} is no service that {what}; {', '.join(fitting)} do.")
    return SERVICES[name]


async def refuse_beside(settings: Any, service: str) -> None:
    """Raise StillRuns if any process has this service's database open."""
    from services.chassis.database import Database

    database = Database.for_service(settings, service)
    try:
        used = await database.in_use()
    finally:
        await database.close()
    if used:
        raise StillRuns(
            f"A process of {service} has its database open. Stop every process of {service} first."
        )


@asynccontextmanager
async def standing_by(
    settings: Any,
    service: Any,
    *,
    alone: bool,
    replaced: Callable[[Any], Awaitable[None]] | None = None,
) -> AsyncIterator[Any]:
    """Give the runtime of a service that is not started. Raises StillRuns, LogBusy, NotPreparedError.

    `replaced` is given the opened log, and brings the service's tables about before anything opens them.
    """
    from services.chassis.lifecycle import open_runtimes, open_transport
    from services.chassis.settings import Telemetry
    from services.chassis.telemetry import set_up_logs
    from services.console.preparing import require_tables

    set_up_logs(Telemetry(level="warning", format="text"))  # stdout is the verb's answer
    await require_tables(settings, [] if replaced else [service.name])
    if alone:
        await refuse_beside(settings, service.name)
    async with open_transport(settings, reading=not alone, compacting=False) as transport:
        if replaced is not None:
            await replaced(transport)
        async with open_runtimes(settings, [service], transport=transport, role="relay") as (runtime,):
            for reader in service.readers:
                reader.prepare(runtime)
            yield runtime
