"""`comity rebuild`: read the log from its beginning into an emptied projection, in the place of the consumer.

What: for every group of a service: forget, read everything, set the positions, in one transaction that stands whole or
changes nothing. Why: a position that belongs to another log, or tombstones that may have been missed, leave no other way.
It must not run beside the service.
"""

import asyncio
import json
from typing import Annotated, Any

import typer

from services.console.standing_by import AsJson, ServiceName, known, standing_by


def rebuild(
    service: ServiceName,
    erase_absent: Annotated[
        bool,
        typer.Option(
            "--erase-absent",
            help="Erase what is kept here and is not on the log any more, as erased long ago.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Rebuild what a stopped service projects from the log; exit code 1 if a record fails, and nothing is changed then."""
    from services.chassis.bus.rebuilding import rebuild as read_anew
    from services.chassis.settings import load_settings

    reading = known(service, lambda one: one.readers, "reads the log")

    async def run() -> list[dict[str, Any]]:
        done = []
        async with standing_by(load_settings(), reading, alone=True) as runtime:
            for reader in reading.readers:
                built = await read_anew(runtime, reader, erase_absent=erase_absent)
                figures = {"records": built.records, "letters": built.letters, "erased": list(built.erased)}
                done.append({"group": reader.group} | figures)
        return done

    done = asyncio.run(run())
    if as_json:
        typer.echo(json.dumps({"groups": done}))
        return
    for one in done:
        erased = f", {len(one['erased'])} keys erased that the log does not hold" if one["erased"] else ""
        letters = f", {one['letters']} dead letters dropped" if one["letters"] else ""
        typer.echo(f"{one['group']}: rebuilt from {one['records']} records{letters}{erased}.")
