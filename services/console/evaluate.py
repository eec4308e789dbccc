"""`comity evaluate DIR`: how well the engine finds the organisations that really took part.

What: fits an epoch on a folder's history, ranks every query with the engine that serves, and scores the order. Why: a
change of ranking is judged by figures on data that nobody here wrote. It must not know the queries' answers while it
fits, and must not use other code than import and serving do.
"""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from services.console.epoch import keep, make_room
from services.console.exits import Exit, stop


def evaluate(
    folder: Annotated[
        Path,
        typer.Argument(
            help="A folder with organisations, projects, queries and qrels.", exists=True, file_okay=False
        ),
    ],
    queries: Annotated[
        Path | None, typer.Option(help="The queries' file; by default queries_dev.jsonl.gz of the folder.")
    ] = None,
    qrels: Annotated[
        Path | None, typer.Option(help="The true partners; by default qrels_dev.tsv of the folder.")
    ] = None,
    require_presence: Annotated[
        bool, typer.Option("--require-presence", help="Make a query's country a hard rule.")
    ] = False,
    save_epoch: Annotated[
        Path | None, typer.Option(help="Write the fitted epoch to this file.", dir_okay=False)
    ] = None,
    organisation_map: Annotated[
        str | None,
        typer.Option("--map", help="Map of the organisations; by default a shipped one that fits."),
    ] = None,
    project_map: Annotated[
        str | None, typer.Option(help="Map of projects and queries; by default a shipped one that fits.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout.")] = False,
) -> None:
    """Rank the queries of a folder and score the order against who really took part."""
    from services.console.evaluation import Evaluation
    from services.console.importing.files import FileFault
    from services.console.mapping.language import MapError

    started = time.monotonic()
    if save_epoch is not None:
        make_room(save_epoch)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading")

        def report(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total)

        try:
            found = Evaluation(
                folder,
                queries=queries,
                qrels=qrels,
                organisation_map=organisation_map,
                project_map=project_map,
                require_presence=require_presence,
                report=report,
            )
            figures = found.figures()
        except (FileFault, MapError, OSError) as error:
            stop(Exit.BAD_INPUT, str(error))
        for line in found.refused:
            progress.console.print(line, highlight=False, markup=False, soft_wrap=True)
        if found.unasked:
            line = (
                f"{found.unasked} queries with true partners are not in {found.asked}: they are not scored."
            )
            progress.console.print(line, highlight=False, markup=False, soft_wrap=True)
    if save_epoch is not None:
        keep(save_epoch, found.epoch.dumps())
    figures["seconds"] = round(time.monotonic() - started, 1)
    if as_json:
        typer.echo(json.dumps(figures))
    else:
        show(figures)


def show(figures: dict[str, Any]) -> None:
    """Print the figures of an evaluation (`Evaluation.figures`, `seconds` added); each is readable on a screen of 80 columns."""
    names = ("ndcg@10", "recall@10", "recall@100", "mrr")
    table = Table()
    for heading in ("ranker", "partners", "nDCG@10", "R@10", "R@100", "RR"):
        table.add_column(heading, no_wrap=True)
    for ranker, row in (("points", figures), ("placed", figures["placed"])):
        for partners, part in (("all", row), ("in the tail", row["tail"])):
            table.add_row(ranker, partners, *(f"{part[name]:.4f}" for name in names))
    console = Console()
    console.print(table)
    console.print(
        f"{figures['queries']} queries, {figures['candidates']} candidates, {figures['tail']['queries']} queries with a "
        f"partner in the tail; above the floor: {figures['above_floor']['partners']:.1%} of the true partners, "
        f"{figures['above_floor']['candidates']:.1%} of all candidates. Epoch {figures['epoch'][:12]}, "
        f"{figures['seconds']} s.",
        highlight=False,
    )
