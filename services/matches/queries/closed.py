"""A closed project's list, read from its last version: the packed rows stand, nothing is ranked again.

*What.* Unpacks the canonical rows and puts the facts beside them that filters ask for, from the archived revisions that
the rows name. A page's parts are computed anew from those revisions under the version's epoch: a score depends on nobody
else, so a handful of records is enough, and the points must come out as they were stored. Where the epoch names an analyser that
this release has not, the rows stand and nothing is explained. *Never:* use a newer revision
than the row names; a record that was erased since leaves its row with place and points, without name and reasons.
"""

import asyncio
import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from matching.columns import Geography, sector_of
from matching.documents import given
from matching.engine import Engine
from matching.epoch import Epoch
from matching.explanation import Explanation
from matching.ledger_rows import ROW
from matching.lists import OFFER_KINDS, SECTORS, RankedList
from matching.placement import STEP_BITS
from matching.queries import build_query
from matching.records import Member
from matching.rules import BITS
from matching.ties import id_words, tie_hashes
from services.chassis.runtime import Runtime
from services.matches.queries.archive import revisions_of
from services.matches.queries.computed import Computed
from services.matches.queries.epochs import epoch_named
from services.matches.queries.telling import Telling
from services.matches.tables import LIST_VERSIONS
from services.matches.worker.documents import MEMBER, PROJECT, Analysis, member_of, project_of, unpack

_OUTSIDE = STEP_BITS["parent_cap"] | STEP_BITS["made_room"]
_PLACED = STEP_BITS["local_minimum"] | STEP_BITS["newcomer_minimum"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """A final version's row, its packed rows, their ids, and the archived revisions that it and they name."""

    version: Any
    project: Any
    packed: Any
    ids: Sequence[str]
    members: Mapping[str, Any]


async def closed_list(runtime: Runtime, project: str, number: int) -> Computed:
    """Return the list that a final version holds; kept a while, like a computed one."""

    async def load() -> Computed:
        async with runtime.database.read() as connection:
            version = await _final(connection, project, number)
            archived = await revisions_of(connection, PROJECT, [(project, version.project_revision)])
            packed: Any = np.frombuffer(zlib.decompress(version.rows), ROW)
            ids = [str(uuid.UUID(bytes=name.tobytes())) for name in packed["member"]]
            keys = zip(ids, packed["revision"].tolist(), strict=True)
            members = await revisions_of(connection, MEMBER, keys)
        epoch = await epoch_named(runtime, version.epoch)
        stored = _Stored(version=version, project=archived[project], packed=packed, ids=ids, members=members)
        return await asyncio.to_thread(_assembled, epoch, stored)

    result: Computed = await runtime.state["computations"].get(("closed", project, number), load)
    return result


async def explained(
    runtime: Runtime, ranked: RankedList, keys: Sequence[tuple[str, int]], asked: Telling
) -> dict[str, Explanation]:
    """Explain rows of a closed list from exactly the revisions that they name; erased ones are left out.

    The epoch's analyser must be here (`explains`).
    """
    async with runtime.database.read() as connection:
        archived = await revisions_of(connection, PROJECT, [(ranked.project, ranked.project_revision)])
        members = await revisions_of(connection, MEMBER, keys)
    epoch = await epoch_named(runtime, ranked.epoch)
    analysis: Analysis = runtime.state["analysis"]

    def explain() -> dict[str, Explanation]:
        engine = _engine(runtime, epoch, archived[ranked.project])
        for row in members.values():
            engine.put_member(member_of(row.record), unpack(row.analysed))
        view = engine.pin()
        with analysis.turn:
            return {
                name: view.explain(
                    ranked.project,
                    name,
                    ranked.reference_date,
                    language=asked.language,
                    passages=asked.passages,
                    gaps=asked.gaps,
                )
                for name in members
            }

    return await asyncio.to_thread(explain)


def explains(runtime: Runtime, epoch: Epoch) -> bool:
    """Whether lists of an epoch can be explained: this release has the analyser that it was fitted with."""
    analysis: Analysis = runtime.state["analysis"]
    return epoch.analyser == analysis.analyser.number


async def _final(connection: AsyncConnection, project: str, number: int) -> Any:
    return (
        await connection.execute(
            select(LIST_VERSIONS).where(LIST_VERSIONS.c.project == project, LIST_VERSIONS.c.number == number)
        )
    ).one()


def _engine(runtime: Runtime, epoch: Epoch, project: Any) -> Engine:
    analysis: Analysis = runtime.state["analysis"]
    engine = Engine(epoch, analyser=analysis.analyser, glossary=runtime.state["glossary"])
    engine.put_project(project_of(project.record), unpack(project.analysed))
    return engine


def _assembled(epoch: Epoch, stored: _Stored) -> Computed:
    version, packed, ids, members = stored.version, stored.packed, stored.ids, stored.members
    project = project_of(stored.project.record)
    query = build_query(project, unpack(stored.project.analysed), epoch)  # no text is analysed for it
    least_developed = epoch.reference.members_of("ldc", version.reference_date)
    records = [member_of(members[name].record) if name in members else None for name in ids]
    geography = Geography(epoch.reference)
    points = packed["points"].astype(np.int64)
    fit = (points * 1000 // max(query.total, 1)).astype(np.int32)
    steps = packed["steps"].astype(np.uint32)
    words = np.array([id_words(name) for name in ids], np.uint64).reshape(-1, 2)
    excluded = orjson.loads(zlib.decompress(version.excluded)) if version.excluded else []
    ranked = RankedList(
        project=project.id,
        project_revision=version.project_revision,
        epoch=version.epoch,
        reference_date=version.reference_date,
        total_budget=query.total,
        budgets=dict(query.budgets),
        serves_ldc=any(country in least_developed for country in project.countries),
        head=head_in(steps, epoch.weights.head),
        members=list(ids),
        ids=np.ascontiguousarray(packed["member"]).view(">u8").reshape(-1, 2).astype(np.uint64),
        revisions=packed["revision"].astype(np.int64),
        points=points,
        components=packed["components"].astype(np.int64),
        fit=fit,
        band=np.array([epoch.band_of(int(one)) for one in fit], np.uint8),
        above_floor=(steps & STEP_BITS["below_floor"]) == 0,
        confidence=np.zeros(len(ids), np.int32),
        labels=packed["labels"].astype(np.uint32),
        steps=steps,
        tie=tie_hashes(epoch.tie_key, project.id, words),
        category=np.array([one.category if one else "" for one in records], object),
        sector=np.array([_sector(one) for one in records], np.uint8),
        country=np.array([one.hq_country if one else "" for one in records], object),
        regions=np.array([_regions(one, geography) for one in records], np.uint8),
        region_codes=geography.region_codes,
        offers=np.array([_offers(one) for one in records], np.uint16),
        need_weights=query.need_weights,
        excluded_members=[one["organisation"] for one in excluded],
        excluded_rules=np.array([sum(1 << BITS[c] for c in one["codes"]) for one in excluded], np.uint8),
    )
    return Computed.of(ranked)


def head_in(steps: npt.NDArray[np.uint32], most: int) -> int:
    """Return how many rows the placement steps arranged: up to the first that the parent cap kept out, or that made room.

    `steps` are those of a whole list in rank order, `most` the places of a head.
    """
    outside = np.flatnonzero(((steps & _OUTSIDE) > 0) & ((steps & _PLACED) == 0))
    return min(most, len(steps), int(outside[0]) if len(outside) else len(steps))


def _sector(member: Member | None) -> int:
    if member is None:
        return SECTORS.index("other")
    return sector_of(member.category, member.organisation_type)


def _regions(member: Member | None, geography: Geography) -> int:
    if member is None:
        return 0
    hq = given(member, "hq_country", (member.hq_country,) if member.hq_country else ())
    return geography.region_bits((*hq, *given(member, "operating_countries", member.operating_countries)))


def _offers(member: Member | None) -> int:
    kinds = set() if member is None else {offer.kind for offer in given(member, "offers", member.offers)}
    return sum(1 << bit for bit, kind in enumerate(OFFER_KINDS) if kind in kinds)
