"""`comity rank PROJECT`: the head of a project's list, with reasons.

What: reads the candidates of one project over HTTP and prints them. Why: a ranked list in a terminal in one command. It
must not rank: every figure is the API's.
"""

import json
from typing import Annotated
from urllib.parse import quote

import typer

from services.console.listing import console_for_people, evidence_titles, show_list
from services.console.reaching import Token, Url, reach


def rank(
    project: Annotated[str, typer.Argument(help="The project's id.")],
    top: Annotated[int, typer.Option(min=1, max=200, help="How many rows.")] = 10,
    explain: Annotated[bool, typer.Option("--explain", help="Show every part of the points.")] = False,
    language: Annotated[
        str, typer.Option("--language", help="Language of the sentences: en, fr, es, ru, ar or zh.")
    ] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout.")] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Print the first rows of a project's list, with the reasons in words."""
    with reach(url, token) as connection:
        path = (
            f"/v1/lists/{quote(project, safe='')}/candidates?limit={top}&language={quote(language, safe='')}"
        )
        answer = connection.read(path + ("&include=parts" if explain or as_json else ""))
        titles = {}
        if explain and not as_json:
            for row in answer["candidates"]:
                record = connection.send("GET", f"/v1/organisations/{row['organisation']}")
                titles[row["organisation"]] = evidence_titles(
                    record.json() if record.status_code == 200 else {}
                )
    if as_json:
        typer.echo(json.dumps(answer, ensure_ascii=False))
        return
    console = console_for_people()
    if answer["state"] == "ranking":
        console.print("The first list of this project is still being ranked; ask again in a moment.")
        return
    show_list(console, answer, heading="Candidates for", titles=titles if explain else None)
