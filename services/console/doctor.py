"""`comity doctor`: the settings of this environment, and every dependency probed with them.

What: prints the settings that a process started here would take, secrets hidden, then asks each database, the log, each
owner whether its database is behind the log, the analyser, the addresses that are set, and the system that runs on this
data folder, if one does, whether they work. Why: one command says what is wrong before anybody reads logs. It must not
change anything, and works beside a running system.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from services.console.exits import Exit

HEADING = (
    "Settings of this environment, as a process started here would take them; a running one keeps its own:"
)
Probe = Callable[[], Awaitable[str]]


class Unwell(Exception):  # noqa: N818 - it is a finding
    """A dependency answers, but not as it must."""


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout.")] = False,
) -> None:
    """Print the settings of this environment and probe every dependency; exit code 3 if one does not answer."""
    from services.chassis.settings import load_settings
    from services.console.effective import describe, source
    from services.console.preparing import of_the_system_here

    settings = of_the_system_here(load_settings())
    probes = asyncio.run(_probe(settings))
    well = all(probe["well"] for probe in probes.values())
    if as_json:
        typer.echo(json.dumps({"settings": describe(settings), "probes": probes, "well": well}))
    else:
        typer.echo(HEADING)
        typer.echo(source())
        for path, value in describe(settings).items():
            typer.echo(f"{path} = {value}")
        typer.echo("")
        for name, probe in probes.items():
            typer.echo(f"{'ok  ' if probe['well'] else 'FAIL'} {name}: {probe['says']}")
    if not well:
        raise typer.Exit(int(Exit.UNREACHABLE))


async def _probe(settings: Any) -> dict[str, dict[str, Any]]:
    from services.catalogue import SERVICES

    probes: dict[str, Probe] = {f"tables of {name}": _tables(settings, name) for name in SERVICES}
    probes |= {
        f"dead letters of {name}": _letters(settings, name) for name in SERVICES if SERVICES[name].readers
    }
    probes["log"] = _embedded_log(settings) if settings.log.transport == "sql" else _kafka(settings)
    probes["analyser"] = _analyser
    for name, url in {
        "token keys": settings.identity.jwks_url,
        "matches": settings.notifications.matches_url,
        "traces": settings.telemetry.traces_url,
    }.items():
        if url is not None:
            probes[name] = _address(url)
    if settings.mail.host is not None:
        probes["mail server"] = _mail_server(settings.mail)
    found = {name: await _outcome(probe) for name, probe in probes.items()}
    if found["log"]["well"]:
        for name in (name for name, service in SERVICES.items() if service.owner is not None):
            found[f"{name} and its log"] = await _outcome(_owner(settings, name))
    running = _running(settings)
    if running is None:
        return found
    words = _words(settings) if running["well"] else None
    return found | {"running system": running} | ({"words": words} if words else {})


async def _outcome(probe: Probe) -> dict[str, Any]:
    from services.chassis.bus.errors import BusError
    from services.chassis.database import DatabaseAway

    try:
        return {"well": True, "says": await probe()}
    except Unwell as finding:
        return {"well": False, "says": str(finding)}
    except (DatabaseAway, BusError, OSError, RuntimeError) as error:
        return {"well": False, "says": f"{type(error).__name__}: {error}"}


def _tables(settings: Any, name: str) -> Probe:
    async def probe() -> str:
        from services.console.preparing import revisions

        stored, newest = await revisions(settings, name)
        if stored != newest:
            raise Unwell(f"at {stored or 'nothing'}, this version needs {newest}; run `comity migrate`")
        return f"at {stored}, on {'SQLite' if settings.database.url is None else 'the database server'}"

    return probe


def _letters(settings: Any, name: str) -> Probe:
    async def probe() -> str:
        from services.chassis.bus import deadletters, limits
        from services.chassis.database import Database

        await _tables(settings, name)()
        database = Database.for_service(settings, name)
        try:
            async with database.read() as connection:
                halted = await limits.halted(connection)
                counts = await deadletters.counts(connection)
        finally:
            await database.close()
        if halted:
            where = "; ".join(f"{one.at} at {one.halted_offset}: {one.reason}" for one in halted)
            raise Unwell(
                f"halted: {where}; mend the handler and restart, or `comity dead-letters resume {name}`"
            )
        return f"{counts['dead']} dead, {counts['parked']} parked behind them; no partition is halted"

    return probe


def _owner(settings: Any, name: str) -> Probe:
    async def probe() -> str:
        from services.catalogue import SERVICES
        from services.chassis.bus import said
        from services.console.standing_by import standing_by

        await _tables(settings, name)()
        async with standing_by(settings, SERVICES[name], alone=False) as runtime:
            await said.verify(runtime, SERVICES[name].owner)
        return "the database knows all that its topics hold"

    return probe


def _embedded_log(settings: Any) -> Probe:
    async def probe() -> str:
        from services.chassis.bus.transports.sql.log import SqlTransport
        from services.chassis.database import for_log

        tables = await _tables(settings, "log")()
        database = for_log(settings)
        try:  # not opened: opening would take it from the one process that it serves
            counts = await _partitions(SqlTransport(database))
        finally:
            await database.close()
        return f"embedded, tables {tables}; partitions: {counts}"

    return probe


def _kafka(settings: Any) -> Probe:
    async def probe() -> str:
        from schemas.topics import TOPICS
        from services.chassis.lifecycle import open_transport

        async with open_transport(settings) as transport:
            counts, drifts = await _partitions(transport), await transport.drift(tuple(TOPICS.values()))
        if drifts:
            raise Unwell(" ".join(map(str, drifts)))
        return f"Kafka at {settings.kafka.bootstrap_servers}; partitions: {counts}"

    return probe


async def _partitions(transport: Any) -> str:
    from schemas.topics import TOPICS

    return ", ".join([f"{topic} {await transport.partitions(topic)}" for topic in TOPICS])


def _address(url: str) -> Probe:
    async def probe() -> str:
        import httpx2

        try:
            async with httpx2.AsyncClient(timeout=5.0, trust_env=False) as client:
                answer = await client.get(url)
        except httpx2.HTTPError as error:
            raise Unwell(f"{url} does not answer ({type(error).__name__})") from error
        if answer.status_code >= 500:
            raise Unwell(f"{url} answers {answer.status_code}")
        return f"{url} answers"

    return probe


def _mail_server(mail: Any) -> Probe:
    async def probe() -> str:
        async with asyncio.timeout(5.0):
            _, writer = await asyncio.open_connection(mail.host, mail.port)
        writer.close()
        return f"{mail.host}:{mail.port} takes a connection"

    return probe


async def _analyser() -> str:
    from matching.analysis import prove_analyser

    analyser = prove_analyser()
    return f"analyser {analyser.number} reproduces its golden outputs; Python {sys.version.split()[0]}"


def _words(settings: Any) -> dict[str, Any] | None:
    """Say how many words of all texts the epoch in force has never seen, as the process that ranks tells it."""
    import httpx2

    from services.console.connection import saved_credentials

    saved = saved_credentials(settings.data_folder) or {"addresses": {}}
    for address in sorted(set(saved["addresses"].values())):
        try:
            answer = httpx2.get(f"{address}/progress", timeout=5.0, trust_env=False)
        except httpx2.HTTPError:
            return None
        services = answer.json()["services"] if answer.status_code == 200 else {}
        figures = services.get("matches", {}).get("unknown_words")
        if figures:
            unknown, words = figures["unknown"], figures["words"]
            share = f"{unknown} of {words} different words ({100 * unknown / max(1, words):.0f} %)"
            return {"well": True, "says": f"{share} are unknown to the epoch; with many, fit another"}
    return None


def _running(settings: Any) -> dict[str, Any] | None:
    """Ask the system that wrote its address into the data folder; None where none did, or it has stopped."""
    import httpx2

    from services.console.connection import saved_credentials

    saved = saved_credentials(settings.data_folder)
    for address in sorted(set(saved["addresses"].values())) if saved else ():
        try:
            answer = httpx2.get(f"{address}/readyz", timeout=5.0, trust_env=False)
        except httpx2.HTTPError:
            return None
        if answer.status_code != 200:
            return {"well": False, "says": f"{address} is not ready: {answer.text[:300]}"}
    return (
        {"well": True, "says": f"ready at {', '.join(sorted(set(saved['addresses'].values())))}"}
        if saved
        else None
    )
