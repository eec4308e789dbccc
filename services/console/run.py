"""`comity run [all|SERVICE] --role …`: run services in this process until told to stop.

What: starts the services named, in one role, and prints the first administrator once. Why: one image and one command for
every process of a deployment. It must not load data.
"""

import asyncio
import sys
from typing import Annotated, Literal

import typer

RoleName = Literal["all", "api", "worker", "relay"]


def run(
    service: Annotated[str, typer.Argument(help="A service's name, or all.")] = "all",
    role: Annotated[
        str, typer.Option(help="all, api (answers requests), worker (consumes and ranks), relay (outbox to log).")
    ] = "all",
    migrate: Annotated[
        bool, typer.Option("--migrate", help="First bring tables and topics to what this version needs.")
    ] = False,
) -> None:
    """Run services until SIGTERM or Ctrl-C; exit code 1 if a part ended by itself."""
    from services.catalogue import SERVICES
    from services.chassis.bus.errors import BusError
    from services.chassis.database import DatabaseAway
    from services.chassis.lifecycle import ProcessFailed, System, run_services, run_until_signalled
    from services.chassis.settings import SettingsError, load_settings
    from services.chassis.telemetry import set_up_logs
    from services.console.embedded import prepare
    from services.console.exits import Exit, stop
    from services.identity.commands import ensure_first_admin

    if service != "all" and service not in SERVICES:
        stop(Exit.USAGE, f"There is no service {service!r}; there are all, {', '.join(SERVICES)}.")
    if role not in ("all", "api", "worker", "relay"):
        stop(Exit.USAGE, f"There is no role {role!r}; there are all, api, worker, relay.")
    chosen = tuple(SERVICES.values()) if service == "all" else (SERVICES[service],)
    try:
        settings = load_settings()
    except SettingsError as error:
        stop(Exit.USAGE, str(error))
    set_up_logs(settings.telemetry)
    pending: set[asyncio.Task[None]] = set()

    async def introduce(system: System) -> None:
        first = await ensure_first_admin(system.runtime("identity"))
        if first is not None:
            sys.stdout.write(
                f"First administrator, shown once: client_id={first[0]} client_secret={first[1]}\n"
                f"Get a token: POST {system.address}/v1/tokens (client credentials). Documentation: {system.address}/docs\n"
            )
            sys.stdout.flush()

    def ready(system: System) -> None:
        if role in ("all", "api") and any(one.name == "identity" for one in chosen):
            task = asyncio.ensure_future(introduce(system))
            pending.add(task)
            task.add_done_callback(pending.discard)

    async def main(stopping: asyncio.Event) -> None:
        if migrate:
            await prepare(settings)
        await run_services(settings, chosen, role=role, ready=ready, stop=stopping)  # type: ignore[arg-type]

    try:
        run_until_signalled(main)
    except (ProcessFailed, BusError, DatabaseAway) as error:
        stop(Exit.FAILED, str(error))
