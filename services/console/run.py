"""`comity run [all|SERVICE] --role …`: run services in this process until told to stop.

What: starts the services named, in one role; prints one line with the address, and the first administrator once; where it
runs all of them, notes the address for the other verbs, and no secret. Why: one image and one command for every process
of a deployment. It must not load data.
"""

import asyncio
import contextlib
from typing import Annotated, Literal

import typer

RoleName = Literal["all", "api", "worker", "relay"]


def run(
    service: Annotated[str, typer.Argument(help="A service's name, or all.")] = "all",
    role: Annotated[
        RoleName,
        typer.Option(
            help="api answers requests, worker consumes and ranks, relay takes outboxes to the log."
        ),
    ] = "all",
    migrate: Annotated[
        bool, typer.Option("--migrate", help="First bring tables and topics to what this version needs.")
    ] = False,
) -> None:
    """Run services until SIGTERM or Ctrl-C; exit code 1 if a part ended by itself. Logs go to stderr, a line each."""
    from services.catalogue import SERVICES
    from services.chassis.lifecycle import System, run_services, run_until_signalled
    from services.chassis.settings import load_settings
    from services.chassis.telemetry import set_up_logs
    from services.chassis.tracing import exported
    from services.console.connection import remember_address
    from services.console.exits import Exit, stop
    from services.console.preparing import prepare, require_tables
    from services.identity.commands import ensure_first_admin

    if service != "all" and service not in SERVICES:
        stop(Exit.USAGE, f"There is no service {service!r}; there are all, {', '.join(SERVICES)}.")
    chosen = tuple(SERVICES.values()) if service == "all" else (SERVICES[service],)
    settings = load_settings()
    set_up_logs(settings.telemetry)

    async def ready(system: System) -> None:
        introduces = role in ("all", "api") and any(one.name == "identity" for one in chosen)
        first = await ensure_first_admin(system.runtime("identity")) if introduces else None
        if service == "all" and role in ("all", "api"):
            with contextlib.suppress(OSError):  # it serves without being found; --url finds it
                remember_address(settings.data_folder, system.address)
        typer.echo(f"Comity ({service}, role {role}) answers at {system.address}")
        if first is not None:
            typer.echo(f"First administrator, shown once: client_id={first[0]} client_secret={first[1]}")
            typer.echo(f"Get a token: POST {system.address}/v1/tokens (client credentials).")

    async def main(stopping: asyncio.Event) -> None:
        if migrate:
            await prepare(settings)
        await require_tables(settings, [one.name for one in chosen])
        await run_services(settings, chosen, role=role, ready=ready, stop=stopping)

    with exported(settings.telemetry, part=f"{service} {role}"):
        run_until_signalled(main, stop_seconds=settings.lifecycle.stop_seconds)
