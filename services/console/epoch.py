"""`comity epoch build`, `diff`, `publish`: fit the frozen statistics of ranking, see what they change, put them in force.

What: fits an epoch on the texts of the repository (or of a folder of the same shape) and writes it to a file; ranks every
open list under it and under the one in force; sends it to a running Comity. Why: an epoch is made by a person's decision, never by a clock or a write. It must not change
an epoch: a file is published byte for byte, for its hash is its name.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from services.console.connection import sentence_of
from services.console.exits import Exit, stop
from services.console.reaching import Token, Url, Why, reach

if TYPE_CHECKING:
    from matching.epoch import Epoch
    from matching.weights import Weights

app = typer.Typer(help="Make the frozen statistics of ranking, and put them in force.", no_args_is_help=True)


@app.command("build")
def build(
    out: Annotated[Path, typer.Option("--out", help="The file to write.", dir_okay=False)],
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="A folder with organisations*.jsonl and initiatives*.jsonl; without it the demo's.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    lexicon: Annotated[
        Path | None,
        typer.Option(
            "--lexicon", help="Another lexicon file than the shipped one.", exists=True, dir_okay=False
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            help="Another table of weights, as `weights` of the ranking statement holds it.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout.")] = False,
) -> None:
    """Fit an epoch on a folder's texts and the reference vocabularies, and write it to a file."""
    from services.console.lexicon import read
    from services.console.loading import DEMO_FOLDER

    started = time.monotonic()
    make_room(out)
    table = None if weights is None else weights_in(weights)
    words = None if lexicon is None else read(lexicon)
    try:
        content, digest = built(source or DEMO_FOLDER, lexicon=words, weights=table)
    except ValueError as error:
        named = [str(one) for one in (source or DEMO_FOLDER, lexicon) if one]
        stop(Exit.BAD_INPUT, f"{' with '.join(named)}: {error}.")
    keep(out, content)
    said = {
        "file": str(out),
        "hash": digest,
        "bytes": len(content),
        "seconds": round(time.monotonic() - started, 1),
    }
    if as_json:
        typer.echo(json.dumps(said))
    else:
        Console(stderr=True).print(
            f"Epoch {digest[:12]}, {len(content):,} bytes, written to {out}.",
            highlight=False,
            soft_wrap=True,
        )


def make_room(file: Path) -> None:
    """Make the folder of an epoch's file before minutes of work are done for it; ends the command where it cannot be."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        stop(Exit.USAGE, f"{file} cannot be written: there is no folder {file.parent} ({error.strerror}).")


def keep(file: Path, content: bytes) -> None:
    """Write an epoch to its file; ends the command where it cannot."""
    try:
        file.write_bytes(content)
    except OSError as error:
        stop(Exit.FAILED, f"{file} cannot be written ({error.strerror}).")


def weights_in(file: Path) -> "Weights":
    """Return the table of weights that a file holds as JSON; ends the command where it holds none."""
    from matching.weights import Weights

    try:
        return Weights.from_json(json.loads(file.read_bytes()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        stop(Exit.BAD_INPUT, f"{file} holds no table of weights: {error}.")


def built(
    folder: Path, *, lexicon: Mapping[str, Any] | None = None, weights: "Weights | None" = None
) -> tuple[bytes, str]:
    """Return the bytes and the hash of the epoch that a folder's texts give: the same for the same folder, anywhere.

    Under the shipped lexicon and weights, unless others are given. Raises ValueError if the folder holds no text, or the
    lexicon does not compile.
    """
    from matching.analysis import prove_analyser
    from matching.fitting import fit_epoch
    from matching.lexicon import shipped_lexicon
    from services.chassis.reference import load_reference
    from services.console.corpus import geography, read_corpus

    reference = load_reference()
    corpus = read_corpus(folder, reference)
    epoch = fit_epoch(
        corpus.members,
        analyser=prove_analyser(),
        reference=geography(reference),
        lexicon=shipped_lexicon() if lexicon is None else lexicon,
        weights=weights,
        projects=corpus.projects,
        vocabularies=corpus.vocabularies if corpus.members else (),
    )
    return epoch.dumps(), epoch.hash


def epoch_in(file: Path, content: bytes) -> "Epoch":
    """Return the epoch that a file holds; ends the command where it holds none."""
    from matching.epoch import Epoch

    try:
        return Epoch.loads(content)
    except ValueError as error:
        stop(
            Exit.BAD_INPUT,
            f"{file} cannot be read as an epoch ({error}). Make one with `comity epoch build`.",
        )


@app.command("diff")
def diff(
    file: Annotated[
        Path, typer.Argument(help="A file that `comity epoch build` wrote.", exists=True, dir_okay=False)
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout.")] = False,
) -> None:
    """Rank every open list under an epoch and under the one in force, and say what would change; nothing is published."""
    import asyncio

    from services.console.preparing import database_here
    from services.matches.queries.foretelling import Foretold, foretell

    other = epoch_in(file, file.read_bytes())

    async def run() -> Foretold:
        async with database_here("matches") as database:
            return await foretell(database, other)

    try:
        found = asyncio.run(run())
    except (LookupError, ValueError) as error:
        stop(Exit.FAILED, f"{error}")
    changed = [one for one in found.lists if one.size]
    if as_json:
        said = {"in_force": found.in_force, "other": found.other, "day": found.day, "lists": len(found.lists)}
        typer.echo(json.dumps(said | {"changed": [one.to_json() for one in changed]}, ensure_ascii=False))
        return
    typer.echo(
        f"{len(changed)} of {len(found.lists)} open lists would change under epoch {found.other[:12]} "
        f"(in force: {found.in_force[:12]}), as of {found.day}."
    )
    for one in changed:
        typer.echo(
            f"  {one.project}  {one.title}\n    first rows: {len(one.head.added)} new, {len(one.head.moved)} moved; "
            f"above the floor: {len(one.rose)} more, {len(one.fell)} fewer, {len(one.bands)} in another band, "
            f"of {one.candidates} candidates"
        )


@app.command("publish")
def publish(
    file: Annotated[
        Path, typer.Argument(help="A file that `comity epoch build` wrote.", exists=True, dir_okay=False)
    ],
    reason: Why = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout.")] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Put an epoch in force: every list is ranked anew under it, while the old lists go on serving."""
    content = file.read_bytes()
    epoch_in(file, content)
    with reach(url, token) as connection:
        connection.reason = reason
        answer = connection.send("POST", "/v1/epochs", content=content)
        if answer.status_code >= 400:
            stop(Exit.REFUSED, sentence_of(answer))
        said = answer.json()
    if as_json:
        typer.echo(json.dumps(said))
    else:
        Console(stderr=True).print(
            f"Epoch {said['number']} ({said['hash'][:12]}) is in force.", highlight=False
        )
