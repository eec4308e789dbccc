"""`comity demo`: the whole system with the demo data, and one initiative's top ten with reasons.

What: starts the system (in this process, or split over PostgreSQL and Kafka), loads the demo data through the HTTP API,
waits until the lists are complete, prints, and keeps serving. Why: the main job, end to end, in one command. It must not
take a short cut that a user could not take.
"""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from services.console.connection import Connection, saved_credentials
from services.console.exits import Exit, stop
from services.console.listing import show_list
from services.console.loading import DEMO_FOLDER, load

TOPICS_SHOWN = ("projects.v1", "members.v1", "matches.v1")


class Deployment(StrEnum):
    """The two shapes of the demo."""

    EMBEDDED = "embedded"
    SPLIT = "split"


def demo(
    deployment: Annotated[
        Deployment, typer.Option(help="embedded: one process; split: PostgreSQL, Kafka, a process each.")
    ] = Deployment.EMBEDDED,
    once: Annotated[bool, typer.Option("--once", help="Print, stop everything and end.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --once: print one JSON value with every candidate on stdout.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the embedded demo; 0 takes a free one.")] = 8080,
) -> None:
    """Load the demo data through the HTTP API and print one initiative's top ten with reasons."""
    from services.chassis.lifecycle import ProcessFailed
    from services.chassis.settings import load_settings
    from services.console.parts.packages import PartMissingError
    from services.console.parts.processes import PartFailedError

    if as_json and not once:
        stop(Exit.USAGE, "--json prints one value and ends: add --once.")
    name = "demo" if deployment is Deployment.EMBEDDED else "demo-split"
    folder = load_settings().data_folder / name
    err = Console(stderr=True)
    err.print(f"Starting ({deployment.value}); data in {folder} …")
    try:
        with _started(deployment, folder, 0 if once else port) as (addresses, system):
            with Connection(addresses) as connection:
                saved = saved_credentials(folder) or {}
                connection.take_token(saved["client_id"], saved["client_secret"])
                with _progress(err) as report:
                    load(connection, DEMO_FOLDER, report=report)
                initiative = json.loads((DEMO_FOLDER / "judged.json").read_text("utf-8"))["printed"]
                if as_json:
                    typer.echo(json.dumps(whole_list(connection, initiative), ensure_ascii=False))
                else:
                    if deployment is Deployment.SPLIT:
                        asyncio.run(_show_records(system.settings()))
                    _show(connection, initiative, folder)
            if not once:
                err.print("Serving until Ctrl-C.")
                with contextlib.suppress(KeyboardInterrupt):
                    _wait(system)
    except (ProcessFailed, PartMissingError, PartFailedError) as error:
        stop(Exit.FAILED, str(error))


@contextlib.contextmanager
def _started(deployment: Deployment, folder: Path, port: int) -> Iterator[tuple[dict[str, str], Any]]:
    from services.chassis.settings import load_settings
    from services.chassis.telemetry import set_up_logs

    if deployment is Deployment.SPLIT:
        from services.console.split import Split

        with Split(folder) as split:
            yield split.addresses, split
        return
    from services.console.embedded import Embedded

    settings = load_settings(
        data_folder=folder,
        http={"host": "127.0.0.1", "port": port},
        public_url=f"http://127.0.0.1:{port or 8080}",
        telemetry={"level": "warning", "format": "text"},
    )
    set_up_logs(settings.telemetry)
    with Embedded(settings) as system:
        yield {"": system.address}, system


@contextlib.contextmanager
def _progress(console: Console) -> Iterator[Any]:
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=console, transient=True
    ) as progress:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)

        yield report


def whole_list(connection: Connection, initiative: str) -> dict[str, Any]:
    """Every candidate of a list with every part of its points, page by page to the end."""
    path: str | None = f"/v1/lists/{initiative}/candidates?limit=200&include=parts"
    first: dict[str, Any] = {}
    candidates: list[dict[str, Any]] = []
    while path:
        page = connection.read(path)
        first = first or page
        candidates += page["candidates"]
        path = page.get("next")
    return {
        "initiative": initiative,
        "list_version": first["list_version"],
        "epoch": first["epoch"],
        "reference_date": first["reference_date"],
        "candidates_total": first["counts"]["candidates"],
        "candidates": candidates,
    }


def _show(connection: Connection, initiative: str, folder: Path) -> None:
    console = Console(width=max(Console().width, 120))
    answer = connection.read(f"/v1/lists/{initiative}/candidates?limit=10")
    project = connection.read(f"/v1/projects/{initiative}")
    show_list(console, answer, answer["candidates"], f"Top ten for “{project['titles'][0]['text']}”")
    address = connection.address("/v1/lists")
    base = address.removesuffix("/v1/lists")
    console.print(f"\nThis list:      {base}/v1/lists/{initiative}/candidates", soft_wrap=True)
    console.print(f"How it ranks:   {base}/v1/ranking-statement", soft_wrap=True)
    console.print(f"API in words:   {base}/docs   (OpenAPI: {base}/openapi.json)", soft_wrap=True)
    console.print(f"Credentials:    {folder / 'credentials.json'}", soft_wrap=True)
    console.print("\nPaste this:", soft_wrap=True)
    console.print(f"export COMITY_TOKEN={connection.token}", soft_wrap=True, highlight=False)
    console.print(
        f'curl -H "Authorization: Bearer $COMITY_TOKEN" "{base}/v1/lists/{initiative}/candidates?limit=3"',
        soft_wrap=True,
        highlight=False,
    )
    console.print(f"comity why {initiative} {answer['candidates'][0]['organisation']}", soft_wrap=True, highlight=False)


async def _show_records(settings: Any) -> None:
    """Print one record of each topic as a plain reader of the log gets it."""
    from services.chassis.lifecycle import open_transport

    async with open_transport(settings) as transport:
        for topic in TOPICS_SHOWN:
            for partition in range(await transport.partitions(topic)):
                batch = await transport.read(topic, partition, offset=0, limit=1)
                if batch.records:
                    record = batch.records[0]
                    typer.echo(f"{topic}/{partition}@{record.offset} key={(record.key or b'').decode()}")
                    for header, value in record.headers:
                        typer.echo(f"  {header}: {value.decode()}")
                    typer.echo(f"  {(record.value or b'').decode()[:400]} …\n")
                    break


def _wait(system: Any) -> None:
    if hasattr(system, "wait"):
        system.wait()
        return
    import signal

    signal.pause()
