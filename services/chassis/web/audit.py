"""The audit trail: one append-only row for every command, written in the command's own transaction.

Who, what, the revisions before and after, why. Why in the same transaction: an effect without its trace, or a trace
without its effect, would make the trail worthless. Nothing updates or deletes a row; on both databases a trigger
that the owner's first migration creates refuses it. The readers are the auditor and the BDT administrator.
"""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, RowMapping, Table, Text, select

from schemas.http.audit import AuditPage
from services.chassis.identity.principal import principal_of
from services.chassis.web.access import require
from services.chassis.web.cursors import cursors_of
from services.chassis.web.parameters import Cursor, Limit
from services.chassis.web.reading import respond_page
from services.chassis.web.runtime import runtime_in

READERS = ("auditor", "bdt_admin")

Subject = Annotated[
    str | None, Query(min_length=1, max_length=200, description="Only commands on this subject.")
]


def attach(metadata: MetaData) -> Table:
    """Add the audit table to a service's tables and return it."""
    return Table(
        "audit",
        metadata,
        Column(
            "position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
        ),
        Column("at", Text, nullable=False),  # RFC 3339, UTC, microseconds
        Column("principal", Text, nullable=False),
        Column("roles", Text, nullable=False),  # the roles that the caller had then, sorted, space-separated
        Column("action", Text, nullable=False),
        Column("subject", Text, nullable=False, index=True),
        Column("revision_before", BigInteger),
        Column("revision_after", BigInteger),
        Column("why", Text),
        Column("details", LargeBinary),  # JSON object
        Column("request_id", Text, nullable=False),
        sqlite_autoincrement=True,
    )


def router(service: str, table: Table) -> APIRouter:
    """Return the routes that read a service's audit trail, newest first: `GET /v1/audit/<service>`."""
    routes = APIRouter(prefix=f"/v1/audit/{service}", tags=["audit"])

    @routes.get(
        "",
        operation_id=f"list_audit_{service}",
        summary=f"Audit trail of {service}, newest first",
        response_model=AuditPage,
    )
    async def list_audit(
        request: Request, limit: Limit = 50, cursor: Cursor = None, subject: Subject = None
    ) -> Response:
        """Every command of this service: who, what, the revisions before and after, why."""
        principal = principal_of(request)
        require(principal, *READERS)
        kind = f"audit {service} {subject or ''}"
        query = select(table).order_by(table.c.position.desc()).limit(limit + 1)
        if subject is not None:
            query = query.where(table.c.subject == subject)
        if cursor is not None:
            query = query.where(table.c.position < cursors_of(request).unseal(kind, cursor, principal))
        async with runtime_in(request).database.read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        page = rows[:limit]
        following = (
            cursors_of(request).seal(kind, page[-1]["position"], principal) if len(rows) > limit else None
        )
        return respond_page(request, [_row(row) for row in page], next_cursor=following)

    return routes


def _row(row: RowMapping) -> dict[str, Any]:
    return {
        "position": row["position"],
        "at": row["at"],
        "principal": row["principal"],
        "roles": row["roles"].split(),
        "action": row["action"],
        "subject": row["subject"],
        "revision_before": row["revision_before"],
        "revision_after": row["revision_after"],
        "why": row["why"],
        "details": None if row["details"] is None else orjson.loads(row["details"]),
        "request_id": row["request_id"],
    }
