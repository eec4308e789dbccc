"""The way of a command through the edge: one transaction, one audit row, and an answer only after the commit.

What: `execute` opens the write transaction, looks the Idempotency-Key up, runs the command, checks that it left its
audit row, commits, and only then lets an answer begin. Why here: a route that opened its own transaction could answer
before the commit, and a failing commit must never be a 2xx. Commands never commit and never send events: they add rows.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from typing import Any

import orjson
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from schemas.envelope import Event
from services.chassis.bus import outbox
from services.chassis.database import Contended, is_unique_violation
from services.chassis.identity.principal import Principal, principal_of
from services.chassis.runtime import Runtime, timestamp
from services.chassis.web import idempotency
from services.chassis.web.conditions import Conditions
from services.chassis.web.problems import Conflict
from services.chassis.web.reading import encode, etag_of
from services.chassis.web.reason import HEADER, read_reason
from services.chassis.web.runtime import runtime_in

_AUDIT = text(
    "INSERT INTO audit (at, principal, roles, action, subject, revision_before, revision_after, why, details, request_id) "
    "VALUES (:at, :principal, :roles, :action, :subject, :before, :after, :why, :details, :request_id)"
)
_TRIES = 4  # of a command whose transaction others were in the way of


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command answers; `revision` becomes the ETag.

    `stored` is what an Idempotency-Key brings back instead of `body`, where that holds a secret shown only once.
    """

    status: int = 200
    body: Mapping[str, Any] | None = None
    revision: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    stored: Mapping[str, Any] | None = None


@dataclass(slots=True, kw_only=True)
class Unit:
    """What a command works with: its transaction, who asks, when, and why if they say so."""

    connection: AsyncConnection
    principal: Principal
    runtime: Runtime
    now: datetime
    conditions: Conditions
    request_id: str
    reason: str | None = None
    traceparent: str | None = None
    audits: int = 0

    @property
    def if_match(self) -> str | None:
        """The If-Match header as it was sent."""
        return self.conditions.if_match

    def check_match(self, current_revision: int | None) -> None:
        """Compare If-Match with the current revision (None: there is none yet). Call it before any change.

        Raises PreconditionRequired (428) if it exists and If-Match is missing, StaleRevision (412) if it is stale.
        """
        self.conditions.check(current_revision)

    async def audit(
        self,
        *,
        action: str,
        subject: str,
        before: int | None,
        after: int | None,
        why: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Add the command's one row to the audit trail: what was done, to what, the revisions around it, and why.

        A reason that the command published (`why`) stays the row's; the caller's own for the trail then stands beside it.
        """
        self.audits += 1
        if why is not None and self.reason is not None:
            details = {**(details or {}), "reason": self.reason}
        await self.connection.execute(
            _AUDIT,
            {
                "at": timestamp(self.now),
                "principal": self.principal.id,
                "roles": " ".join(sorted(self.principal.roles)),
                "action": action,
                "subject": subject,
                "before": before,
                "after": after,
                "why": self.reason if why is None else why,
                "details": None if details is None else orjson.dumps(details),
                "request_id": self.request_id,
            },
        )

    async def post(self, event: Event) -> None:
        """Add an event to the outbox. Call it after the aggregate's own row was written, never before."""
        traced = event if event.traceparent else replace(event, traceparent=self.traceparent)
        await outbox.post(
            self.connection, traced, max_record_bytes=self.runtime.settings.log.max_record_bytes
        )


Command = Callable[[Unit], Awaitable[Answer]]


async def execute(request: Request, command: Command, *, audit_required: bool = True) -> Response:
    """Run a command in its transaction and return its answer after the commit.

    Raises what the command raises (nothing is then stored), Conflict if another request was first at the same unique
    key, DatabaseAway if the database is. `audit_required=False` is for commands that record no decision of anybody.
    """
    key = None
    if request.method == "POST":
        key = idempotency.read_key(
            request.headers.get("idempotency-key"),
            principal=principal_of(request).id,
            route=request.url.path,
            body=await request.body(),
        )
    conditions = Conditions.read(request)
    reason = read_reason(request.headers.get(HEADER))
    with idempotency.in_flight(request.app.state.keys_in_flight, key):
        for attempt in count(1):
            try:
                return await _transact(
                    request, command, conditions, key, reason=reason, audit_required=audit_required
                )
            except Contended:
                runtime = runtime_in(request)
                runtime.metrics.contended.labels(runtime.service.name).inc()
                if attempt == _TRIES:
                    raise
    raise AssertionError("counting has no end")


async def _transact(
    request: Request,
    command: Command,
    conditions: Conditions,
    key: idempotency.Key | None,
    *,
    reason: str | None,
    audit_required: bool,
) -> Response:
    """Run the command in one transaction. Raises Contended where another was in its way: nothing is stored then."""
    runtime = runtime_in(request)
    async with runtime.database.write() as connection:
        unit = Unit(
            connection=connection,
            principal=principal_of(request),
            runtime=runtime,
            now=runtime.clock.now(),
            conditions=conditions,
            request_id=request.state.request_id,
            reason=reason,
            traceparent=request.state.traceparent,
        )
        stored = await idempotency.stored_answer(connection, key, now=unit.now) if key else None
        if stored is not None:
            return stored
        answer = await _run(command, unit)
        response = _response(answer)
        if audit_required and unit.audits != 1:
            raise AssertionError(
                f"{request.method} {request.url.path} left {unit.audits} audit rows, not one"
            )
        if key:
            again = response if answer.stored is None else _response(replace(answer, body=answer.stored))
            await idempotency.store_answer(connection, key, again, now=unit.now)
    return response


async def _run(command: Command, unit: Unit) -> Answer:
    try:
        return await command(unit)
    except exc.IntegrityError as error:
        if is_unique_violation(error):
            raise Conflict(
                "Another request wrote the same at the same moment. Read it and try again."
            ) from error
        raise


def _response(answer: Answer) -> Response:
    headers = dict(answer.headers)
    if answer.revision is not None:
        headers["ETag"] = etag_of(answer.revision)
    if answer.body is None:
        return Response(status_code=answer.status, headers=headers)
    return Response(
        encode(answer.body), status_code=answer.status, media_type="application/json", headers=headers
    )
