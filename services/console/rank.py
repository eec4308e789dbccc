"""`comity rank PROJECT`: the head of a project's list, with reasons.

What: reads the candidates of one project over HTTP and prints them. Why: a ranked list in a terminal in one command. It
must not rank: every figure is the API's.
"""

import json
from typing import Annotated

import typer
from rich.console import Console

from services.console.listing import show_list
from services.console.reaching import Token, Url, reach


def rank(
    project: Annotated[str, typer.Argument(help="The project's id.")],
    top: Annotated[int, typer.Option(min=1, max=200, help="How many rows.")] = 10,
    explain: Annotated[bool, typer.Option("--explain", help="Show every part of the points.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout.")] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Print the first rows of a project's list, with the reasons in words."""
    with reach(url, token) as connection:
        answer = connection.read(
            f"/v1/lists/{project}/candidates?limit={top}" + ("&include=parts" if explain or as_json else ""),
            headers={"Prefer": "wait=5"},
        )
    if as_json:
        typer.echo(json.dumps(answer, ensure_ascii=False))
        return
    console = Console()
    if answer["state"] == "ranking":
        console.print("The first list of this project is still being ranked; ask again in a moment.")
        return
    show_list(console, answer, answer["candidates"], f"Candidates for project {project}")
    if explain:
        for row in answer["candidates"]:
            console.print(f"\n[bold]{row['rank']}. {row.get('name', row['organisation'])}[/bold]")
            for part in row["parts"]:
                console.print(f"  {part['points']:>12,}  {part['sentence']}", highlight=False)
            console.print(f"  {sum(part['points'] for part in row['parts']):>12,}  = {row['points']:,} points")
