"""What the exports hold: open projects, organisations as everybody may see them, and a project's list as far as one may.

*What.* Rows in the order of the data dictionary, read page by page in one transaction, and the file that they make. *Never:* a field
that the same caller would not be shown elsewhere: organisations have their public view here whoever asks, a list is the
whole one or one's own row.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import Any, cast

import orjson
from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from matching.lists import COMPONENTS
from schemas.http.suggestion import SUGGESTION
from services.chassis.runtime import Runtime
from services.chassis.web.problems import InvalidParameter
from services.matches.queries import exposure as shown
from services.matches.queries.archive import AT_ONCE, organisations_of, projects_of
from services.matches.queries.filters import Filters
from services.matches.queries.listing import Listing
from services.matches.queries.register import Facts, changed_last, register_of
from services.matches.queries.sheets import MOST_ROWS, Cells, Form, writer_of
from services.matches.rules.dictionary import DATASETS
from services.matches.tables import DOCUMENTS
from services.matches.worker.documents import MEMBER, PROJECT
from services.matches.worker.index import Index

IN_MEMORY = 1_000_000
"""Bytes of a file that are kept in memory; a larger one lies on disk while it is sent."""

OPEN_TO_ALL = "Public data of Comity. An entry is not an endorsement by ITU or anybody else."
_MEMBERS = (
    select(DOCUMENTS.c.id, DOCUMENTS.c.record)
    .where(
        DOCUMENTS.c.kind == MEMBER,
        DOCUMENTS.c.latest,
        DOCUMENTS.c.record.is_not(None),
        DOCUMENTS.c.id > bindparam("after"),
    )
    .order_by(DOCUMENTS.c.id)
    .limit(AT_ONCE)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which open projects; None is no condition."""

    flagship: str | None = None
    region: str | None = None
    level: str | None = None

    def takes(self, facts: Facts) -> bool:
        """Whether a project is asked for."""
        return (
            self.flagship in {None, facts.flagship}
            and self.level in {None, facts.level}
            and (self.region is None or self.region in facts.regions)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A finished file: its bytes from the start on, how many, their digest, and a name that says of when it is."""

    file: Any
    length: int
    digest: str
    name: str


async def projects(runtime: Runtime, form: Form, chosen: Chosen) -> Export:
    """Return the open projects, by id."""
    register = register_of(runtime)
    async with runtime.database.read() as connection:
        await register.refresh(connection)
        facts = {one: found for one, found in register.open_projects() if chosen.takes(found)}
        frame = await _frame(runtime, connection, (PROJECT,))

        async def pages() -> AsyncIterator[list[Cells]]:
            wanted = iter(facts)
            while some := list(islice(wanted, AT_ONCE)):
                found = await projects_of(connection, some)
                yield [_project(found[one].record, facts[one], frame) for one in some if one in found]

        return await _written("projects", form, pages(), frame, statement=OPEN_TO_ALL)


async def organisations(runtime: Runtime, form: Form) -> Export:
    """Return every organisation that has not withdrawn, by id, in its public view."""
    region_of = runtime.state["reference"].region_of
    async with runtime.database.read() as connection:
        frame = await _frame(runtime, connection, (MEMBER,))

        async def pages() -> AsyncIterator[list[Cells]]:
            after = ""
            while rows := (await connection.execute(_MEMBERS, {"after": after})).all():
                after = rows[-1].id
                records = (orjson.loads(row.record) for row in rows)
                yield [
                    (
                        record["id"],
                        record["legal_name"],
                        record["category"],
                        record["hq_country"],
                        region_of(record["hq_country"]),
                        bool(record.get("fictional")),
                        *frame,
                    )
                    for record in records
                    if record["state"] != "withdrawn"
                ]

        return await _written("organisations", form, pages(), frame, statement=OPEN_TO_ALL)


async def exposure(runtime: Runtime, form: Form) -> Export:
    """Return the cells of the exposure report that everybody may see."""
    rows, frame = await shown.cells(runtime)
    names = [column.name for column in DATASETS["exposure"].columns[: -len(frame)]]

    async def pages() -> AsyncIterator[list[Cells]]:
        yield [(*(row[name] for name in names), *frame) for row in rows]

    return await _written("exposure", form, pages(), frame, statement=SUGGESTION)


async def candidates(listing: Listing, form: Form, filters: Filters, *, own: str | None) -> Export:
    """Return a project's list in rank order, as far as the filters choose; `own`: that organisation's row and no other."""
    described = listing.described()
    async with listing.runtime.database.read() as connection:
        *_, newest = await _frame(listing.runtime, connection, (PROJECT, MEMBER))
        made = newest if listing.version is None else listing.version.created_at
        as_of = max(made, newest) if listing.changed_since else made
        frame = (described["epoch"], described["reference_date"], as_of)

        async def pages() -> AsyncIterator[list[Cells]]:
            rows = _chosen_rows(listing, filters, own)
            while some := list(islice(rows, AT_ONCE)):
                records = await organisations_of(connection, [row.member for row in some])
                yield [_candidate(row, records.get(row.member) or {}, described, frame) for row in some]

        return await _written("candidates", form, pages(), frame, statement=SUGGESTION)


async def _written(
    dataset: str, form: Form, pages: AsyncIterator[list[Cells]], frame: Sequence[str], *, statement: str
) -> Export:
    described = DATASETS[dataset]
    epoch, day, as_of = frame
    about = {
        "dataset": described.name,
        "a row is": described.row,
        "statement": statement,
        "epoch": epoch,
        "reference_date": day,
        "data_as_of": as_of,
        "definitions": "/v1/exports/dictionary",
    }
    file = cast("Any", SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115 - whoever sends it closes it
    try:
        writer = writer_of(form, file, described, about)
        count = 0
        async for rows in pages:
            count += len(rows)
            _check_rows(form, count)
            await asyncio.to_thread(writer.add, rows)
        await asyncio.to_thread(writer.close)
        digest, length = await asyncio.to_thread(_digest, file)
    except BaseException:
        file.close()
        raise
    return Export(file=file, length=length, digest=digest, name=f"{dataset}-{as_of[:10]}-{digest[:8]}.{form}")


def _check_rows(form: Form, count: int) -> None:
    if form == "xlsx" and count > MOST_ROWS:
        raise InvalidParameter(
            f"A sheet holds {MOST_ROWS:,} rows, and there are more. Take the .csv or .jsonl."
        )


def _digest(file: Any) -> tuple[str, int]:
    file.seek(0)
    found = blake2b(digest_size=16)
    length = 0
    while piece := file.read(1 << 20):
        found.update(piece)
        length += len(piece)
    file.seek(0)
    return found.hexdigest(), length


async def _frame(runtime: Runtime, connection: AsyncConnection, kinds: Sequence[str]) -> tuple[str, str, str]:
    """Return epoch, reference date and the moment of the last change of these kinds of records."""
    index: Index = runtime.state["index"]
    pinned = await index.pin()
    return pinned.epoch, pinned.day, await changed_last(connection, kinds, day=pinned.day)


def _project(record: Any, facts: Facts, frame: Sequence[str]) -> Cells:
    titles = record.get("titles") or [{"text": None, "language": None}]
    return (
        record["id"],
        titles[0]["text"],
        titles[0]["language"],
        facts.level,
        facts.flagship,
        sorted(facts.regions),
        sorted(facts.countries),
        list(dict.fromkeys(need["kind"] for need in record.get("needs", ()))),
        record.get("deadline"),
        record["owner"],
        facts.published_at,
        bool(record.get("fictional")),
        *frame,
    )


def _chosen_rows(listing: Listing, filters: Filters, own: str | None) -> Iterator[Any]:
    if listing.computed is None:
        return
    ranked = listing.computed.ranked
    mask = filters.mask(ranked)
    for row in ranked.rows():
        if mask[row.rank - 1] and own in {None, row.member}:
            yield row


def _candidate(row: Any, record: Any, described: Any, frame: Sequence[str]) -> Cells:
    return (
        described["project"],
        described["list_version"],
        row.rank,
        row.member,
        record.get("legal_name"),
        record.get("category"),
        record.get("hq_country"),
        row.fit,
        row.band,
        row.above_floor,
        None if described["state"] == "closed" else row.confidence,
        row.points,
        *(row.components[name] for name in COMPONENTS),
        list(row.labels),
        list(row.steps),
        described["changed_since"],
        "suggestion, not an endorsement",
        *frame,
    )
