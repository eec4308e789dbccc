"""`comity why PROJECT ORGANISATION`: where an organisation stands on a project, and why.

What: one candidate's rank, parts, failed rules and margin, over HTTP. Why: "why me" and "why not me" are the same
question. It must not compute: the answer is the API's.
"""

import json
from typing import Annotated

import typer
from rich.console import Console

from services.console.listing import show_candidate
from services.console.reaching import Token, Url, reach


def why(
    project: Annotated[str, typer.Argument(help="The project's id.")],
    organisation: Annotated[str, typer.Argument(help="The organisation's id.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout.")] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Print rank, parts, failed rules and the margin to the next rank of one organisation on one project."""
    with reach(url, token) as connection:
        answer = connection.read(
            f"/v1/lists/{project}/candidates/{organisation}", headers={"Prefer": "wait=5"}
        )
    if as_json:
        typer.echo(json.dumps(answer, ensure_ascii=False))
        return
    show_candidate(Console(), answer)
