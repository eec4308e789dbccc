"""The exposure report: who is shown on the lists that stand, how evenly, and how that went month by month.

*What.* The record of the versions that stand, organisations as they are now, and of past months the versions that stood at
their end. *Why.* A tool that claims to hide nobody has to say who is seen (Resolution 71, *instructs* 2, 8 and 9). *Never:* an
organisation's name or rank; a single organisation's figures are for those who may see its opportunities.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import numpy as np
import orjson
from sqlalchemy import and_, bindparam, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from matching.exposure import Rows, Sums, gini, summed
from schemas.http.suggestion import SUGGESTION
from services.chassis.reference import Reference
from services.chassis.runtime import Runtime, timestamp
from services.chassis.web.problems import NotFound
from services.matches.queries.archive import organisations_of
from services.matches.queries.computations import Computations
from services.matches.queries.register import changed_last
from services.matches.rules.exposure import FEWEST, Counted, View, counted, per_mille, told
from services.matches.tables import LIST_VERSIONS
from services.matches.worker.documents import MEMBER
from services.matches.worker.exposure import Record, unpacked
from services.matches.worker.index import Index, Pinned

MONTHS = 12
"""How many ends of months the trend goes back."""

_STANDS = and_(LIST_VERSIONS.c.shown_until.is_(None), LIST_VERSIONS.c.attention.is_not(None))
_COUNTS = select(LIST_VERSIONS.c.counts).where(_STANDS)
_NUMBERS = select(LIST_VERSIONS.c.project, LIST_VERSIONS.c.number).where(_STANDS)
_MADE_LAST = select(func.max(LIST_VERSIONS.c.created_at)).where(_STANDS)
_STOOD = select(LIST_VERSIONS.c.attention).where(
    LIST_VERSIONS.c.created_at <= bindparam("moment"),
    or_(LIST_VERSIONS.c.shown_until.is_(None), LIST_VERSIONS.c.shown_until > bindparam("moment")),
    LIST_VERSIONS.c.attention.is_not(None),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """The lists that stood at the end of a month: how many, who was above a floor, who of them shown, how evenly."""

    day: str
    projects: int
    fitting: int
    shown: int
    gini: int

    def to_json(self) -> dict[str, Any]:
        """Write it, with the share that was shown."""
        return {
            "day": self.day,
            "projects": self.projects,
            "fitting": self.fitting,
            "shown": self.shown,
            "shown_share": per_mille(self.shown, self.fitting),
            "gini": self.gini,
        }


class Shown:
    """What this process has read of the record, and the months that it has added up: they change no more."""

    def __init__(self) -> None:
        self.record = Record()
        self.months: dict[str, Month] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What the figures of one read transaction follow from: the versions that stand, and organisations as they are known."""

    pinned: Pinned
    numbers: frozenset[tuple[str, int]]
    as_of: str

    @property
    def stamp(self) -> Any:
        """What names the cells without counting them, in every process that has read as far."""
        pinned = self.pinned
        return sorted(self.numbers), pinned.log, sorted(pinned.positions.items()), pinned.late

    @property
    def frame(self) -> tuple[str, str, str]:
        """Epoch, reference date, last change."""
        return self.pinned.epoch, self.pinned.day, self.as_of


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """The record as one read transaction saw it."""

    moment: Moment
    lists: Mapping[str, Rows]


async def report(runtime: Runtime, *, view: View) -> dict[str, Any]:
    """Return the report of the lists that stand, with the cells that the view may see."""
    shown: Shown = runtime.state["exposure"]
    async with runtime.database.read() as connection:
        standing = await _standing(runtime, connection, await moment_of(runtime, connection))
        counts = [orjson.loads(row) for row in await connection.scalars(_COUNTS)]
        pinned = standing.moment.pinned
        today = min(pinned.day, runtime.clock.now().date().isoformat())  # a day may be opened ahead
        months = [await _month(connection, shown, day) for day in _ends(today)]
    found = await _counted(runtime, standing)
    weights, whole = pinned.view.weights, found.whole
    with_local = sum(one["local_above_floor"] > 0 for one in counts)
    enough = view == "every_cell" or whole.organisations >= FEWEST
    return {
        "statement": SUGGESTION,
        "view": view,
        "epoch": pinned.epoch,
        "reference_date": pinned.day,
        "data_as_of": standing.moment.as_of,
        "head": weights.head,
        "first": len(weights.attention),
        "lane": weights.lane,
        "projects": len(standing.lists),
        "projects_with_local": with_local,
        "projects_with_local_share": per_mille(with_local, len(standing.lists)),
        "organisations": _whole(found) if enough else None,
        "groups": [
            {"grouping": name, "cells": [cell.to_json(whole) for cell in told(cells, view)]}
            for name, cells in found.groups.items()
        ],
        "trend": [
            month.to_json()
            for month in months
            if month.projects and (view == "every_cell" or month.fitting >= FEWEST)
        ],
    }


async def cells(runtime: Runtime, connection: AsyncConnection, moment: Moment) -> list[dict[str, Any]]:
    """Return the cells that everybody may see, each with its grouping, of this transaction's moment."""
    found = await _counted(runtime, await _standing(runtime, connection, moment))
    return [
        {"grouping": name, **cell.to_json(found.whole)}
        for name, all_cells in found.groups.items()
        for cell in told(all_cells, "cells_of_five")
    ]


async def of_organisation(runtime: Runtime, organisation: str) -> dict[str, Any]:
    """Return what the lists that stand give to one organisation, and what it deserves. Raises NotFound."""
    async with runtime.database.read() as connection:
        standing = await _standing(runtime, connection, await moment_of(runtime, connection))
        records = await organisations_of(connection, [organisation])
    if organisation not in records:
        raise NotFound("No such organisation is known here, or it was erased.")
    this = np.void(UUID(organisation).bytes)
    found = [rows[rows["organisation"] == this] for rows in standing.lists.values()]
    pinned = standing.moment.pinned
    sums = summed(found, head=pinned.view.weights.head)
    first, lane, deserved = int(sums.first.sum()), int(sums.lane.sum()), int(sums.deserved.sum())
    return {
        "statement": SUGGESTION,
        "organisation": organisation,
        "name": records[organisation]["legal_name"],
        "epoch": pinned.epoch,
        "reference_date": pinned.day,
        "data_as_of": standing.moment.as_of,
        "projects": len(standing.lists),
        "fits": int(sums.fits.sum()),
        "heads": int(sums.head.sum()),
        "firsts": sum(int(((rows["given"] > 0) & ~rows["lane"]).sum()) for rows in found),
        "lanes": sum(int(rows["lane"].sum()) for rows in found),
        "given_first": first,
        "given_lane": lane,
        "deserved": deserved,
        "share": per_mille(first + lane, deserved),
    }


async def moment_of(runtime: Runtime, connection: AsyncConnection) -> Moment:
    """Return what stands now, without reading what it gives to anybody."""
    index: Index = runtime.state["index"]
    pinned = await index.pin()
    changed = await changed_last(runtime, connection, (MEMBER,), day=pinned.day)
    return Moment(
        pinned=pinned,
        numbers=frozenset((row.project, row.number) for row in await connection.execute(_NUMBERS)),
        as_of=max(changed, await connection.scalar(_MADE_LAST) or changed),
    )


async def _standing(runtime: Runtime, connection: AsyncConnection, moment: Moment) -> _Standing:
    shown: Shown = runtime.state["exposure"]
    await shown.record.refresh(connection)
    return _Standing(moment=moment, lists=shown.record.exposure.lists)


async def _counted(runtime: Runtime, standing: _Standing) -> Counted:
    """Count once for all who ask while neither lists nor organisations change; in a thread."""
    computations: Computations = runtime.state["computations"]
    reference: Reference = runtime.state["reference"]
    moment, pinned = standing.moment, standing.moment.pinned

    def count() -> Counted:
        sums = summed(standing.lists.values(), head=pinned.view.weights.head)
        return counted(dict(_facts(pinned, reference)), sums)

    key = ("exposure", moment.numbers, pinned.version, pinned.epoch, pinned.day)
    return await computations.get(key, lambda: asyncio.to_thread(count))


def _facts(pinned: Pinned, reference: Reference) -> Iterator[tuple[bytes, Sequence[str]]]:
    """Yield each active organisation with its codes: category, region of HQ, SME, LDC of HQ, newcomer.

    A newcomer here has no involvement on record from before the reference date; a list measures it at the project's
    publication.
    """
    day = date.fromisoformat(pinned.day)
    for name in pinned.view.members:
        record = pinned.view.member(name)
        if record.state != "active":
            continue
        known = record.hq_country in reference.countries
        region = reference.region_of(record.hq_country) if known else None
        involved = record.first_involved_on is not None and record.first_involved_on < pinned.day
        yield (
            UUID(name).bytes,
            (
                record.category,
                region or "none",
                _yes(record.sme),
                _yes(known and reference.in_group(record.hq_country, "ldc", day)),
                _yes(not involved),
            ),
        )


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def _whole(found: Counted) -> dict[str, Any]:
    whole = found.whole
    return {
        "known": whole.organisations,
        "fitting": whole.fitting,
        "shown": whole.shown,
        "shown_first": whole.shown_first,
        "shown_share": per_mille(whole.shown, whole.organisations),
        "shown_first_share": per_mille(whole.shown_first, whole.organisations),
        "gini": found.gini,
        "gini_first": found.gini_first,
    }


def _ends(day: str) -> list[str]:
    """Return the first days of this month and of the months before it, the oldest first: at their beginning a month ended."""
    this = date.fromisoformat(day)
    months = [this.year * 12 + this.month - 1 - back for back in range(MONTHS)]
    return [date(month // 12, month % 12 + 1, 1).isoformat() for month in reversed(months)]


async def _month(connection: AsyncConnection, shown: Shown, day: str) -> Month:
    """Add up the lists that stood when a day began; kept, for that changes no more."""
    if day not in shown.months:
        moment = timestamp(datetime.fromisoformat(day).replace(tzinfo=UTC))
        stored = (await connection.scalars(_STOOD, {"moment": moment})).all()
        shown.months[day] = await asyncio.to_thread(_added_up, day, stored)
    return shown.months[day]


def _added_up(day: str, stored: Sequence[bytes]) -> Month:
    sums: Sums = summed([unpacked(one) for one in stored], head=0)
    given = (sums.first + sums.lane)[sums.fits > 0]
    return Month(
        day=day,
        projects=len(stored),
        fitting=len(given),
        shown=int((given > 0).sum()),
        gini=gini(given.tolist()),
    )
