"""The people of the demo: one API client for each role that a visitor may want to be.

What: makes the clients once by `POST /v1/clients`, keeps their ids and secrets in the credential file, gets tokens for
them. Why: what a list shows depends on who asks, and a visitor should see that with a pasted line. It must not be used
outside a demo: it keeps secrets in a file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.console.connection import Connection, save_credentials, saved_credentials, sentence_of
from services.console.exits import Exit, stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody who asks: `variable` names the shell variable of the token, `sees` says what the role is for."""

    variable: str
    role: str
    sees: str
    organisation: str | None = None


MANAGER = Caller(
    variable="MANAGER",
    role="project_manager",
    sees="project manager, team of these initiatives: their whole lists",
)
AUDITOR = Caller(
    variable="AUDITOR", role="auditor", sees="auditor: every list and every audit trail; changes nothing"
)
ANALYST = Caller(variable="ANALYST", role="bdt_analyst", sees="BDT analyst: every list and every epoch")


def reader_of(organisation: str, name: str) -> Caller:
    """Return a reader of one organisation: it sees its own row of a list and no other."""
    return Caller(
        variable="READER",
        role="organisation_reader",
        sees=f"reader of {name}: its own row, nobody else's",
        organisation=organisation,
    )


def token_for(admin: Connection, folder: Path, caller: Caller) -> str:
    """Return an access token for a caller; its client is made at the first call and kept in the folder's credential file."""
    saved = saved_credentials(folder) or {}
    clients: dict[str, Any] = saved.setdefault("clients", {})
    name = caller.role if caller.organisation is None else f"{caller.role} {caller.organisation}"
    if name not in clients:
        clients[name] = _made(admin, caller)
        save_credentials(folder, saved)
    return admin.token_of(clients[name]["client_id"], clients[name]["client_secret"])


def _made(admin: Connection, caller: Caller) -> Mapping[str, str]:
    body = {"name": f"Demo {caller.role.replace('_', ' ')}", "roles": [caller.role]}
    if caller.organisation is not None:
        body["organisation"] = caller.organisation
    answer = admin.send("POST", "/v1/clients", body=body)
    if answer.status_code != 201:
        stop(Exit.REFUSED, sentence_of(answer))
    made = answer.json()
    return {"client_id": made["id"], "client_secret": made["secret"]}
