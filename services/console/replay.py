"""`comity replay`: hand a range of a partition to a service's handler once more.

What: reads the log outside any group, from one offset up to another and never past the stored position, which stays where
it is; the handler's own gate decides what is news. Why: effects that were lost by a fault of ours come back without
stopping anything. It must not touch parked keys: those are the dead letters' to replay.
"""

import asyncio
import json
from typing import Annotated

import typer

from services.console.standing_by import AsJson, ServiceName, known, standing_by


def replay(
    service: ServiceName,
    topic: Annotated[str, typer.Argument(help="A topic that the service reads.")],
    partition: Annotated[
        int | None, typer.Option(min=0, help="Only this partition; without it, every one.")
    ] = None,
    begin: Annotated[int, typer.Option("--from", min=0, help="The first offset.")] = 0,
    end: Annotated[
        int | None, typer.Option("--to", min=0, help="The offset to stop before; without it, the position.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Apply records again that the service has passed, beside the running system or without it; exit code 1 if one fails."""
    from services.chassis.bus.rebuilding import replay_range
    from services.chassis.bus.transport import TopicPartition
    from services.chassis.settings import load_settings
    from services.console.exits import Exit, stop

    if end is not None and end <= begin:
        stop(Exit.USAGE, f"--to {end} is not above --from {begin}, so there is no record between them.")
    reading = known(service, lambda one: one.readers, "reads the log")
    readers = [reader for reader in reading.readers if topic in reader.topics]
    if not readers:
        named = ", ".join(sorted({name for reader in reading.readers for name in reader.topics}))
        stop(Exit.USAGE, f"{service} does not read {topic}; it reads {named}.")

    async def run() -> dict[str, int]:
        counts = {"records": 0, "parked": 0}
        async with standing_by(load_settings(), reading, alone=False) as runtime:
            numbers = range(await runtime.transport.partitions(topic))
            if partition is not None and partition not in numbers:
                stop(Exit.USAGE, f"{topic} has the partitions 0 to {numbers[-1]}.")
            for number in numbers if partition is None else (partition,):
                for reader in readers:
                    at = TopicPartition(topic, number)
                    done = await replay_range(runtime, reader, at, begin=begin, end=end)
                    counts["records"] += done.records
                    counts["parked"] += done.parked
        return counts

    counts = asyncio.run(run())
    if as_json:
        typer.echo(json.dumps(counts))
        return
    if not any(counts.values()):
        typer.echo(
            f"{service}: no record of {topic} stands there that it has passed; nothing was handed over."
        )
        return
    left = f"; {counts['parked']} of parked keys were left out" if counts["parked"] else ""
    typer.echo(f"{service}: {counts['records']} records of {topic} were handed over again{left}.")
