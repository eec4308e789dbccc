"""The events of this service: the full record of an organisation, once for every revision, without its contact.

*What.* From a profile to the record that is stored and sent, and to the event that goes into the outbox. *Why
here.* What stands on `members.v1` is decided in one place. *Never:* a person; `contact` has no field in the
record's type, so it cannot slip in.
"""

from typing import Any

import orjson

from schemas.envelope import Clock, Event, Sequence, new_event
from schemas.events.members import Organisation
from schemas.http.members import OrganisationBody, OrganisationState
from schemas.topics import ORGANISATION_ERASED, ORGANISATION_REVISED
from services.chassis.reference import Reference
from services.members.rules.standing import first_involvement

TOPIC = "members.v1"
SOURCE = "/comity/members"


def record_of(
    body: OrganisationBody,
    *,
    organisation_id: str,
    revision: int,
    state: OrganisationState,
    reference: Reference,
) -> Organisation:
    """Return the record of a profile: without the contact, with every tag's version and the first involvement filled in."""
    plain = body.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"contact"})
    first = first_involvement(body)
    if first is not None:
        plain["first_involved_on"] = first.isoformat()
    for tag in [*plain["tags"], *(tag for item in plain["evidence"] for tag in item["tags"])]:
        _fill_version(tag, reference)
    return Organisation.model_validate(plain | {"id": organisation_id, "revision": revision, "state": state})


def encode_record(record: Organisation) -> bytes:
    """Return the record as the JSON bytes that are stored; the event carries the same values."""
    return orjson.dumps(record.model_dump(mode="json", by_alias=True, exclude_none=True))


def revised(record: Organisation, *, incarnation: int, clock: Clock) -> Event:
    """Return the event that carries this revision of an organisation."""
    return new_event(
        TOPIC,
        ORGANISATION_REVISED,
        key=record.id,
        sequence=Sequence(incarnation, record.revision),
        data=record,
        source=SOURCE,
        clock=clock,
    )


def erased(organisation_id: str, *, revision: int, incarnation: int, clock: Clock) -> Event:
    """Return the tombstone of an organisation; `revision` is one above its last."""
    return new_event(
        TOPIC,
        ORGANISATION_ERASED,
        key=organisation_id,
        sequence=Sequence(incarnation, revision),
        data=None,
        source=SOURCE,
        clock=clock,
    )


def _fill_version(tag: dict[str, Any], reference: Reference) -> None:
    version = tag.get("version") or reference.default_version(tag["scheme"])
    if version is not None:
        tag["version"] = version
