"""The data of `matches.v1`, `standings.v1` and `epochs.v1`: what the ranking says, in whole numbers only."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from schemas.events.parts import Identifier, NeedKind, Part, Stamp, Text

Band = Literal["strong", "good", "possible", "weak"]
Count = Annotated[int, Field(ge=0)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Reason = Literal["first", "head", "floor", "band", "project", "epoch", "closed"]
"""Why a list version was made: a first list, order or membership of the first 50, a crossing, new inputs."""


class AsOf(Part):
    """How far one partition had been consumed when the list was computed; `offset` is the next one."""

    topic: Text
    partition: Count
    offset: Count


class Counts(Part):
    """How many organisations the list covers."""

    candidates: Count
    above_floor: Count
    excluded: Count
    local_above_floor: Count


class Coverage(Part):
    """How well one need is met by candidates above the floor."""

    need: Text
    kind: NeedKind
    above_floor: Count
    local: Count


class HeadRow(Part):
    """One of the first rows; `fit` is in per mille of the project's total."""

    rank: Annotated[int, Field(ge=1)]
    organisation: Identifier
    points: Count
    fit: Annotated[int, Field(ge=0, le=1000)]
    band: Band


class Move(Part):
    """One organisation that changed its rank within the first rows."""

    organisation: Identifier
    before: Annotated[int, Field(ge=1)]
    after: Annotated[int, Field(ge=1)]


class Delta(Part):
    """What changed in the first rows since the version before; bounded by their number."""

    added: Annotated[tuple[Identifier, ...], Field(max_length=50)] = ()
    removed: Annotated[tuple[Identifier, ...], Field(max_length=50)] = ()
    moved: Annotated[tuple[Move, ...], Field(max_length=50)] = ()


class ListVersion(Part):
    """One version of a project's list: `org.comity.list.versioned.v1`. The sequence's version is `number`."""

    project: Identifier
    project_revision: Annotated[int, Field(ge=1)]
    number: Annotated[int, Field(ge=1)]
    epoch: Text
    reference_date: date
    as_of: tuple[AsOf, ...]
    counts: Counts
    coverage: tuple[Coverage, ...] = ()
    digest: Digest
    head: Annotated[tuple[HeadRow, ...], Field(max_length=50)] = ()
    delta: Delta = Delta()
    reasons: tuple[Reason, ...]
    made_at: Stamp | None = None


class ListRemoved(Part):
    """A list is shown no more, for its project was erased: `org.comity.list.removed.v1`. `number` is above its last version's."""

    project: Identifier
    number: Annotated[int, Field(ge=1)]


class Standing(Part):
    """A pair above the floor: `org.comity.standing.crossed.v1`. Below the floor stands a tombstone instead."""

    project: Identifier
    organisation: Identifier
    number: Annotated[int, Field(ge=1)]
    points: Count
    fit: Annotated[int, Field(ge=0, le=1000)]
    band: Band
    above_floor: Literal[True] = True


class EpochPublished(Part):
    """An epoch is in force: `org.comity.epoch.published.v1`. Its body is stored by its owner, not sent."""

    hash: Digest
    number: Count
    weights_version: Text


class DayOpened(Part):
    """The reference date from now on: `org.comity.day.opened.v1`."""

    day: date
