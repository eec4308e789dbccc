"""What a date alone changes in a project: its deadline passed, or nobody reviewed it in time.

*What.* The owner writes such a change as a revision like any other, so that ranking never has to read a clock.
*Why a sweep.* Nobody sends a command at midnight. It is idempotent: each project is asked again inside its own
transaction, so a second sweep, or one beside this one, finds nothing left to do.
"""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from sqlalchemy import or_, select

from services.chassis.database import DatabaseAway
from services.chassis.identity.principal import Principal
from services.chassis.runtime import Runtime
from services.chassis.telemetry import log_of
from services.chassis.web.conditions import Conditions
from services.chassis.web.operation import Unit
from services.projects.commands.lifecycle import step_to
from services.projects.commands.storing import project_for_change
from services.projects.rules.states import DateStep, due
from services.projects.tables import ERASED, PROJECTS

SWEEPER = Principal("comity:projects", frozenset({"public"}))
"""Who the audit trail names for what a date did: the service itself."""

PAUSE_SECONDS = 60.0

CHANGES: Mapping[DateStep, Mapping[str, Any]] = {
    "deadline-passed": {"state": "closed", "closed_code": "deadline_passed"},
    "review-passed": {"state": "dormant"},
}
REASONS: Mapping[DateStep, str] = {"deadline-passed": "The deadline for interest has passed."}


async def sweep(runtime: Runtime, stop: asyncio.Event) -> None:
    """Write what the date changed, now and once a minute, until `stop` is set. A database that is away is waited for."""
    while not stop.is_set():
        try:
            await write_what_the_date_changed(runtime)
        except DatabaseAway as error:
            log_of("projects").warning("the sweep of dates waits", reason=str(error))
        try:
            await asyncio.wait_for(stop.wait(), PAUSE_SECONDS)
        except TimeoutError:
            continue


async def write_what_the_date_changed(runtime: Runtime) -> int:
    """Bring every project up to today, each in a transaction of its own. Returns how many changed."""
    today = runtime.clock.now().date().isoformat()
    late = (
        select(PROJECTS.c.id)
        .where(PROJECTS.c.state.in_(("published", "dormant")))
        .where(or_(PROJECTS.c.deadline < today, PROJECTS.c.review_by < today))
        .order_by(PROJECTS.c.id)
    )
    async with runtime.database.read() as connection:
        candidates = (await connection.scalars(late.where(PROJECTS.c.state != ERASED))).all()
    return sum([await _bring_up(runtime, project_id) for project_id in candidates])


async def _bring_up(runtime: Runtime, project_id: str) -> int:
    async with runtime.database.write() as connection:
        unit = Unit(
            connection=connection,
            principal=SWEEPER,
            runtime=runtime,
            now=runtime.clock.now(),
            conditions=Conditions(None, None),
            request_id=str(uuid4()),
        )
        found = await connection.scalar(
            select(PROJECTS.c.state).where(PROJECTS.c.id == project_id).with_for_update()
        )
        if found in {None, ERASED}:
            return 0
        stored = await project_for_change(unit, project_id)
        step = None if stored is None else due(stored.project, today=unit.now.date())
        if stored is None or step is None:
            return 0
        await step_to(
            unit,
            stored,
            action=f"project.{step.replace('-', '_')}",
            changes=dict(CHANGES[step]),
            why=REASONS.get(step),
        )
        return 1
