"""What the exports hold: open projects, organisations as everybody may see them, and a project's list as far as one may.

*What.* Rows in the order of the data dictionary, read page by page in one transaction, and a name for the bytes that they make:
a digest of whatever these depend on, which is known before the first row is read. *Never:* a field that the same caller would
not be shown elsewhere: organisations have their public view here whoever asks, a list is the whole one or one's own row.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from hashlib import blake2b
from importlib.metadata import version
from itertools import islice
from types import MappingProxyType
from typing import Any, cast

import numpy as np
import orjson
from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from matching.lists import COMPONENTS
from matching.ties import sorted_order
from schemas.http.suggestion import SUGGESTION
from services.chassis.runtime import Runtime
from services.chassis.web.problems import InvalidParameter
from services.matches.queries import exposure as shown
from services.matches.queries.archive import organisations_of, projects_of
from services.matches.queries.filters import Filters
from services.matches.queries.listing import Listing
from services.matches.queries.register import Facts, changed_last, register_of, stamp_of
from services.matches.queries.sheets import MOST_ROWS, Cells, Form, writer_of
from services.matches.queries.spool import Spool
from services.matches.rules.dictionary import DATASETS
from services.matches.tables import DOCUMENTS
from services.matches.worker.documents import MEMBER, PROJECT
from services.matches.worker.index import Index

AT_ONCE = 100
"""Rows that are read and written at once: a record is far longer than its row."""

_WRITTEN_BY = tuple(f"{name} {version(name)}" for name in ("comity", "xlsxwriter"))
"""Whose other releases may write the same rows in other bytes."""

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
    """A file that can be written now: what is in it, as of when, and the digest that names its bytes.

    `pages` reads on in the transaction in which the digest was made; so both are of the same moment.
    """

    dataset: str
    form: Form
    statement: str
    frame: Sequence[str]
    filters: Mapping[str, str]
    digest: str
    pages: AsyncIterator[list[Cells]]

    @property
    def name(self) -> str:
        """A name that says of when it is."""
        return f"{self.dataset}-{self.frame[2][:10]}-{self.digest[:8]}.{self.form}"

    async def write(self, spool: Spool) -> None:
        """Write every row, and what belongs to the end. Raises InvalidParameter for more rows than a sheet holds."""
        described = DATASETS[self.dataset]
        epoch, day, as_of = self.frame
        about = {
            "dataset": described.name,
            "a row is": described.row,
            "statement": self.statement,
            "epoch": epoch,
            "reference_date": day,
            "data_as_of": as_of,
            "filters": "; ".join(f"{name}={value}" for name, value in self.filters.items()) or "none",
            "definitions": "/v1/exports/dictionary",
        }
        writer = writer_of(self.form, spool, described, about)
        count = 0
        try:
            async for rows in self.pages:
                count += len(rows)
                _check_rows(self.form, count)
                await asyncio.to_thread(writer.add, rows)
                spool.grown()
            await asyncio.to_thread(writer.close)
        finally:
            writer.drop()


@asynccontextmanager
async def projects(runtime: Runtime, form: Form, chosen: Chosen) -> AsyncIterator[Export]:
    """Give the open projects, by id, within a transaction."""
    register = register_of(runtime)
    async with runtime.database.read() as connection:
        await register.refresh(connection)
        facts = {one: found for one, found in register.open_projects() if chosen.takes(found)}
        frame, stamp = await _frame(runtime, connection, (PROJECT,))

        async def pages() -> AsyncIterator[list[Cells]]:
            wanted = iter(facts)
            while some := list(islice(wanted, AT_ONCE)):
                found = await projects_of(connection, some)
                yield [_project(found[one].record, facts[one], frame) for one in some if one in found]

        filters = _filters(asdict(chosen))
        yield _export("projects", form, OPEN_TO_ALL, frame, pages(), depends=stamp, filters=filters)


@asynccontextmanager
async def organisations(runtime: Runtime, form: Form) -> AsyncIterator[Export]:
    """Give every organisation that has not withdrawn, by id, in its public view, within a transaction."""
    region_of = runtime.state["reference"].region_of
    async with runtime.database.read() as connection:
        frame, stamp = await _frame(runtime, connection, (MEMBER,))

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

        yield _export("organisations", form, OPEN_TO_ALL, frame, pages(), depends=stamp)


@asynccontextmanager
async def exposure(runtime: Runtime, form: Form) -> AsyncIterator[Export]:
    """Give the cells of the exposure report that everybody may see, within a transaction: counted once for all who ask."""
    async with runtime.database.read() as connection:
        moment = await shown.moment_of(runtime, connection)
        frame = moment.frame
        names = [column.name for column in DATASETS["exposure"].columns[: -len(frame)]]

        async def pages() -> AsyncIterator[list[Cells]]:
            rows = await shown.cells(runtime, connection, moment)
            yield [(*(row[name] for name in names), *frame) for row in rows]

        yield _export("exposure", form, SUGGESTION, frame, pages(), depends=moment.stamp)


@asynccontextmanager
async def candidates(
    listing: Listing, form: Form, filters: Filters, *, own: str | None
) -> AsyncIterator[Export]:
    """Give a project's list in rank order, as far as the filters choose, within a transaction; `own`: that organisation's row."""
    described = listing.described()
    async with listing.runtime.database.read() as connection:
        closed = described["state"] == "closed"  # then its rows are as they were, with names of today
        (_, _, newest), stamp = await _frame(
            listing.runtime, connection, (MEMBER,) if closed else (PROJECT, MEMBER)
        )
        made = newest if listing.version is None else listing.version.created_at
        as_of = max(made, newest) if listing.changed_since or closed else made
        frame = (described["epoch"], described["reference_date"], as_of)
        said = [described[name] for name in ("project", "list_version", "state", "changed_since")]
        rows_digest = None if listing.computed is None else listing.computed.digest

        places = _places(listing, filters, own)

        async def pages() -> AsyncIterator[list[Cells]]:
            for begin in range(0, len(places), AT_ONCE):
                some = list(cast("Any", listing.computed).ranked.rows_at(places[begin : begin + AT_ONCE]))
                records = await organisations_of(connection, [row.member for row in some])
                yield [_candidate(row, records.get(row.member) or {}, described, frame) for row in some]

        shown = _filters(asdict(filters)) | ({} if own is None else {"organisation": own})
        depends = (said, rows_digest, stamp)
        yield _export("candidates", form, SUGGESTION, frame, pages(), depends=depends, filters=shown)


def _export(
    dataset: str,
    form: Form,
    statement: str,
    frame: Sequence[str],
    pages: AsyncIterator[list[Cells]],
    *,
    depends: Any,
    filters: Mapping[str, str] = MappingProxyType({}),
) -> Export:
    """Return the export whose bytes depend on the frame, the filters and `depends`, beside what it is and who writes it."""
    columns = [column.name for column in DATASETS[dataset].columns]
    named = orjson.dumps((_WRITTEN_BY, dataset, columns, form, frame, dict(filters), depends))
    digest = blake2b(named, digest_size=16).hexdigest()
    return Export(
        dataset=dataset,
        form=form,
        statement=statement,
        frame=frame,
        filters=filters,
        digest=digest,
        pages=pages,
    )


def _check_rows(form: Form, count: int) -> None:
    if form == "xlsx" and count > MOST_ROWS:
        raise InvalidParameter(
            f"A sheet holds {MOST_ROWS:,} rows, and there are more. Take the .csv or .jsonl."
        )


async def _frame(
    runtime: Runtime, connection: AsyncConnection, kinds: Sequence[str]
) -> tuple[tuple[str, str, str], Any]:
    """Return epoch, reference date and the moment of the last change of these kinds of records; and where the archive stands."""
    index: Index = runtime.state["index"]
    pinned = await index.pin()
    stamp = await stamp_of(connection, kinds)
    return (pinned.epoch, pinned.day, await changed_last(runtime, connection, kinds, day=pinned.day)), stamp


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


def _places(listing: Listing, filters: Filters, own: str | None) -> list[int]:
    """Return the places of the rows that are shown, in the order of the pages. Raises InvalidParameter as the filters do."""
    if listing.computed is None:
        filters.check_need(need["id"] for need in listing.project.record.get("needs", ()))
        return []
    ranked = listing.computed.ranked
    mask, by = filters.mask(ranked), filters.ordering(ranked)
    order = np.arange(len(ranked)) if by is None else sorted_order(by, ranked.tie, ranked.ids)
    return [place for place in order[mask[order]].tolist() if own in {None, ranked.members[place]}]


def _filters(chosen: Mapping[str, Any]) -> dict[str, str]:
    """Return the conditions that were given, for the sheet that says what a file is."""
    return {name: str(value) for name, value in chosen.items() if value is not None}


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
