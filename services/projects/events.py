"""The events of this service: the full record of a project or flagship, once for every revision.

*What.* From a stored record to the event that goes into the outbox. *Why here.* What stands on `projects.v1` is
decided in one place. *Never:* a name, an address or a contact of a person; principals are opaque ids.
"""

from schemas.envelope import Clock, Event, Sequence, new_event
from schemas.events.projects import Flagship, Project
from schemas.topics import FLAGSHIP_REVISED, PROJECT_ERASED, PROJECT_REVISED

TOPIC = "projects.v1"
SOURCE = "/comity/projects"


def project_revised(
    project: Project, *, incarnation: int, clock: Clock, content: bytes | None = None
) -> Event:
    """Return the event that carries this revision of a project; `content` is the record as `storing.encoded` wrote it."""
    return new_event(
        TOPIC,
        PROJECT_REVISED,
        key=project.id,
        sequence=Sequence(incarnation, project.revision),
        data=project if content is None else content,
        source=SOURCE,
        clock=clock,
    )


def flagship_revised(flagship: Flagship, *, incarnation: int, clock: Clock) -> Event:
    """Return the event that carries this revision of a flagship."""
    return new_event(
        TOPIC,
        FLAGSHIP_REVISED,
        key=flagship.id,
        sequence=Sequence(incarnation, flagship.revision),
        data=flagship,
        source=SOURCE,
        clock=clock,
    )


def project_erased(project: str, *, revision: int, incarnation: int, clock: Clock) -> Event:
    """Return the tombstone of a project; `revision` is one above its last."""
    return new_event(
        TOPIC,
        PROJECT_ERASED,
        key=project,
        sequence=Sequence(incarnation, revision),
        data=None,
        source=SOURCE,
        clock=clock,
    )
