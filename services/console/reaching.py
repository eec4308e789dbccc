"""Reaching a Comity: the one that is addressed, the one that the demo left running, or one started for the duration.

What: options shared by the verbs that speak HTTP, and the context that gives them a connection with a token. Why: a
person who asks a question should not have to start a server first. It must not choose silently between two systems: an
address that is given and does not answer is an error.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer

from services.console.connection import Connection, saved_credentials
from services.console.exits import Exit, stop

Url = Annotated[
    str | None,
    typer.Option("--url", envvar="COMITY_URL", help="A running Comity; without it the demo's, or a new one."),
]
Token = Annotated[
    str | None,
    typer.Option("--token", envvar="COMITY_TOKEN", help="An access token; without it the credential file's."),
]

Why = Annotated[
    str | None, typer.Option("--reason", help="Why, for the audit trail, which nobody edits: name nobody.")
]

CLIENT_ID = "COMITY_CLIENT_ID"
CLIENT_SECRET = "COMITY_CLIENT_SECRET"  # noqa: S105 - the name of a variable
"""Instead of a token: tokens are had with them, and had anew when one ends, as a long import needs it."""

SYSTEMS = ("", "demo", "demo-split")
"""Where systems of this machine keep their credentials, below the data folder; the split demo is never started here."""


@contextmanager
def reach(url: str | None, token: str | None, *, fresh: bool = False) -> Iterator[Connection]:
    """Give a connection that has a token: to `url`, to a system of this machine that runs, or to one started on its data.

    `fresh`: where there is no data yet, begin with an empty system in the data folder.
    """
    from services.chassis.settings import load_settings

    data = load_settings().data_folder
    known = {folder: saved for name in SYSTEMS if (saved := saved_credentials(folder := data / name))}
    if url is not None:
        if not url.startswith(("http://", "https://")):
            stop(Exit.USAGE, f"--url is {url!r}; it begins with http:// or https://.")
        with Connection({"": url.rstrip("/")}, token=token) as connection:
            _introduce(connection, known)
            yield connection
        return
    running = next((saved for saved in known.values() if _answers(saved["addresses"])), None)
    if running is not None:
        with Connection(running["addresses"], token=token) as connection:
            _authorise(connection, running)
            yield connection
        return
    startable = [
        folder
        for folder, saved in known.items()
        if folder.name != SYSTEMS[-1] and (token is not None or "client_secret" in saved)
    ]
    if not startable and fresh and data not in known:
        startable = [data]
    if not startable and data in known:
        stop(
            Exit.REFUSED,
            f"The system in {data} does not run now, and no client's secret is kept there. Start it with "
            "`comity run all`, get a token from it, and give --token.",
        )
    if not startable:
        stop(
            Exit.UNREACHABLE,
            "No Comity is running here and there is no data to start one on. Run `comity demo`, or give --url.",
        )
    from services.console.embedded import Embedded

    typer.echo(f"No Comity is running here; starting one on {startable[0]} for this command …", err=True)
    with (
        Embedded(_own_settings(startable[0])) as system,
        Connection({"": system.address}, token=token) as connection,
    ):
        _authorise(connection, saved_credentials(startable[0]) or {})
        yield connection


def _introduce(connection: Connection, known: Mapping[Path, dict[str, Any]]) -> None:
    """Give the connection to an address its token, where it has none: as the client of the environment, or of the system here."""
    url = connection.addresses[""]
    saved = next((saved for saved in known.values() if url in saved["addresses"].values()), None)
    if saved is not None or CLIENT_ID in os.environ:
        _authorise(connection, saved or {})


def _own_settings(folder: Path) -> Any:
    """Settings of the system that the credential file belongs to, on a free port of this machine."""
    from services.chassis.settings import load_settings
    from services.chassis.telemetry import set_up_logs

    settings = load_settings(
        data_folder=folder,
        http={"host": "127.0.0.1", "port": 0},
        telemetry={"level": "warning", "format": "text"},
    )
    set_up_logs(settings.telemetry)
    return settings


def _authorise(connection: Connection, saved: Mapping[str, Any]) -> None:
    if connection.token is not None:
        return
    given = os.environ.get(CLIENT_ID), os.environ.get(CLIENT_SECRET)
    if all(given):
        saved = {"client_id": given[0], "client_secret": given[1]}
    if "client_secret" not in saved:
        stop(
            Exit.REFUSED,
            f"A Comity is running at {next(iter(connection.addresses.values()))}, but there is no token: give --token, or set "
            f"COMITY_TOKEN, or {CLIENT_ID} and {CLIENT_SECRET}, in the environment.",
        )
    connection.take_token(saved["client_id"], saved["client_secret"])


def _answers(addresses: Mapping[str, str]) -> bool:
    try:
        return all(
            httpx2.get(f"{address}/healthz", timeout=2.0, trust_env=False).status_code == 200
            for address in set(addresses.values())
        )
    except httpx2.HTTPError:
        return False
