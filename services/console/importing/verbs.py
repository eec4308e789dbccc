"""The command lines of `comity import`, and what they print.

What: options, the progress bar on stderr, one line per bad row on stderr, the summary on stdout. Why apart: `run` can be
tested and used without a terminal. It must not decide what becomes of a row.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from services.console.exits import Ended, Exit, stop
from services.console.reaching import Token, Url, Why, reach

app = typer.Typer(
    help="Bring other people's records in: JSON Lines or CSV, plain or gzip.", no_args_is_help=True
)

File = Annotated[Path, typer.Argument(help="JSON Lines or CSV, also .gz.", exists=True, dir_okay=False)]
MapName = Annotated[
    str | None,
    typer.Option(
        "--map", help="A map file, or the name of a shipped map; without it each row is a body already."
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check every row and write nothing; needs no running Comity.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Return when every list covers what was imported.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout.")]


@app.command("organisations")
def organisations(
    file: File,
    evidence: Annotated[
        Path | None,
        typer.Option(
            help="The file of past projects that the map joins as evidence.", exists=True, dir_okay=False
        ),
    ] = None,
    map_name: MapName = None,
    dry_run: DryRun = False,
    wait: Wait = False,
    reason: Why = None,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Register the organisations of a file; a second run changes nothing."""
    _import(
        "organisations",
        file,
        evidence=evidence,
        map_name=map_name,
        dry_run=dry_run,
        wait=wait,
        reason=reason,
        as_json=as_json,
        at=(url, token),
    )


@app.command("projects")
def projects(
    file: File,
    map_name: MapName = None,
    dry_run: DryRun = False,
    wait: Wait = False,
    reason: Why = None,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Put and publish the projects of a file; a second run changes nothing."""
    _import(
        "projects",
        file,
        evidence=None,
        map_name=map_name,
        dry_run=dry_run,
        wait=wait,
        reason=reason,
        as_json=as_json,
        at=(url, token),
    )


def _import(
    kind: str,
    file: Path,
    *,
    evidence: Path | None,
    map_name: str | None,
    dry_run: bool,
    wait: bool,
    reason: str | None,
    as_json: bool,
    at: tuple[str | None, str | None],
) -> None:
    from services.console.importing.files import FileFault
    from services.console.importing.run import Import
    from services.console.mapping.language import MapError
    from services.console.waiting import wait_for

    errors = Console(stderr=True)
    try:
        work = Import(
            kind,
            file,
            map_name=map_name,
            evidence=evidence,
            bad=lambda line: errors.print(line, highlight=False, markup=False, soft_wrap=True),
        )
    except (FileFault, MapError) as error:
        stop(Exit.BAD_INPUT, str(error))
    ended: Ended | None = None
    try:
        with nullcontext() if dry_run else reach(*at, fresh=True) as connection:
            if connection is not None:
                connection.reason = reason
            with _bar(errors, file) as (progress, bar):
                work.run(connection, progressed=lambda read: progress.update(bar, completed=read))
            if wait and connection is not None:
                with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
                    lists = progress.add_task("lists")
                    wait_for(
                        connection,
                        work.tokens,
                        report=lambda done, total: progress.update(lists, completed=done, total=total),
                    )
    except Ended as error:
        ended = error
    said = {**work.summary(), "waited": wait and not dry_run and ended is None}
    if as_json:
        typer.echo(json.dumps(said))
    else:
        counts = ", ".join(
            f"{said[name]} {name}" for name in ("created", "changed", "unchanged", "skipped", "refused")
        )
        checked = f"{said['valid']} valid, " if dry_run else ""
        unsent = f", {said['unsent']} not sent" if said["unsent"] else ""
        joined = (
            f"; evidence: {said['evidence']} items, {said['evidence_left_out']} entries of projects that are not in it, "
            f"{said['evidence_refused']} bad rows"
            if evidence
            else ""
        )
        errors.print(
            f"{said['rows']} rows: {checked}{counts}{unsent}{joined}; {said['seconds']} s.",
            highlight=False,
            soft_wrap=True,
        )
    if ended is not None:
        again = "Rows that were taken stand; the same command again goes on with the others."
        stop(ended.code, f"{ended} {again}" if said["rows"] else str(ended))
    if said["unsent"]:
        raise typer.Exit(int(Exit.FAILED))
    if said["refused"] or said["evidence_refused"]:
        raise typer.Exit(int(Exit.BAD_INPUT))


@contextmanager
def _bar(console: Console, file: Path) -> Iterator[tuple[Progress, Any]]:
    """Show a progress bar over the rows as they are read."""
    columns = (TextColumn(file.name), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress, progress.add_task(file.name, total=None)
