"""Reaching a Comity: the one that is addressed, the one that the demo left running, or one started for the duration.

What: options shared by the verbs that speak HTTP, and the context that gives them a connection with a token. Why: a
person who asks a question should not have to start a server first. It must not choose silently between two systems: an
address that is given and does not answer is an error.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer

from services.console.connection import Connection, saved_credentials
from services.console.exits import Exit, stop

Url = Annotated[
    str | None, typer.Option("--url", envvar="COMITY_URL", help="A running Comity; without it the demo's, or a new one.")
]
Token = Annotated[
    str | None,
    typer.Option("--token", envvar="COMITY_TOKEN", help="An access token; without it the credential file's."),
]


@contextmanager
def reach(url: str | None, token: str | None, *, fresh: bool = False) -> Iterator[Connection]:
    """Give a connection that has a token: to `url`, to the system that the credential file names, or to a new one.

    `fresh`: where there is no data yet, begin with an empty system in the data folder.
    """
    from services.chassis.settings import load_settings

    settings = load_settings()
    folder = next((f for f in (settings.data_folder, settings.data_folder / "demo") if saved_credentials(f)), None)
    saved = saved_credentials(folder) if folder else None
    if url is not None:
        with Connection({"": url}, token=token) as connection:
            _authorise(connection, saved if saved and url in saved["addresses"].values() else None)
            yield connection
        return
    if saved is not None and _answers(saved["addresses"]):
        with Connection(saved["addresses"], token=token) as connection:
            _authorise(connection, saved)
            yield connection
        return
    if fresh and saved is None:
        folder = settings.data_folder
    if folder is None:
        stop(
            Exit.UNREACHABLE,
            "No Comity is running here and there is no data to start one on. Run `comity demo`, or give --url.",
        )
    from services.console.embedded import Embedded

    with Embedded(_own_settings(folder)) as system, Connection({"": system.address}, token=token) as connection:
        _authorise(connection, saved_credentials(folder))
        yield connection


def _own_settings(folder: Path) -> Any:
    """Settings of the system in this folder, on a free port of this machine; its logs hold only what is wrong."""
    from services.chassis.settings import load_settings
    from services.chassis.telemetry import set_up_logs

    settings = load_settings(
        data_folder=folder, http={"host": "127.0.0.1", "port": 0}, telemetry={"level": "warning"}
    )
    set_up_logs(settings.telemetry)
    return settings


def _authorise(connection: Connection, saved: dict[str, Any] | None) -> None:
    if connection.token:
        return
    if saved is None:
        stop(Exit.REFUSED, "There is no token: give --token, or set COMITY_TOKEN in the environment.")
    connection.take_token(saved["client_id"], saved["client_secret"])


def _answers(addresses: dict[str, str]) -> bool:
    try:
        return all(
            httpx2.get(f"{address}/healthz", timeout=2.0, trust_env=False).status_code == 200
            for address in set(addresses.values())
        )
    except httpx2.HTTPError:
        return False


def data_folder_of(name: str) -> Path:
    """The folder of a named system beside the settings' own, such as the demo's."""
    from services.chassis.settings import load_settings

    return Path(os.fspath(load_settings().data_folder)) / name
