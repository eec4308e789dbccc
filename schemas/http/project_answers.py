"""What `/v1/projects` and `/v1/flagships` answer: the record, its pages, its history.

*What.* The shapes of answers, for OpenAPI and for clients; a client ignores members that it does not know.
*Why apart from what is written.* An answer says more than its owner wrote, and shows some of it to insiders only.
*Never:* an organisation's rank.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from schemas.events.parts import NeedKind
from schemas.http.parts import Tag
from schemas.http.projects import FlagshipBody, Level, ProjectBody, ProjectProvenance, ProjectState
from schemas.http.texts import LocalisedName
from schemas.http.write_token import WriteToken

Stamp = Annotated[
    str, Field(examples=["2026-11-24T09:30:00.000000Z"], json_schema_extra={"format": "date-time"})
]


class Answered(BaseModel):
    """An answer: open, for a later release may add members."""

    model_config = ConfigDict(frozen=True)


class ShownDocument(Answered):
    """A listed document; `url` is null where it is for members and the reader is none."""

    title: str
    url: str | None
    language: str
    access: Literal["public", "members"]


class TaggedItem(Answered):
    """One tagged item of a plan; `title` is null where no source confirmed it."""

    code: str
    title: str | None
    status: str


class PolicyBasis(Answered):
    """An action plan that the tags stand on."""

    document: str
    revision: str
    valid_from: str
    valid_to: str
    items: tuple[TaggedItem, ...]


class ProjectAnswer(ProjectBody):
    """A project as the reader may see it. `team` and `provenance` are for its own people and BDT."""

    model_config = ConfigDict(extra="allow", frozen=True, json_schema_extra={})

    id: UUID
    revision: int
    state: ProjectState
    documents: tuple[ShownDocument, ...] = ()  # type: ignore[assignment]
    team: tuple[str, ...] | None = None
    provenance: ProjectProvenance | None = None  # type: ignore[assignment]
    published_at: Stamp | None = None
    closed_at: Stamp | None = None
    closed_reason: str | None = None
    closed_code: Literal["owner_decision", "deadline_passed", "withdrawn"] | None = None
    created_at: Stamp
    changed_at: Stamp
    policy_basis: tuple[PolicyBasis, ...] = ()
    links: dict[str, str]


class ProjectWritten(ProjectAnswer):
    """A project after a write, with the token of that write, which `links.candidates` carries along."""

    token: WriteToken


class ProjectSummary(Answered):
    """A project in a list."""

    id: UUID
    revision: int
    state: ProjectState
    titles: tuple[LocalisedName, ...]
    level: Level | None
    regions: tuple[str, ...]
    countries: tuple[str, ...]
    tags: tuple[Tag, ...]
    need_kinds: tuple[NeedKind, ...]
    deadline: str | None
    review_by: str | None
    owner: UUID
    office: str | None
    flagship: UUID | None
    published_at: Stamp | None
    fictional: bool
    links: dict[str, str]


class ProjectPage(Answered):
    """One page of projects, newest first; `next` is the cursor of the following page."""

    items: tuple[ProjectSummary, ...]
    next: str | None


class ProjectRevision(Answered):
    """One line of a history; `changed_by` is for the project's own people and BDT."""

    revision: int
    state: str
    action: str
    changed_at: Stamp
    changed_by: str | None = None
    why: str | None
    links: dict[str, str]


class ProjectRevisionPage(Answered):
    """One page of a project's history, newest first."""

    items: tuple[ProjectRevision, ...]
    next: str | None


class NeedFigures(Answered):
    """How many candidates above the floor meet one need, with its words; a null count stands for 1 to 4.

    A need that the project dropped after that list version has no words and no importance.
    """

    need: str
    kind: str
    above_floor: int | None
    local: int | None
    importance: int | None
    texts: tuple[dict[str, str], ...]


class ListFigures(Answered):
    """The newest list of a project in figures; a null count stands for 1 to 4, which outsiders are not told.

    `needs_nobody_meets` names, by id, the rows of `coverage` that no candidate above the floor answers.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    state: Literal["ranking", "ranked", "closed"]
    number: int | None = None
    epoch: str | None = None
    reference_date: str | None = None
    counts: dict[str, int | None] | None = None
    coverage: tuple[NeedFigures, ...] | None = None
    needs_nobody_meets: tuple[str, ...] | None = None


class FlagshipProject(ProjectSummary):
    """A flagship's project with its newest list; null while it is not published."""

    list: ListFigures | None


class FlagshipAnswer(FlagshipBody):
    """A flagship in the public register."""

    model_config = ConfigDict(extra="allow", frozen=True, json_schema_extra={})

    id: UUID
    revision: int
    documents: tuple[ShownDocument, ...] = ()  # type: ignore[assignment]
    declared_by: str
    declared_at: Stamp
    created_at: Stamp
    changed_at: Stamp
    policy_basis: tuple[PolicyBasis, ...] = ()
    links: dict[str, str]


class FlagshipWithProjects(FlagshipAnswer):
    """A flagship with those of its projects that the reader may see (at most 200; `links.projects` has all)."""

    statement: str
    projects: tuple[FlagshipProject, ...]


class FlagshipPage(Answered):
    """One page of the register, newest declaration first."""

    items: tuple[FlagshipAnswer, ...]
    next: str | None


class FlagshipRevision(Answered):
    """One line of a flagship's public history, with the record as it then was."""

    revision: int
    action: str
    changed_at: Stamp
    why: str | None
    record: dict[str, Any]


class FlagshipRevisionPage(Answered):
    """One page of a flagship's public history, newest first."""

    items: tuple[FlagshipRevision, ...]
    next: str | None
