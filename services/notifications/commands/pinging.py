"""A ping: the question that an endpoint answers before anything is sent to it.

*What.* One at a time for an endpoint: a new one takes the place of one that waits. *Why bounded.* Anybody may name any
address as an endpoint, and a ping is the one message that goes to an address that has agreed to nothing. So an
organisation has so many an hour, whatever it makes, changes or removes between them. *Never:* send.
"""

from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import func, insert, select, update

from schemas.webhooks.notifications import ENDPOINT_PINGED
from services.chassis.runtime import timestamp
from services.chassis.web.operation import Unit
from services.chassis.web.problems import TooManyRequests
from services.notifications.commands.queueing import event_row
from services.notifications.tables import DELIVERIES

MOST_PINGS = 60
"""How many pings the endpoints of one organisation are sent within an hour."""
PINGED_WITHIN = timedelta(hours=1)


async def ping(unit: Unit, endpoint: dict[str, Any]) -> str:
    """Queue a ping in the place of one that waits; returns its id. Raises TooManyRequests."""
    since = unit.now - PINGED_WITHIN
    sent = select(func.count(), func.min(DELIVERIES.c.created_at)).where(
        DELIVERIES.c.organisation == endpoint["organisation"],
        DELIVERIES.c.type == ENDPOINT_PINGED,
        DELIVERIES.c.created_at > timestamp(since),
    )
    times, first = (await unit.connection.execute(sent)).one()
    if times >= MOST_PINGS:
        free = max(1, int((datetime.fromisoformat(first) - since).total_seconds()) + 1)
        raise TooManyRequests(
            f"The endpoints of this organisation were pinged {MOST_PINGS} times within an hour.",
            headers={"Retry-After": str(free)},
        )
    await cancel_pings(unit, endpoint["id"])
    queued = event_row(endpoint, ENDPOINT_PINGED, to=endpoint["id"], now=unit.now)
    await unit.connection.execute(insert(DELIVERIES).values(queued))
    return cast("str", queued["id"])


async def cancel_pings(unit: Unit, endpoint: str) -> None:
    """Cancel the ping that waits for an endpoint: its address has changed, it is paused, or another is asked for."""
    await unit.connection.execute(
        update(DELIVERIES)
        .where(
            DELIVERIES.c.endpoint == endpoint,
            DELIVERIES.c.type == ENDPOINT_PINGED,
            DELIVERIES.c.state.in_(("pending", "retrying")),
        )
        .values(state="cancelled", ended_at=timestamp(unit.now))
    )
