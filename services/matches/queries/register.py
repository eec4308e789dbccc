"""The published projects that this process keeps in mind: who works on each, and what it can be chosen by.

*What.* A handful of facts by project id, read from the archive and renewed when the archive's positions have moved. *Why.*
Teams, flagships, regions and languages stand inside records; to open every record for every question would be slow.
*Never:* answer from it without `refresh` in the same transaction as whatever it is joined with, or keep a text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.reference import Reference
from services.chassis.runtime import Runtime, timestamp
from services.matches.consumers import GROUP
from services.matches.queries.archive import AT_ONCE
from services.matches.rules.feeds import regions_of
from services.matches.tables import DOCUMENTS, LIST_VERSIONS, METADATA
from services.matches.worker.documents import MEMBER, PROJECT

_POSITIONS = METADATA.tables["positions"]
_TOPICS = {PROJECT: "projects.v1", MEMBER: "members.v1"}
_STAMP = (
    select(_POSITIONS.c.topic, _POSITIONS.c.partition, _POSITIONS.c.log, _POSITIONS.c.next_offset)
    .where(_POSITIONS.c.group_name == GROUP, _POSITIONS.c.topic.in_(bindparam("topics", expanding=True)))
    .order_by(_POSITIONS.c.topic, _POSITIONS.c.partition)
)
_LATE = select(func.max(DOCUMENTS.c.late))
_LAST_OF_MEMBERS = select(func.max(DOCUMENTS.c.event_id)).where(
    DOCUMENTS.c.latest, DOCUMENTS.c.kind == MEMBER
)
_ERASED = select(func.max(DOCUMENTS.c.event_id)).where(
    DOCUMENTS.c.kind == PROJECT,
    DOCUMENTS.c.latest,
    DOCUMENTS.c.record.is_(None),
    DOCUMENTS.c.id.in_(select(LIST_VERSIONS.c.project)),
)
_NEWEST = select(DOCUMENTS.c.id, DOCUMENTS.c.incarnation, DOCUMENTS.c.version, DOCUMENTS.c.event_id).where(
    DOCUMENTS.c.kind == PROJECT, DOCUMENTS.c.latest, DOCUMENTS.c.record.is_not(None)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is kept of a project; `sequence` is that of the revision it was read from."""

    sequence: tuple[int, int]
    state: str
    published_at: str | None
    changed_at: datetime
    flagship: str | None
    level: str | None
    regions: frozenset[str]
    countries: frozenset[str]
    languages: frozenset[str]
    team: frozenset[str]


class Register:
    """The facts of every project that was published at some time and is not erased."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._facts: dict[str, Facts] = {}
        self._teams: dict[str, frozenset[str]] = {}
        self._stamp: Any = None
        self.changed_at: datetime | None = None
        """The last change of a project that was published at some time, be it erased: what a draft does is nobody's to know."""
        self.members: tuple[Any, datetime | None] = (None, None)
        """The last change of an organisation, with the stamp of then."""

    async def refresh(self, connection: AsyncConnection) -> None:
        """Read what has changed, if the archive has moved since the last time."""
        stamp = await stamp_of(connection, (PROJECT,))
        if stamp == self._stamp:
            return
        found = (await connection.execute(_NEWEST)).all()
        newest = {row.id: (row.incarnation, row.version) for row in found}
        said = {row.id: moment_of(row.event_id) for row in found}
        kept = {one: facts for one, facts in self._facts.items() if newest.get(one) == facts.sequence}
        missing = [one for one in newest if one not in kept]
        for begin in range(0, len(missing), AT_ONCE):
            rows = await connection.execute(
                select(DOCUMENTS.c.id, DOCUMENTS.c.record).where(
                    DOCUMENTS.c.kind == PROJECT,
                    DOCUMENTS.c.latest,
                    DOCUMENTS.c.record.is_not(None),
                    DOCUMENTS.c.id.in_(missing[begin : begin + AT_ONCE]),
                )
            )
            for row in rows:
                kept[row.id] = _facts(orjson.loads(row.record), newest[row.id], said[row.id], self._reference)
        teams: dict[str, set[str]] = {}
        for one, facts in kept.items():
            for person in facts.team if facts.published_at else ():
                teams.setdefault(person, set()).add(one)
        changes = [facts.changed_at for facts in kept.values() if facts.published_at]
        if erased := await connection.scalar(_ERASED):
            changes.append(moment_of(erased))
        self.changed_at = max(changes, default=None)
        self._facts, self._stamp = kept, stamp
        self._teams = {person: frozenset(projects) for person, projects in teams.items()}

    @property
    def teams(self) -> Mapping[str, frozenset[str]]:
        """The published projects in whose team somebody is, as of the last `refresh`; another one never changes it."""
        return self._teams

    def teams_of(self, principal: str) -> frozenset[str]:
        """Return the published projects in whose team somebody is."""
        return self._teams.get(principal, frozenset())

    def open_projects(self) -> list[tuple[str, Facts]]:
        """Return the projects that are open now, by id."""
        found = [(one, facts) for one, facts in self._facts.items() if facts.state == "published"]
        return sorted(found, key=lambda each: each[0])


def register_of(runtime: Runtime) -> Register:
    """Return this process's register."""
    register: Register = runtime.state["register"]
    return register


async def stamp_of(connection: AsyncConnection, kinds: Sequence[str]) -> Any:
    """Return where the archive stands with these kinds of records: as long as it is the same, so is every one of them."""
    rows = await connection.execute(_STAMP, {"topics": [_TOPICS[kind] for kind in kinds]})
    return [tuple(row) for row in rows], await connection.scalar(_LATE)


async def changed_last(
    runtime: Runtime, connection: AsyncConnection, kinds: Sequence[str], *, day: str
) -> str:
    """Return the moment of the last change of these kinds of records; the beginning of the day where there is none.

    Of projects those count that were published at some time. Every record is looked at for it, so it is kept for as long as the archive
    stands still.
    """
    register = register_of(runtime)
    changes: list[datetime | None] = []
    if PROJECT in kinds:
        await register.refresh(connection)
        changes.append(register.changed_at)
    if MEMBER in kinds:
        stamp = await stamp_of(connection, (MEMBER,))
        if register.members[0] != stamp:
            newest = await connection.scalar(_LAST_OF_MEMBERS)
            register.members = stamp, None if newest is None else moment_of(newest)
        changes.append(register.members[1])
    beginning = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return timestamp(max((one for one in changes if one is not None), default=beginning))


def moment_of(event_id: str) -> datetime:
    """Return when an event was made: its id is a UUIDv7, whose first 48 bits are milliseconds."""
    return datetime.fromtimestamp(int(event_id.replace("-", "")[:12], 16) / 1000, UTC)


def _facts(
    record: dict[str, Any], sequence: tuple[int, int], changed_at: datetime, reference: Reference
) -> Facts:
    return Facts(
        sequence=sequence,
        state=record["state"],
        published_at=record.get("published_at"),
        changed_at=changed_at,
        flagship=record.get("flagship"),
        level=record.get("level"),
        regions=regions_of(record, reference),
        countries=frozenset(record.get("countries", ())),
        languages=frozenset(title["language"] for title in record.get("titles", ())),
        team=frozenset(record.get("team", ())),
    )
