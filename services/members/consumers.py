"""What this service does by itself: once a minute it writes the revisions that a date has made due.

It consumes no event: an organisation's record depends on nobody else's.
"""

import asyncio

from services.chassis.database import DatabaseAway
from services.chassis.runtime import Loop, Runtime
from services.chassis.telemetry import log_of
from services.members.commands.dates import apply_dates

EVERY_SECONDS = 60.0


def loops(runtime: Runtime) -> tuple[Loop, ...]:
    """Return the loops of the role "worker"."""

    async def follow_the_calendar(stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await apply_dates(runtime)
            except DatabaseAway:
                log_of("members").warning("the calendar waits: the database does not answer")
            try:
                await asyncio.wait_for(stop.wait(), EVERY_SECONDS)
            except TimeoutError:
                continue

    return (Loop(name="members-dates", run=follow_the_calendar),)
