"""`comity republish`: a service says the present state of aggregates again.

What: posts their events to the service's outbox, beside the running system or without it; the relay takes them to the
log. Why: a log that was replaced or cut, or that kept a stale record, is given what it lacks; readers that hold the same
revision change nothing. It must not append to the log itself.
"""

import asyncio
from typing import Annotated

import typer

from services.console.standing_by import ServiceName, known, standing_by


def republish(
    service: ServiceName,
    keys: Annotated[list[str] | None, typer.Argument(metavar="[KEY]…", help="Keys on its topics.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every aggregate.")] = False,
) -> None:
    """Post the present state of these aggregates, or of all, to the outbox again."""
    from services.chassis.bus.restoring import republish as post
    from services.chassis.settings import load_settings
    from services.console.exits import Exit, stop

    owner = known(service, lambda one: one.owner, "says anything")
    if bool(keys) == everything:
        stop(Exit.USAGE, "Name the keys that are to be said again, or say --all.")

    async def run() -> int:
        async with standing_by(load_settings(), owner, alone=False) as runtime:
            return await post(runtime, owner.owner, None if everything else keys)

    typer.echo(f"{service}: {asyncio.run(run())} records wait for the relay.")
