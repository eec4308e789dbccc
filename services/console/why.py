"""`comity why PROJECT ORGANISATION`: where an organisation stands on a project, and why.

What: one candidate's rank, parts, failed rules and margin, over HTTP. Why: "why me" and "why not me" are the same
question. It must not compute: the answer is the API's.
"""

import json
from typing import Annotated
from urllib.parse import quote

import typer

from services.console.listing import console_for_people, evidence_titles, show_candidate
from services.console.reaching import Token, Url, reach


def why(
    project: Annotated[str, typer.Argument(help="The project's id.")],
    organisation: Annotated[str, typer.Argument(help="The organisation's id.")],
    language: Annotated[
        str, typer.Option("--language", help="Language of the sentences: en, fr, es, ru, ar or zh.")
    ] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout.")] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Print rank, parts, failed rules and the margin to the next rank of one organisation on one project."""
    with reach(url, token) as connection:
        named = quote(organisation, safe="")
        answer = connection.read(
            f"/v1/lists/{quote(project, safe='')}/candidates/{named}?language={quote(language, safe='')}"
        )
        if as_json:
            typer.echo(json.dumps(answer, ensure_ascii=False))
            return
        record = connection.send("GET", f"/v1/organisations/{named}")
    show_candidate(
        console_for_people(), answer, evidence_titles(record.json() if record.status_code == 200 else {})
    )
