"""`comity demo`: the whole system with the demo data, and one initiative's top ten with reasons.

What: starts the system (in this process, or split over PostgreSQL and Kafka), loads the demo data through the HTTP API,
waits until the lists are complete, prints, and keeps serving. Why: the main job, end to end, in one command. It must not
take a short cut that a user could not take.
"""

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from services.console.callers import ANALYST, AUDITOR, MANAGER, reader_of, token_for
from services.console.connection import CREDENTIALS, Connection, saved_credentials
from services.console.exits import Exit, stop
from services.console.following import Followed, Follower
from services.console.hearing import LOOPBACK, hearing, told_lines
from services.console.listing import console_for_people, show_list
from services.console.loading import DEMO_FOLDER, load

TOPICS_SHOWN = ("projects.v1", "members.v1", "matches.v1")
SHOWN_BYTES = 600
RECORD_SECONDS = 20.0
_PAGE = 100  # rows; the demo's own list has more, so that every run follows a cursor
DEMO_TOKEN_SECONDS = 3_600  # people try things out longer than a program needs


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
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Port to serve on, 0 takes a free one; split: the first of as many as there are processes. "
            "Without it the setting http.port; where neither is given, 8080, and free ones with --once or split.",
        ),
    ] = None,
) -> None:
    """Load the demo data through the HTTP API and print one initiative's top ten with reasons."""
    from services.chassis.settings import load_settings

    if as_json and not once:
        stop(Exit.USAGE, "--json prints one value and ends: add --once.")
    given = load_settings()
    folder = given.data_folder / ("demo" if deployment is Deployment.EMBEDDED else "demo-split")
    signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # a polite end is one end, however it is asked for
    err = Console(stderr=True)
    err.print(f"Starting ({deployment.value}); data in {folder} …", soft_wrap=True)
    if port is None and "port" in given.http.model_fields_set:
        port = given.http.port
    if port is None:
        port = 0 if once or deployment is Deployment.SPLIT else 8080
    lifetime = DEMO_TOKEN_SECONDS
    if "token_seconds" in given.identity.model_fields_set:
        lifetime = given.identity.token_seconds
    with (
        _started(deployment, folder, port, lifetime) as (addresses, system),
        contextlib.ExitStack() as listening,  # to the end: news goes on, and an endpoint that is gone would be failing
    ):
        shown = {"": given.public_url} if given.public_url else addresses
        with (
            _admin(addresses, folder) as admin,
            Connection(addresses) as manager,
            Connection(shown) as public,
            Connection(addresses) as reading,
        ):
            manager.token = token_for(admin, folder, MANAGER)
            initiative = json.loads((DEMO_FOLDER / "judged.json").read_text("utf-8"))["printed"]
            reading.token = token_for(admin, folder, ANALYST)
            follower = Follower(reading)
            follower.start()
            heard = listening.enter_context(hearing(admin, folder, addresses=addresses))
            with _progress(err) as report:
                load(admin, manager, DEMO_FOLDER, report=report)
            told = None if as_json else told_lines(heard.about(initiative))
            followed = follower.finish()
            if deployment is Deployment.SPLIT:
                asyncio.run(_show_records(system.settings(), err=as_json))
            if as_json:
                typer.echo(json.dumps(whole_list(manager, initiative), ensure_ascii=False))
            else:
                _show(admin, manager, public, initiative, folder)
                typer.echo("\n".join(told or ()))
                _show_feed(public, followed)
                typer.echo(f"\nThe tokens are good for {lifetime // 60} minutes.")
        if not once:
            typer.echo("\nServing until Ctrl-C.")
            with contextlib.suppress(KeyboardInterrupt):
                system.wait()
        elif not as_json:
            typer.echo("\n--once: everything stops now. Without it these addresses go on answering.")


@contextlib.contextmanager
def _started(
    deployment: Deployment, folder: Path, port: int, token_seconds: int
) -> Iterator[tuple[dict[str, str], Any]]:
    from services.chassis.settings import load_settings
    from services.chassis.telemetry import set_up_logs

    if deployment is Deployment.SPLIT:
        from services.console.split import Split

        with Split(folder, port=port, token_seconds=token_seconds) as split:
            yield split.addresses, split
        return
    from services.chassis.lifecycle import ProcessFailed
    from services.console.embedded import Embedded

    settings = load_settings(
        data_folder=folder,
        http={"port": port},
        identity={"token_seconds": token_seconds},
        notifications=dict(LOOPBACK),
        telemetry={"level": "warning", "format": "text"},
    )
    set_up_logs(settings.telemetry)
    with contextlib.ExitStack() as stack:
        try:
            system = stack.enter_context(Embedded(settings))
        except ProcessFailed as error:
            stop(Exit.FAILED, f"{error} For the demo: `comity demo --port 0`.")
        yield {"": system.address}, system


def _admin(addresses: dict[str, str], folder: Path) -> Connection:
    """Connect as the first administrator of the demo, which its first start wrote down."""
    saved = saved_credentials(folder) or {}
    if "client_secret" not in saved:
        stop(
            Exit.FAILED,
            f"{folder} holds a demo whose {CREDENTIALS} is gone, and secrets cannot be had again. "
            "Remove the folder; the next demo makes it anew.",
        )
    connection = Connection(addresses)
    connection.take_token(saved["client_id"], saved["client_secret"])
    return connection


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
    path = f"/v1/lists/{initiative}/candidates?limit={_PAGE}&include=parts"
    pages = list(connection.pages(path))
    first = pages[0]
    candidates = [row for page in pages for row in page["candidates"]]
    return {
        "statement": first["statement"],
        "initiative": initiative,
        "list_version": first["list_version"],
        "epoch": first["epoch"],
        "reference_date": first["reference_date"],
        "candidates_total": first["counts"]["candidates"],
        "candidates": candidates,
    }


def _show(admin: Connection, manager: Connection, public: Connection, initiative: str, folder: Path) -> None:
    """Print the top ten, where to look further, and a token and a line to paste for each role.

    `public` is not asked: its addresses are the ones to print.
    """
    answer = manager.read(f"/v1/lists/{initiative}/candidates?limit=10")
    show_list(console_for_people(), answer, heading="Top ten for")
    best = answer["candidates"][0]
    reader = reader_of(best["organisation"], best["name"])
    candidates = public.address(f"/v1/lists/{initiative}/candidates")
    say = typer.echo
    say(f"\nThis list       {candidates}")
    say(f"How it ranks    {public.address('/v1/ranking-statement')}")
    say(f"API in words    {public.address('/v1/lists').removesuffix('/v1/lists')}/docs")
    say(f"Clients' ids and secrets, the administrator's too: {folder / CREDENTIALS}\n")
    say("Who asks decides what is shown. Tokens to paste:\n")
    for caller in (MANAGER, reader, AUDITOR, ANALYST):
        token = manager.token if caller is MANAGER else token_for(admin, folder, caller)
        say(f"# {caller.sees}\nexport {caller.variable}={token}")
    say(f'\ncurl -H "Authorization: Bearer $MANAGER" "{candidates}?limit=3"')
    say(f'curl -H "Authorization: Bearer $READER" "{candidates}"')
    say(f'curl -H "Authorization: Bearer $AUDITOR" "{public.address("/v1/audit/projects")}?limit=3"')
    command = sys.argv[0] if Path(sys.argv[0]).name == "comity" else "comity"
    say(f"{command} rank {initiative} --explain")
    say(f"{command} why {initiative} {answer['candidates'][-1]['organisation']}")


def _show_feed(public: Connection, followed: Followed) -> None:
    """Say what the analyst followed in the match feed while the lists were made, and how to follow it."""
    say = typer.echo
    say(
        f"\nFollowed meanwhile, in the match feed: {followed.entries:,} entries in {followed.batches:,} batches; kept by "
        f"subject they are {followed.lists:,} lists and {followed.pairs:,} pairs above the floor, as the feed's "
        f"`current` says too."
    )
    stream, feed = public.address("/v1/streams/matches"), public.address("/v1/feeds/matches")
    say(f'curl -N -H "Authorization: Bearer $ANALYST" "{stream}?lastEventId={followed.last}"')
    say(f'curl -H "Authorization: Bearer $ANALYST" "{feed}?lastEventId={followed.last}&timeout=20000"')
    say(f'curl "{public.address("/v1/feeds/opportunities.atom")}"')
    say(f'curl -OJ "{public.address("/v1/exports/projects.xlsx")}"')


async def _show_records(settings: Any, *, err: bool) -> None:
    """Print one record of each topic as a plain reader of the log gets it."""
    from services.chassis.lifecycle import open_transport

    async with open_transport(settings) as transport:
        for topic in TOPICS_SHOWN:
            at, record = await _first_record(transport, topic)
            typer.echo(
                f"{topic}, partition {at}, offset {record.offset}, key {(record.key or b'').decode()}",
                err=err,
            )
            for header, value in record.headers:
                typer.echo(f"  {header}: {value.decode()}", err=err)
            value = record.value or b""
            cut = f" … ({len(value)} bytes)" if len(value) > SHOWN_BYTES else ""
            typer.echo(f"  {value[:SHOWN_BYTES].decode(errors='ignore')}{cut}\n", err=err)


async def _first_record(transport: Any, topic: str) -> tuple[int, Any]:
    """Return the first record of a topic that stands on the log; the relay may be a moment behind the lists."""
    deadline = time.monotonic() + RECORD_SECONDS
    while True:
        for partition in range(await transport.partitions(topic)):
            batch = await transport.read(topic, partition, offset=0, limit=1)
            if batch.records:
                return partition, batch.records[0]
        if time.monotonic() > deadline:
            stop(Exit.FAILED, f"{topic} holds no record after {RECORD_SECONDS:.0f} s.")
        await asyncio.sleep(0.2)
