"""Waiting until a write counts: a token names a record of the log, and a list covers it or does not yet.

*What.* `<topic>:<id>:<incarnation>.<version>`, as a publishing call answers it. It is covered once `documents` holds that
sequence, `ranked_to` of the project's partition has passed its place in the log, and this process's own index has
followed as far. Without a token, what is waited for is the project's first list. *Never:* wait longer than the settings
allow, or fail because time ran out: the answer says so instead.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import bindparam, select, true, tuple_

from schemas.envelope import Sequence
from services.chassis.runtime import Runtime
from services.chassis.web.problems import InvalidParameter
from services.matches.tables import DOCUMENTS, LIST_VERSIONS, RANKING
from services.matches.worker.documents import MEMBER, PROJECT
from services.matches.worker.index import Index
from services.matches.worker.ownership import Ownership

RANKED = "ranked:matches"
LOOK_SECONDS = 0.02
"""How often somebody who waits looks for what another process ranked; here the ranker wakes them."""

KIND_OF_TOPIC = {"projects.v1": PROJECT, "members.v1": MEMBER}
_TOKEN = re.compile(
    r"(projects\.v1|members\.v1):([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):([0-9]{1,10})\.([1-9][0-9]{0,17})"
)
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?([0-9]{1,6})\"?(?:$|[,;\s])", re.IGNORECASE)

# The first archived revision at or after a token; of those that stand on the log (after a rebuild it may lack older ones)
# where it does, and how far the project's partition is ranked.
_ARCHIVED = (
    select(DOCUMENTS.c.topic, DOCUMENTS.c.partition, DOCUMENTS.c.offset)
    .where(
        DOCUMENTS.c.kind == bindparam("kind"),
        DOCUMENTS.c.id == bindparam("id"),
        tuple_(DOCUMENTS.c.incarnation, DOCUMENTS.c.version)
        >= tuple_(bindparam("incarnation"), bindparam("version")),
    )
    .order_by(DOCUMENTS.c.incarnation, DOCUMENTS.c.version)
    .limit(1)
)
_PLACE = _ARCHIVED.where(DOCUMENTS.c.offset.is_not(None))
_RANKED_TO = (
    select(RANKING.c.ranked_to)
    .join(DOCUMENTS, DOCUMENTS.c.partition == RANKING.c.partition)
    .where(DOCUMENTS.c.kind == PROJECT, DOCUMENTS.c.id == bindparam("project"), DOCUMENTS.c.latest)
    .subquery()
)
_FOUND = _PLACE.subquery()
_PLACE_AND_RANKED_TO = select(_FOUND, _RANKED_TO).select_from(_FOUND.join(_RANKED_TO, true()))

_LISTED = select(LIST_VERSIONS.c.number).where(LIST_VERSIONS.c.project == bindparam("project")).limit(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One record of the log, by the kind and id of what it is about and its sequence."""

    kind: str
    id: str
    sequence: Sequence


def read_token(text: str) -> Token:
    """Read a token. Raises InvalidParameter."""
    found = _TOKEN.fullmatch(text)
    if found is None:
        raise InvalidParameter(
            "token is <topic>:<id>:<incarnation>.<version>, as the publishing call answered it.",
            errors=[
                {
                    "parameter": "token",
                    "rule": "token-form",
                    "detail": "It is no token.",
                    "fix": "Send the token's `text`: projects.v1:<uuid>:1.2",
                }
            ],
        )
    topic, identifier, incarnation, version = found.groups()
    return Token(kind=KIND_OF_TOPIC[topic], id=identifier, sequence=Sequence(int(incarnation), int(version)))


def preferred_wait(header: str | None, *, longest: float) -> float:
    """Return the seconds that `Prefer: wait=…` (RFC 7240) asks for, at most `longest`; 0 without it."""
    found = None if header is None else _WAIT.search(header)
    return 0.0 if found is None else min(float(found[1]), longest)


async def wait_until_covered(runtime: Runtime, project: str, token: Token, *, seconds: float) -> bool:
    """Wait at most `seconds` until the project's list covers the token; whether it does."""
    clock = runtime.clock
    deadline = clock.monotonic() + seconds
    while True:
        seen = runtime.signals.mark(RANKED)
        here = _is_ranked_here(runtime, project)
        if not (here and await _is_behind(runtime, project, token)) and await covered(
            runtime, project, token
        ):
            return True
        left = deadline - clock.monotonic()
        if left <= 0:
            return False
        look = runtime.settings.matches.poll_seconds if here else LOOK_SECONDS
        await runtime.signals.wait(RANKED, min(left, look), since=seen)


async def wait_until_listed(runtime: Runtime, project: str, *, seconds: float) -> None:
    """Wait at most `seconds` until the project has a list, be it not even known here yet."""
    clock = runtime.clock
    deadline = clock.monotonic() + seconds
    while True:
        seen = runtime.signals.mark(RANKED)
        async with runtime.database.read() as connection:
            listed = await connection.scalar(_LISTED, {"project": project})
        left = deadline - clock.monotonic()
        if listed or left <= 0:
            return
        await runtime.signals.wait(RANKED, min(left, runtime.settings.matches.poll_seconds), since=seen)


def _is_ranked_here(runtime: Runtime, project: str) -> bool:
    """Whether this process's own ranker, which tells after every pass, has the project."""
    index: Index = runtime.state["index"]
    owned: Ownership | None = runtime.state.get("owned")
    return owned is not None and index.projects.get(project) in owned.generations


async def _is_behind(runtime: Runtime, project: str, token: Token) -> bool:
    """Whether this process's index does not even have the revision: then nothing has to be asked of the database."""
    if (token.kind, token.id) != (PROJECT, project):
        return False
    pinned = await runtime.state["index"].pin()
    try:
        return bool(pinned.view.project(project).revision < token.sequence.version)
    except KeyError:
        return False  # closed for good: its list does not change any more


async def on_its_way(runtime: Runtime, project: str, token: Token) -> bool:
    """Whether the token names a revision of this very project that is not archived yet: its list is still to come."""
    if (token.kind, token.id) != (PROJECT, project):
        return False
    async with runtime.database.read() as connection:
        return (await connection.execute(_ARCHIVED, _asked(token))).first() is None


async def covered(runtime: Runtime, project: str, token: Token) -> bool:
    """Whether the record is archived, the project's partition ranked past it, and this index past it too."""
    async with runtime.database.read() as connection:
        row = (await connection.execute(_PLACE_AND_RANKED_TO, _asked(token) | {"project": project})).first()
    if row is None:
        return False
    at, offset = f"{row.topic}/{row.partition}", int(row.offset)
    ranked_to: Mapping[str, int] = orjson.loads(row.ranked_to).get("positions", {})
    if ranked_to.get(at, 0) <= offset:
        return False
    index: Index = runtime.state["index"]
    if (await index.pin()).positions.get(at, 0) <= offset:
        await index.follow()  # another process ranked it: nobody here should wait for the next poll
    return (await index.pin()).positions.get(at, 0) > offset


def _asked(token: Token) -> dict[str, Any]:
    sequence = token.sequence
    return {
        "kind": token.kind,
        "id": token.id,
        "incarnation": sequence.incarnation,
        "version": sequence.version,
    }
