"""What `/v1/lists`, `/v1/opportunities`, `/v1/epochs` and the ranking's own pages answer and take.

*What.* The shapes for OpenAPI and for clients; a client ignores members that it does not know. *Why apart.* Rows on a page,
alone and in a version are one shape. *Never:* a field that names one partner before others by anything but the score.
"""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from schemas.events.parts import NeedKind
from schemas.http.parts import Day
from schemas.http.texts import Shape

Band = Literal["strong", "good", "possible", "weak"]
Sector = Literal["public", "private", "academic", "other"]
Category = Literal["member_state", "sector_member", "associate", "academia", "other_entity", "prospect"]
Scope = Literal["local", "regional", "international"]
Language = Literal["ar", "zh", "en", "fr", "ru", "es"]
"""The languages that reasons are told in; in the order of `MailLanguage`, for Python takes the two for one type."""
Count = Annotated[int, Field(ge=0)]
PerMille = Annotated[int, Field(ge=0, le=1000)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Number = Annotated[int, Field(ge=0, le=2**53)]


class Answered(BaseModel):
    """An answer: open, for a later release may add members."""

    model_config = ConfigDict(frozen=True)


class Title(Answered):
    """A title in one language."""

    language: str
    text: str


class AsOf(Answered):
    """How far one partition of the log had been read; `offset` is the next one."""

    topic: str
    partition: Count
    offset: Count


class Counts(Answered):
    """How many organisations the list covers."""

    candidates: Count
    above_floor: Count
    excluded: Count
    local_above_floor: Count


class CoarseCounts(Answered):
    """How many organisations the list covers; null stands for 1 to 4, which an organisation is not told of the others."""

    candidates: Count | None
    above_floor: Count | None
    excluded: Count | None
    local_above_floor: Count | None


class Coverage(Answered):
    """How many candidates above the floor meet one need, and how many of them are local."""

    need: str
    kind: NeedKind
    above_floor: Count
    local: Count


class Part(Answered):
    """Points from one cause: weight times impact, in exact integers. `per_mille` is rounded so that parts add up.

    `quoted` names a passage that is not counted, `added` words of the project that were added to a profile since its
    publication with too few others; `duplicate` an evidence item beside one that says nearly the same, `further` how many are
    on the subject beyond the best that count, `below` how many have too few words in common with the project to count; `unbacked` takes off what no text bears out of offers or policy tags.
    """

    component: str
    code: str
    points: int
    per_mille: int | None = None
    term: str | None = None
    asked: str | None = None
    found: str | None = None
    asked_passage: str | None = None
    found_passage: str | None = None
    fields: tuple[str, ...] = ()
    language: str | None = None
    evidence: str | None = None
    bridged_from: str | None = None
    needs: tuple[str, ...] = ()
    sentence: str | None = None


class Gap(Answered):
    """What the project asks for and the profile lacks; gaps stand in the order of what each would give.

    `points` is that: those with it alone, words in a sentence of the organisation's own, less those without it. An
    organisation is told none: beside the ranks of `what_ifs` they would tell others' points.
    """

    component: str
    code: str
    points: int | None
    term: str | None = None
    asked: str | None = None
    language: str | None = None
    needs: tuple[str, ...] = ()
    sentence: str | None = None


class FailedRule(Answered):
    """A hard rule that leaves an organisation out, with the project's published reason where it has one."""

    code: str
    sentence: str
    published_reason: str | None = None


class OrganisationFacts(Answered):
    """Who it is, in public facts; all null once its record was erased."""

    organisation: UUID
    name: str | None
    category: Category | None
    hq_country: str | None
    sector: Sector | None
    fictional: bool | None


class TieGroup(Answered):
    """The ranks, first to last, of neighbours with the same fit: a near tie, whose order says next to nothing."""

    first: Annotated[int, Field(ge=1)]
    last: Annotated[int, Field(ge=2)]


class Candidate(OrganisationFacts):
    """One row: its rank in the whole list, exact points, and why."""

    rank: Annotated[int, Field(ge=1)]
    revision: Annotated[int, Field(ge=1)]
    points: Count
    components: dict[str, int]
    shown: dict[str, int]
    fit: PerMille
    band: Band
    above_floor: bool
    confidence: PerMille
    labels: tuple[str, ...]
    steps: tuple[str, ...]
    reasons: tuple[str, ...]
    tie_group: TieGroup | None
    need_points: Count | None = None
    parts: tuple[Part, ...] | None = None


class Excluded(OrganisationFacts):
    """An organisation that a hard rule leaves out; `code` is the first rule that it fails."""

    code: str
    failed_rules: tuple[FailedRule, ...]


class Described(Answered):
    """Which list an answer is about, and where it stood; no `project_revision` while only a token speaks of the project.

    `closed_reason`: why the project was closed or withdrawn, in the words of who did it; none where its deadline did.
    """

    project: UUID
    titles: tuple[Title, ...]
    project_revision: Annotated[int, Field(ge=1)] | None
    state: Literal["ranking", "ranked", "closed"]
    closed_reason: str | None = None
    list_version: Annotated[int, Field(ge=1)] | None
    epoch: Digest
    reference_date: date
    as_of: tuple[AsOf, ...]
    changed_since: bool
    statement: str


class Stood(Described):
    """Where a list stood when an answer was given, as far as its reader sees it, and what its project could give."""

    view: Literal["whole", "own"]
    total_budget: Count
    budgets: dict[str, int]


class LaneCandidate(Candidate):
    """A row of the list that stands in its lane. `seen`: the attention that other lists gave it when it was chosen.

    In per mille of what it deserves by its points, rounded down.
    """

    seen: Count


class Lane(Answered):
    """Organisations further down the list that fit too and are rarely seen; ranks and points are the list's own."""

    label: str
    rule: str
    candidates: tuple[LaneCandidate, ...]


class CandidateList(Stood):
    """One page of a list. `changed_since`: the rows are newer than the version named.

    `also_fits` stands on the first page of an open list.
    """

    floor: dict[str, int]
    head: Count
    serves_ldc: bool
    counts: CoarseCounts
    coverage: tuple[Coverage, ...]
    changed_since_first_page: bool
    covers_token: bool | None = None
    candidates: tuple[Candidate, ...]
    excluded: tuple[Excluded, ...]
    also_fits: Lane | None
    next: str | None


class Margin(Answered):
    """Distance to the next rank that more points lead to; an organisation is told `fit` in steps of 10 per mille, and no points.

    Rows that a placement step put above with fewer points are passed over. There is none where nobody above has as many points,
    and where the cap of its group keeps the row out of the first ones.
    """

    to_rank: Annotated[int, Field(ge=1)]
    points: Count | None
    fit: Count


class WhatIf(Answered):
    """A change of the profile that would give a better rank, proved by ranking anew; only worth making if it is true.

    `asked` are the words, the offer, the tag or the language that would be added; an organisation is told no points.
    """

    code: Literal["words", "need", "tag", "language"]
    terms: tuple[str, ...]
    asked: tuple[str, ...]
    points: Count | None
    rank: Annotated[int, Field(ge=1)]
    sentence: str


class CandidateAnswer(Stood):
    """One organisation on one list: its place, or the rules that leave it out; every part; what is missing."""

    organisation: UUID
    name: str | None
    category: Category | None
    hq_country: str | None
    sector: Sector | None
    fictional: bool | None
    eligible: bool
    rank: Annotated[int, Field(ge=1)] | None
    revision: Annotated[int, Field(ge=1)]
    points: Count
    components: dict[str, int]
    shown: dict[str, int]
    fit: PerMille
    band: Band
    above_floor: bool
    confidence: PerMille
    labels: tuple[str, ...]
    steps: tuple[str, ...]
    reasons: tuple[str, ...]
    tie_group: TieGroup | None
    parts: tuple[Part, ...]
    margin: Margin | None
    failed_rules: tuple[FailedRule, ...]
    gaps: tuple[Gap, ...]
    what_ifs: tuple[WhatIf, ...]


class VersionLine(Answered):
    """One version of a list: its number, its inputs, its figures, its digest."""

    project: UUID
    number: Annotated[int, Field(ge=1)]
    project_revision: Annotated[int, Field(ge=1)]
    epoch: Digest
    reference_date: date
    as_of: tuple[AsOf, ...]
    counts: Counts
    reasons: tuple[str, ...] = Field(
        description="What made the version, as codes: first, head, floor, band, project, epoch, closed; no sentences."
    )
    digest: Digest
    final: bool
    made_at: str
    links: dict[str, str]


class HeadRow(Answered):
    """A row of a version's head as it was told."""

    model_config = ConfigDict(frozen=True, extra="allow")

    rank: Annotated[int, Field(ge=1)]
    organisation: UUID
    name: str | None
    points: Count
    fit: PerMille
    band: Band


class LaneRow(Answered):
    """Who stood in a version's lane, and by what: attention given and deserved elsewhere, and the first per mille."""

    organisation: UUID
    name: str | None
    rank: Annotated[int, Field(ge=1)]
    given: Count
    deserved: Count
    share: Count


class Move(Answered):
    """An organisation that changed its rank within the first rows."""

    organisation: UUID
    before: Annotated[int, Field(ge=1)]
    after: Annotated[int, Field(ge=1)]


class Delta(Answered):
    """The first rows against those of the version before."""

    added: tuple[UUID, ...]
    removed: tuple[UUID, ...]
    moved: tuple[Move, ...]


class Version(VersionLine):
    """A version with its coverage, its head and what changed in it."""

    statement: str
    coverage: tuple[Coverage, ...]
    head: tuple[HeadRow, ...]
    lane: tuple[LaneRow, ...]
    delta: Delta


class VersionPage(Answered):
    """Versions of a list, the newest first."""

    items: tuple[VersionLine, ...]
    next: str | None


class StatementAnswer(Answered):
    """The ranking statement: all parameters of the epoch in force, in words and numbers."""

    model_config = ConfigDict(frozen=True, extra="allow")

    statement: str
    version: str
    epoch: dict[str, Any]
    reference_date: date
    analyser: dict[str, Any]
    components: tuple[dict[str, Any], ...]
    total_budget: Count
    budget_rule: str
    lexicon: dict[str, Any]
    passage_bound: dict[str, Any]
    emphasis: dict[str, Any]
    floor: dict[str, Any]
    bands: dict[str, int]
    hard_rules: tuple[dict[str, str], ...]
    order: tuple[str, ...]
    tie_groups: str
    labels: tuple[dict[str, str], ...]
    steps: tuple[dict[str, str], ...]
    inputs: tuple[str, ...]
    not_inputs: tuple[str, ...]
    weights: dict[str, Any]


class EpochLine(Answered):
    """An epoch in a list."""

    number: Count
    hash: Digest
    published_at: str
    links: dict[str, str]


class EpochAnswer(EpochLine):
    """What everybody may know of an epoch: all but the tables of word statistics."""

    weights_version: str
    analyser: dict[str, Any]
    tie_key: str
    bands: dict[str, int]
    corpus: dict[str, int]
    weights: dict[str, Any]


class EpochPage(Answered):
    """Epochs, the newest first."""

    items: tuple[EpochLine, ...]
    next: str | None


class EpochPublished(Answered):
    """An epoch was published: every list is ranked under it from now on."""

    number: Count
    hash: Digest
    weights_version: str


class DayBody(Shape):
    """The day to open: dated facts are resolved at it from now on."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"day": "2026-11-25"}]}
    )

    day: Day


class DayOpened(Answered):
    """The reference date from now on."""

    day: date
