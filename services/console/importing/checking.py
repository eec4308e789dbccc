"""The checks of a row without a running Comity: the same shapes and rules as the services apply.

What: holds a mapped body against the Pydantic body and the owning service's rules. Why: `--dry-run` must say what an
import would say, before anything is written. It must not know a rule of its own, and cannot see what only the database
knows (an external id that another record has, a parent that is not there).
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from pydantic import BaseModel, ValidationError

from schemas.http.members import OrganisationBody
from schemas.http.projects import ProjectBody
from services.chassis.reference import Reference
from services.chassis.reference.faults import Codebook, Fault
from services.chassis.reference.languages import load_language_checks
from services.chassis.web.refusals import causes_of, entry_of
from services.console.mapping.bodies import RowRefused
from services.console.mapping.targets import SHAPES
from services.members.rules.faults import body_faults
from services.projects.rules.faults import publication_faults

MOST_FAULTS = 20


def shaped(kind: str, body: Mapping[str, Any]) -> OrganisationBody | ProjectBody:
    """Return the body read by its shape. Raises RowRefused with every fault."""
    try:
        return SHAPES[kind].model_validate(body)
    except ValidationError as error:
        raise RowRefused(*(_fault(one) for one in causes_of(error.errors())[:MOST_FAULTS])) from error


def rule_check(kind: str, reference: Reference, today: date) -> Callable[[BaseModel], None]:
    """Return the check of the owning service's rules on a day; it raises RowRefused with every fault."""
    codebook = Codebook(reference, load_language_checks())

    def check(body: BaseModel) -> None:
        if isinstance(body, OrganisationBody):
            faults = body_faults(body, today=today, codebook=codebook)
        elif isinstance(body, ProjectBody):
            faults = publication_faults(body, today=today, codebook=codebook)
        else:
            raise TypeError(f"no rules are known for {kind}")
        if faults:
            raise RowRefused(*faults[:MOST_FAULTS])

    return check


def _fault(error: Any) -> Fault:
    pointer = "".join(f"/{step}" for step in error["loc"])
    said = entry_of(error)
    return Fault(pointer or "/", said["rule"], said["detail"].rstrip("."), said["fix"])
