"""`comity recompute PROJECT/NUMBER`: a stored list version computed anew from its inputs, and compared to the bit.

What: reads the archive at the version's positions, its epoch and its reference date from the database of `matches`, ranks,
and holds the digest against the stored one; the system may run meanwhile. Why: a list that was told years ago can be
proved by whoever keeps the data. It must not write.
"""

import asyncio
import json
from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import typer

from services.console.exits import Exit, stop


def recompute(
    version: Annotated[
        str, typer.Argument(metavar="LIST-VERSION", help="PROJECT/NUMBER: the project's id and the version.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout.")] = False,
) -> None:
    """Compute a stored list version anew; exit code 1 if the digest differs, or an input or the epoch's text analyser is gone."""
    from services.console.preparing import database_here
    from services.matches.queries.recomputing import CannotRecompute, Recomputed
    from services.matches.queries.recomputing import recompute as compute

    named, _, number = version.rpartition("/")
    try:
        project = str(UUID(named))
    except ValueError:
        project = ""
    if not project or not number.isascii() or not number.isdigit() or len(number) > 9:
        stop(Exit.USAGE, f"{version!r} names no list version; write PROJECT/NUMBER, for example 1b9d…/3.")

    async def run() -> Recomputed:
        async with database_here("matches") as database:
            return await compute(database, project, int(number))

    try:
        found = asyncio.run(run())
    except (LookupError, CannotRecompute) as error:
        stop(Exit.FAILED, str(error))
    if as_json:
        typer.echo(json.dumps(asdict(found) | {"same": found.same}))
    else:
        typer.echo(
            f"Version {found.number} of the list of {found.project}: {found.candidates} candidates under epoch "
            f"{found.epoch[:12]} on {found.reference_date}."
        )
        typer.echo(f"stored      {found.stored}\nrecomputed  {found.found}")
    if not found.same:
        stop(Exit.FAILED, "The digests differ: what is stored is not what these inputs give.")
