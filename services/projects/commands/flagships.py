"""Declaring a flagship initiative: a BDT editor names it, with a reason that everybody can read."""

import re
from dataclasses import replace

from schemas.events.projects import Flagship
from schemas.http.projects import FlagshipBody
from services.chassis.runtime import timestamp
from services.chassis.web.access import require
from services.chassis.web.faults import codebook_of, refuse_faults
from services.chassis.web.operation import Answer, Unit
from services.projects.commands.storing import flagship_for_change, save_flagship
from services.projects.queries.showing import shown_flagship
from services.projects.rules import rights
from services.projects.rules.faults import flagship_faults


async def put_flagship(unit: Unit, *, flagship_id: str, body: FlagshipBody) -> Answer:
    """Declare a flagship, or replace what is said of it. Who declared it first, and when, stays.

    Raises Unauthenticated, Forbidden, InvalidBody, PreconditionRequired, StaleRevision, IdInUse.
    """
    require(unit.principal, *rights.WRITE_ALL)
    found = await flagship_for_change(unit, flagship_id)
    before, created_at = (None, timestamp(unit.now)) if found is None else found
    _check_match(unit, None if before is None else before.revision)
    codebook = codebook_of(unit.runtime)
    ended_on = None if before is None else before.ends_on
    refuse_faults(flagship_faults(body, today=unit.now.date(), codebook=codebook, ended_on=ended_on))
    written = body.model_dump(mode="json")
    for tag in written["tags"]:
        tag["version"] = tag["version"] or codebook.reference.default_version(tag["scheme"])
    flagship = Flagship.model_validate(
        written
        | {
            "id": flagship_id,
            "revision": 1 if before is None else before.revision + 1,
            "declared_by": unit.principal.id if before is None else before.declared_by,
            "declared_at": timestamp(unit.now) if before is None else before.declared_at,
        }
    )
    action = "flagship.declared" if before is None else "flagship.replaced"
    await save_flagship(unit, flagship, action=action, new=before is None)
    await unit.audit(
        action=action,
        subject=flagship_id,
        before=None if before is None else before.revision,
        after=flagship.revision,
        why=body.reason.text,
    )
    shown = shown_flagship(
        flagship,
        principal=unit.principal,
        reference=codebook.reference,
        created_at=created_at,
        changed_at=timestamp(unit.now),
    )
    return Answer(
        status=201 if before is None else 200,
        body=shown,
        revision=flagship.revision,
        headers={"Location": f"/v1/flagships/{flagship_id}"} if before is None else {},
    )


def _check_match(unit: Unit, revision: int | None) -> None:
    """Compare If-Match with the revision alone.

    A flagship is shown with the lists of its projects, which change without a revision of its own; so its ETag is
    `"<revision>;<digest>"`, of which only the first part says whether somebody changed the flagship.
    """
    given = unit.conditions.if_match
    bare = None if given is None else re.sub(r';[0-9a-f]+"', '"', given)
    replace(unit.conditions, if_match=bare).check(revision)
