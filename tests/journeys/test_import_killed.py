"""A server that is killed in the middle of an import: what it answered stands, and the same command again goes on."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

import pytest

from services.console.connection import Connection
from services.console.exits import Ended, Exit
from services.console.loading import DEMO_FOLDER, records
from services.console.parts.processes import free_port
from tests.journeys.conftest import COMITY, Started, comity, environment, started

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROWS = 800
KILLED_AFTER = 40  # rows taken: so many that some are in flight, so few that most are not sent yet


def a_register(path: Path) -> Path:
    """Write a file of organisations, each with an id of its own."""
    known = [one for one in records(DEMO_FOLDER, "organisations-en") if "parent" not in one]
    with path.open("w", encoding="utf-8") as lines:
        for number in range(ROWS):
            body = {
                name: value for name, value in known[number % len(known)].items() if name != "external_ids"
            }
            body["id"] = str(uuid5(NAMESPACE_OID, f"imported {number}"))
            body["legal_name"] = f"Imported organisation {number} (fictional)"
            lines.write(json.dumps(body) + "\n")
    return path


@contextmanager
def serving(folder: Path, **more: str) -> Iterator[tuple[Started, Connection]]:
    """Run the whole system on the folder; who comes first is told the administrator's secret, which is handed on."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    known = folder.parent / "administrator.json"
    where = {
        "COMITY_HTTP__PORT": str(port),
        "COMITY_PUBLIC_URL": address,
        "COMITY_HTTP__REQUESTS_PER_MINUTE": "0",
    }
    with started("run", "all", "--migrate", folder=folder, **where, **more) as running:
        if not known.exists():
            found = running.said(r"client_id=(\S+)\s+client_secret=(\S+)")
            known.write_text(json.dumps(found.groups()), "utf-8")
        with Connection({"": address}) as connection:
            deadline = time.monotonic() + 120
            while True:
                try:
                    connection.take_token(*json.loads(known.read_text("utf-8")))
                    break
                except Ended:  # it is starting
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
            yield running, connection


def test_an_import_whose_server_is_killed_loses_nothing_and_goes_on(tmp_path: Path) -> None:
    folder, file = tmp_path / "var" / "data", a_register(tmp_path / "register.jsonl")
    with serving(folder) as (running, connection):
        command = ["import", "organisations", str(file), "--json"]
        at = {"COMITY_TOKEN": connection.token or ""}
        importing = subprocess.Popen(
            [str(COMITY), *command, "--url", connection.address("")],
            env=environment(folder) | at,
            cwd=os.fspath(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while len(connection.read("/v1/organisations?limit=200")["items"]) < KILLED_AFTER:
            assert importing.poll() is None
        running.kill()
        printed, said = importing.communicate(timeout=120)
    account = json.loads(printed)
    assert importing.returncode == Exit.UNREACHABLE, said
    assert "the same command again goes on with the others" in said
    assert "Traceback" not in said
    assert 0 < account["created"] < ROWS
    assert account["created"] + account["unsent"] == account["rows"]

    with serving(folder) as (_, connection):
        url, token = connection.address(""), connection.token or ""
        again = comity(*command, "--url", url, folder=folder, COMITY_TOKEN=token)
        assert again.returncode == Exit.DONE, again.stderr
        resumed = json.loads(again.stdout)
        # What was answered stands; what was not may have been taken all the same, and is not taken twice.
        assert resumed["rows"] == resumed["created"] + resumed["unchanged"] == ROWS
        assert resumed["unchanged"] >= account["created"]
        kept = list(connection.items("/v1/organisations?limit=200", "items"))
        assert len(kept) == ROWS
        assert {one["revision"] for one in kept} == {1}
