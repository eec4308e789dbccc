"""What a command answers: the project as it now is, and the token by which its list can be waited for."""

from typing import Any

from schemas.envelope import Sequence
from schemas.events.projects import Project
from schemas.http.write_token import write_token
from services.chassis.runtime import timestamp
from services.chassis.web.faults import codebook_of
from services.chassis.web.operation import Answer, Unit
from services.projects import events
from services.projects.commands.storing import Stored
from services.projects.queries.showing import shown_project


def answer(unit: Unit, project: Project, *, stored: Stored | None, incarnation: int) -> Answer:
    """Return the project as the caller sees it now; 201 if it was not there before.

    `token` names the record that this write puts on the log: with it, `links.candidates` can wait until the list has
    taken this revision in.
    """
    now = timestamp(unit.now)
    created_at = now if stored is None else stored.created_at
    reference = codebook_of(unit.runtime).reference
    body: dict[str, Any] = shown_project(
        project, principal=unit.principal, reference=reference, created_at=created_at, changed_at=now
    )
    token = write_token(events.TOPIC, project.id, Sequence(incarnation, project.revision))
    body["token"] = token
    if "candidates" in body["links"]:
        body["links"]["candidates"] += f"?token={token['text']}"
    headers = {"Location": f"/v1/projects/{project.id}"} if stored is None else {}
    return Answer(
        status=201 if stored is None else 200, body=body, revision=project.revision, headers=headers
    )
