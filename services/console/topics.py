"""`comity topics`: create the topics of the catalogue that the log does not have yet, and tell what differs on others.

What: creates, never deletes and never changes a partition count; settings of topics that exist are changed with `--apply`
alone. Why: topics are never created by a first write, and a setting that somebody changed by hand is found out by nobody
until it costs something. It must not touch records.
"""

import asyncio
from typing import Annotated, Any

import typer

from services.console.exits import Exit, stop

_TRIES = 50


def topics(
    apply: Annotated[
        bool, typer.Option("--apply", help="Set what differs on topics that exist, where it can be set.")
    ] = False,
) -> None:
    """Create missing topics, print what there is, and tell each setting that differs from the catalogue.

    Exit code 0 whatever differs; with --apply 1 if something still does.
    """
    from schemas.topics import TOPICS
    from services.chassis.lifecycle import open_transport
    from services.chassis.settings import load_settings
    from services.console.preparing import require_tables

    async def create() -> int:
        settings, catalogue = load_settings(), tuple(TOPICS.values())
        await require_tables(settings, ())
        async with open_transport(settings) as transport:
            await transport.create_topics(catalogue)
            for topic in catalogue:
                kind = "state" if topic.compacted else "history"
                typer.echo(
                    f"{topic.name}: {await transport.partitions(topic.name)} partitions, {kind}, owner {topic.owner}"
                )
            drifts = await transport.drift(catalogue)
            if apply and drifts:
                await transport.set_topics(drifts)
                for one in drifts:
                    if one.settable:
                        typer.echo(f"{one.topic}: {one.what} = {one.wanted}, was {one.found}")
                drifts = await _settled(transport, catalogue)
            for one in drifts:
                typer.echo(str(one), err=True)
            return len(drifts)

    left = asyncio.run(create())
    if apply and left:
        stop(Exit.FAILED, f"{left} {'setting differs' if left == 1 else 'settings differ'} still.")


async def _settled(transport: Any, catalogue: tuple[Any, ...]) -> Any:
    """Ask what still differs; a broker hears of what was set a moment after it was accepted."""
    for _ in range(_TRIES):
        drifts = await transport.drift(catalogue)
        if not any(one.settable for one in drifts):
            break
        await asyncio.sleep(0.1)
    return drifts
