"""`comity doctor`: the settings in effect, and every dependency probed.

What: prints the settings with secrets hidden, then asks each database, the log and the analyser whether they work. Why:
one command says what is wrong before anybody reads logs. It must not change anything.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from services.console.exits import Exit

Probe = Callable[[], Awaitable[str]]


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout.")] = False,
) -> None:
    """Print the settings in effect and probe every dependency; exit code 3 if one does not answer."""
    from services.chassis.settings import SettingsError, describe, load_settings
    from services.console.exits import stop

    try:
        settings = load_settings()
    except SettingsError as error:
        stop(Exit.USAGE, str(error))
    probes = asyncio.run(_probe(settings))
    well = all(probe["well"] for probe in probes.values())
    if as_json:
        typer.echo(json.dumps({"settings": describe(settings), "probes": probes, "well": well}))
    else:
        for path, value in describe(settings).items():
            typer.echo(f"{path} = {value}")
        typer.echo("")
        for name, probe in probes.items():
            typer.echo(f"{'ok  ' if probe['well'] else 'FAIL'} {name}: {probe['says']}")
    if not well:
        raise typer.Exit(int(Exit.UNREACHABLE))


async def _probe(settings: Any) -> dict[str, dict[str, Any]]:
    from services.catalogue import SERVICES

    probes: dict[str, Probe] = {f"database of {name}": _database(settings, name) for name in SERVICES}
    probes["log"] = _log(settings)
    probes["analyser"] = _analyser
    return {name: await _outcome(probe) for name, probe in probes.items()}


async def _outcome(probe: Probe) -> dict[str, Any]:
    from services.chassis.bus.errors import BusError
    from services.chassis.database import DatabaseAway

    try:
        return {"well": True, "says": await probe()}
    except (DatabaseAway, BusError, OSError, RuntimeError) as error:
        return {"well": False, "says": f"{type(error).__name__}: {error}"}


def _database(settings: Any, name: str) -> Probe:
    async def probe() -> str:
        from migrations.running import newest_revision, stored_revision
        from services.chassis.database import Database

        database = Database.for_service(settings, name)
        try:
            stored, newest = await stored_revision(database), newest_revision(name)
        finally:
            await database.close()
        if stored != newest:
            raise RuntimeError(f"its tables are at {stored or 'nothing'}, this version needs {newest}: run `comity migrate`")
        return f"{database.dialect}, tables at {stored}"

    return probe


def _log(settings: Any) -> Probe:
    async def probe() -> str:
        from schemas.topics import TOPICS
        from services.chassis.lifecycle import open_transport

        async with open_transport(settings) as transport:
            counts = [f"{topic} {await transport.partitions(topic)}" for topic in TOPICS]
        return f"{settings.log.transport}; partitions: {', '.join(counts)}"

    return probe


async def _analyser() -> str:
    from matching.analysis import prove_analyser

    analyser = prove_analyser()
    return f"analyser {analyser.number} reproduces its golden outputs; Python {sys.version.split()[0]}"
