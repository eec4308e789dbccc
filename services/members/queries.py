"""Reads: one organisation as its reader may see it, lists, history.

*What.* Rows in, plain JSON values out. *Why the view is applied here.* Every answer of this service goes through
`view`, so that no route can show more than the rights allow. *Never:* write, or hand a contact to a list.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson
from sqlalchemy import Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.events.members import Organisation
from services.chassis.web.problems import NotFound
from services.members.rules.completeness import completeness, missing_parts
from services.members.rules.names import name_key
from services.members.rules.problems import OrganisationErased
from services.members.rules.rights import View
from services.members.tables import CONTACTS, EXTERNAL_IDS, ORGANISATIONS, REVISIONS

Row = Mapping[str, Any]
"""A row of a table, column → value."""

NAMED_NAMESAKES = 5
"""How many organisations of the same name a warning names."""

_NAMESAKES = (
    select(ORGANISATIONS.c.id)
    .where(
        ORGANISATIONS.c.name_key == bindparam("name"),
        ORGANISATIONS.c.hq_country == bindparam("country"),
        ORGANISATIONS.c.id != bindparam("this_id"),
        ORGANISATIONS.c.state.in_(("active", "dormant")),
    )
    .order_by(ORGANISATIONS.c.id)
    .limit(NAMED_NAMESAKES)
)


def view(row: Row, *, shown: View, contact: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what a reader sees of an organisation's row; the contact only in the full view."""
    if shown == "public":
        public = {name: row[name] for name in ("id", "legal_name", "category", "hq_country", "fictional")}
        return public | {"view": "public"}
    record = record_of(row)
    profile = record | {
        "membership_state": row["membership_state"],
        "completeness": completeness(record),
        "missing": list(missing_parts(record)),
        "registered_at": row["registered_at"],
        "revised_at": row["revised_at"],
        "view": shown,
    }
    if shown == "full" and contact is not None:
        profile["contact"] = dict(contact)
    return profile


async def one(connection: AsyncConnection, organisation_id: str) -> Row:
    """Return an organisation's row. Raises NotFound, OrganisationErased."""
    query = select(ORGANISATIONS).where(ORGANISATIONS.c.id == organisation_id)
    row = (await connection.execute(query)).mappings().first()
    if row is None:
        raise NotFound
    if row["state"] == "erased":
        raise OrganisationErased
    return cast("Row", row)


async def contact_of(connection: AsyncConnection, organisation_id: str) -> dict[str, Any] | None:
    """Return the contact as it was given, or None."""
    query = select(CONTACTS.c.name, CONTACTS.c.email, CONTACTS.c.role).where(CONTACTS.c.id == organisation_id)
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else {str(name): value for name, value in row.items() if value is not None}


async def same_name(connection: AsyncConnection, record: Organisation) -> list[str]:
    """Return ids of other organisations of the same country whose name folds to the same, at most a few."""
    this = {"name": name_key(record.legal_name), "country": record.hq_country, "this_id": record.id}
    return list(await connection.scalars(_NAMESAKES, this))


async def page(
    connection: AsyncConnection, filters: Mapping[str, Any], *, after: str | None, limit: int
) -> Sequence[Row]:
    """Return up to `limit` rows with an id above `after`, in order of their ids. Erased ones are never listed.

    `filters` are column → value, and `name`, `external_scheme`, `external_id`.
    """
    query = _filtered(select(ORGANISATIONS).where(ORGANISATIONS.c.state != "erased"), filters)
    if after is not None:
        query = query.where(ORGANISATIONS.c.id > after)
    rows = await connection.execute(query.order_by(ORGANISATIONS.c.id).limit(limit))
    return cast("list[Row]", list(rows.mappings()))


def _filtered(query: Select[Any], filters: Mapping[str, Any]) -> Select[Any]:
    for name in ("category", "hq_country", "region", "state", "sme", "parent", "membership_state"):
        if filters.get(name) is not None:
            query = query.where(ORGANISATIONS.c[name] == filters[name])
    if filters.get("state") is None:
        query = query.where(ORGANISATIONS.c.state != "withdrawn")
    if filters.get("name") is not None:
        query = query.where(ORGANISATIONS.c.name_key == name_key(filters["name"]))
    if filters.get("external_id") is not None:
        held = select(EXTERNAL_IDS.c.organisation).where(EXTERNAL_IDS.c.value == filters["external_id"])
        if filters.get("external_scheme") is not None:
            held = held.where(EXTERNAL_IDS.c.scheme == filters["external_scheme"])
        query = query.where(ORGANISATIONS.c.id.in_(held))
    return query


async def history(
    connection: AsyncConnection, organisation_id: str, *, before: int | None, limit: int
) -> Sequence[Row]:
    """Return up to `limit` revisions below `before`, newest first."""
    query = select(REVISIONS).where(REVISIONS.c.id == organisation_id)
    if before is not None:
        query = query.where(REVISIONS.c.revision < before)
    rows = await connection.execute(query.order_by(REVISIONS.c.revision.desc()).limit(limit))
    return cast("list[Row]", list(rows.mappings()))


async def revision(connection: AsyncConnection, organisation_id: str, number: int) -> Row:
    """Return one revision. Raises NotFound."""
    query = select(REVISIONS).where(REVISIONS.c.id == organisation_id, REVISIONS.c.revision == number)
    row = (await connection.execute(query)).mappings().first()
    if row is None:
        raise NotFound
    return cast("Row", row)


def record_of(row: Row) -> dict[str, Any]:
    """Return the record that a row holds; empty once erased."""
    record: dict[str, Any] = {} if row["record"] is None else orjson.loads(row["record"])
    return record


def entry(row: Row) -> dict[str, Any]:
    """Return a line of the history: which revision, what was done, by whom, when, and the study group then."""
    return {
        "revision": row["revision"],
        "at": row["changed_at"],
        "action": row["action"],
        "by": row["changed_by"],
        "state": row["state"],
        "why": row["why"],
        "study_group": record_of(row).get("study_group"),
    }
