"""Sending one message again, because somebody asks for it.

*Never:* a mail; a second copy of a digest would be the duplicate that promise 9 rules out.
"""

from sqlalchemy import select, update

from services.chassis.runtime import timestamp
from services.chassis.web.operation import Answer, Unit
from services.notifications.commands.recovering import WANTED, make_anew
from services.notifications.queries.finding import require_here
from services.notifications.queries.reading import delivery_json
from services.notifications.rules import rights
from services.notifications.rules.problems import DeliveryUnderWay, EndpointNotActive
from services.notifications.tables import DELIVERIES, ENDPOINTS, SUBSCRIPTIONS

ENDED = frozenset({"delivered", "exhausted", "cancelled"})


async def replay_delivery(unit: Unit, *, delivery: str) -> Answer:
    """Send a webhook again under its own id, to the endpoint that its subscription has now; 202.

    One that did not arrive and names a deadline which holds no more is made anew first.

    Raises NotFound, Forbidden, OrganisationErased, OrganisationWithdrawn, DeliveryUnderWay, EndpointNotActive.
    """
    query = select(DELIVERIES).where(DELIVERIES.c.id == delivery)
    found = rights.to_change(unit.principal, (await unit.connection.execute(query)).mappings().first())
    await require_here(unit.connection, found["organisation"])  # held before its rows, as by an erasure
    locked = (await unit.connection.execute(query.with_for_update())).mappings().first()
    row = rights.to_change(unit.principal, locked)
    if row["channel"] != "webhook" or row["state"] not in ENDED or row["body"] is None:
        raise DeliveryUnderWay
    wanted = select(DELIVERIES.c.id).where(DELIVERIES.c.id == delivery, WANTED)
    if (await unit.connection.scalar(wanted)) is None:
        raise DeliveryUnderWay
    of_subscription = select(SUBSCRIPTIONS.c.endpoint).where(SUBSCRIPTIONS.c.id == row["subscription"])
    endpoint = await unit.connection.scalar(of_subscription) or row["endpoint"]
    state = await unit.connection.scalar(select(ENDPOINTS.c.state).where(ENDPOINTS.c.id == endpoint))
    if state != "active":
        raise EndpointNotActive
    changed = {
        "endpoint": endpoint,
        "state": "pending",
        "earlier": row["attempts"],
        "due_at": timestamp(unit.now),
        "ended_at": None,
    }
    this = DELIVERIES.c.id == delivery
    if row["state"] == "delivered" or not await make_anew(unit.connection, this, now=timestamp(unit.now)):
        await unit.connection.execute(update(DELIVERIES).where(this).values(changed))
    await unit.audit(action="delivery.replayed", subject=delivery, before=None, after=None)
    return Answer(
        status=202,
        body=delivery_json({**row, **changed}),
        headers={"Location": f"/v1/deliveries/{delivery}"},
    )
