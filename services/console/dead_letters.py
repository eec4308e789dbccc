"""`comity dead-letters`: records that a service could not apply, looked at and decided on.

What: lists them, shows one with its record, replays a key, discards one, resumes a halted partition; all over HTTP as
the administrator. Why: whoever is called at night has a terminal. It must not touch a database.
"""

import json
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from services.console.connection import Connection, sentence_of
from services.console.exits import Exit, stop
from services.console.reaching import Token, Url, Why, reach

app = typer.Typer(
    help="Records that could not be applied: look at them, decide on them.", no_args_is_help=True
)

ServiceName = Annotated[
    str, typer.Argument(metavar="SERVICE", help="The service that reads: matches, notifications or projects.")
]
LetterId = Annotated[
    int, typer.Argument(metavar="ID", min=1, help="The letter's number, as `list` shows it.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stays in the audit trail, so name nobody.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout.")]


@app.command("list")
def list_letters(
    service: ServiceName,
    topic: Annotated[str | None, typer.Option(help="Only of this topic.")] = None,
    key: Annotated[str | None, typer.Option(help="Only of this key.")] = None,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """List halted partitions and dead letters, oldest first."""
    _known(service)
    wanted = {name: value for name, value in (("topic", topic), ("key", key)) if value is not None}
    query = f"?{urlencode({'limit': 200} | wanted)}"
    with reach(url, token) as connection:
        halted = connection.read(f"/v1/dead-letters/{service}/halted")["items"]
        letters = list(connection.items(f"/v1/dead-letters/{service}{query}", "items"))
    if as_json:
        typer.echo(json.dumps({"halted": halted, "letters": letters}, ensure_ascii=False))
        return
    for one in halted:
        at = f"{one['topic']}/{one['partition']} at {one['offset']}"
        typer.echo(f"HALTED {at} since {one['halted_at']} ({one['group']}): {one['reason']}")
    for one in letters:
        at = f"{one['topic']}/{one['partition']} at {one['offset']}"
        typer.echo(
            f"{one['id']}  {one['state']:6}  {at}  key {one['key']}  {one['reason'] or 'waits behind it'}"
        )
    if not letters:
        typer.echo("There are no dead letters.")


@app.command("show")
def show(service: ServiceName, letter_id: LetterId, url: Url = None, token: Token = None) -> None:
    """Print one letter with its record as it stands on the log, as JSON."""
    _known(service)
    with reach(url, token) as connection:
        letter = connection.read(f"/v1/dead-letters/{service}/{letter_id}")
    typer.echo(json.dumps(letter, indent=2, ensure_ascii=False))


@app.command("replay")
def replay(
    service: ServiceName, letter_id: LetterId, reason: Why = None, url: Url = None, token: Token = None
) -> None:
    """Apply all letters of this one's key now, in order, all or none, and open the key again."""
    _known(service)
    with reach(url, token) as connection:
        connection.reason = reason
        done = _decide(connection, f"/v1/dead-letters/{service}/{letter_id}/replay", None)
    typer.echo(f"Applied {done['replayed']} records of {done['topic']} key {done['key']}; the key is open.")


@app.command("discard")
def discard(
    service: ServiceName, letter_id: LetterId, reason: Reason, url: Url = None, token: Token = None
) -> None:
    """Give one record up for good; what is parked behind it waits to be replayed."""
    _known(service)
    with reach(url, token) as connection:
        done = _decide(connection, f"/v1/dead-letters/{service}/{letter_id}/discard", {"reason": reason})
    rest = f"{done['waiting']} records of it wait" if done["waiting"] else "the key is open"
    typer.echo(f"Discarded a record of {done['topic']} key {done['key']}; {rest}.")


@app.command("resume")
def resume(
    service: ServiceName,
    topic: Annotated[str, typer.Argument(help="The topic of the halted partition.")],
    partition: Annotated[int, typer.Argument(min=0, help="Its number.")],
    reason: Reason,
    group: Annotated[str | None, typer.Option(help="The group, where the service has several.")] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """Let a halted partition go on setting records aside, up to the limit again."""
    reader = _known(service).readers[0]
    body = {"group": group or reader.group, "topic": topic, "partition": partition, "reason": reason}
    with reach(url, token) as connection:
        done = _decide(connection, f"/v1/dead-letters/{service}/halted/resume", body)
    typer.echo(f"{done['topic']}/{done['partition']} goes on for {done['group']}.")


def _known(service: str) -> Any:
    from services.catalogue import SERVICES

    reading = {name: one for name, one in SERVICES.items() if one.readers}
    if service not in reading:
        stop(Exit.USAGE, f"{service!r} reads nothing from the log; {', '.join(reading)} do.")
    return reading[service]


def _decide(connection: Connection, path: str, body: Any) -> Any:
    answer = connection.send("POST", path, body=body)
    if answer.status_code >= 400:
        stop(Exit.REFUSED, sentence_of(answer))
    return answer.json()
