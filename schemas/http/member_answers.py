"""What `/v1/organisations` answers: the public view, the profile, pages, history.

*What.* The shapes of answers, for OpenAPI and for clients. *Why apart from what is written.* Who sees how much
of an organisation is decided here by type: the public view has no field that could hold more than a name, a
country and a category. *Never:* a contact in anything but a profile.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from schemas.http.members import (
    Category,
    Contact,
    MembershipState,
    OrganisationBody,
    OrganisationState,
)
from schemas.http.parts import Day
from schemas.http.texts import Shape, ShortText
from schemas.http.write_token import WriteToken


class Caution(Shape):
    """Something that was accepted and deserves a look."""

    rule: str
    detail: str
    fix: str
    organisations: tuple[UUID, ...] = ()


class PublicOrganisation(Shape):
    """What everybody sees of an organisation: that it exists, its name, its country, its category."""

    id: UUID
    legal_name: str
    category: Category
    hq_country: str
    fictional: bool
    view: Literal["public"] = "public"


class Addition(Shape):
    """Words that were added to one of the lists of a profile that stood before, and on which day (UTC)."""

    field: Literal["descriptions", "expertise", "offers"]
    language: str
    on: Day
    text: str


class Recorded(Shape):
    """Since which days (UTC) the texts are on record as they stand; what is not named is unknown.

    `since` is the day of the first revision, `texts` that of the last description, expertise or offer's text that was not there before, `evidence` that of each
    item by its id. What is on record since before a project was published is not taken for a copy of it. `added` are the
    words that later revisions brought in: those of a project that are added after its publication count beside others.
    """

    since: Day | None = None
    texts: Day | None = None
    evidence: dict[str, Day] = Field(default_factory=dict)
    added: tuple[Addition, ...] = ()


class Profile(OrganisationBody):
    """The whole profile as a reader who may see it gets it; `contact` only for whom it is meant.

    `missing` names the optional parts that are not there; a profile without any is complete. `token` stands in the
    answer of a write: with it the candidates of a project can be waited for until this revision counts.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra=None
    )  # the body's example is none of an answer

    id: UUID
    revision: int
    state: OrganisationState
    membership_state: MembershipState
    contact: Contact | None = None  # type: ignore[assignment]
    completeness: Annotated[int, Field(ge=0, le=100)]
    missing: tuple[str, ...]
    registered_at: str
    revised_at: str
    recorded: Recorded | None = None
    warnings: tuple[Caution, ...] = ()
    token: WriteToken | None = None
    view: Literal["full", "profile"] = "profile"


class OrganisationPage(Shape):
    """One page of the list; `next` is the cursor of the following one."""

    items: tuple[Profile | PublicOrganisation, ...]
    next: str | None = None


class Revision(Shape):
    """One entry of an organisation's history."""

    revision: int
    at: str
    action: Literal["registered", "revised", "withdrawn", "dormant", "membership_changed", "erased"]
    by: str
    state: OrganisationState | Literal["erased"]
    why: str | None = None
    study_group: str | None = None


class RevisionRecord(Revision):
    """One revision with its whole record, as it went on the log; empty once erased."""

    record: dict[str, Any]


class RevisionPage(Shape):
    """One page of an organisation's history, newest first."""

    items: tuple[Revision, ...]
    next: str | None = None


class WithdrawalBody(Shape):
    """Why an organisation leaves. The reason stays in the audit trail for good: name no person in it."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"reason": "We no longer work in this field."}]},
    )

    reason: ShortText


class StudyGroupAnswer(Shape):
    """Whether an organisation may take a role in a study group; `rule` and `detail` say why not."""

    study_group: str
    role: str
    allowed: bool
    rule: str | None = None
    detail: str | None = None
    fix: str | None = None
