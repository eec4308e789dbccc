"""Endpoints: made with a secret, pinged, changed, rotated, removed.

*What.* A new address, or a changed one, must answer a ping before anything is sent to it. *Why two secrets.* During a
rotation both sign, so a receiver changes over without losing a message. *Never:* send; a ping is a delivery row like
any other.
"""

from datetime import datetime, timedelta
from typing import Any

import uuid_utils
from sqlalchemy import and_, delete, func, insert, or_, select, update

from schemas.http.endpoints import EndpointBody
from schemas.webhooks.notifications import ENDPOINT_PINGED, ENDPOINT_TESTED
from services.chassis.database import hold
from services.chassis.runtime import timestamp
from services.chassis.web.operation import Answer, Unit
from services.chassis.web.problems import InvalidBody
from services.notifications.commands.contacts import contact_asked
from services.notifications.commands.leaving import NO_CONTACT, UNENDED, cancel_mails_to_contact
from services.notifications.commands.pinging import cancel_pings, ping
from services.notifications.commands.queueing import event_row
from services.notifications.commands.recovering import WANTED, make_anew
from services.notifications.queries.finding import require_here, secrets_of
from services.notifications.queries.reading import endpoint_json
from services.notifications.rules import rights
from services.notifications.rules.addresses import Reach
from services.notifications.rules.keys import keys_of, new_secret
from services.notifications.rules.problems import EndpointInUse, EndpointNotActive, TooManyEndpoints
from services.notifications.rules.redaction import shortened
from services.notifications.tables import ATTEMPTS, DELIVERIES, ENDPOINTS, SECRETS, SUBSCRIPTIONS

MOST_ENDPOINTS = 10
MOST_SECRETS = 5
"""Live secrets of an endpoint; each signs every message."""
REACH = "reach"


async def create_endpoint(unit: Unit, *, body: EndpointBody) -> Answer:
    """Register an endpoint with its first secret, and ping it; 201.

    Raises Forbidden, OrganisationErased, OrganisationWithdrawn, InvalidBody, TooManyEndpoints.
    """
    organisation = rights.organisation_to_change(unit.principal, body.organisation)
    await require_here(unit.connection, organisation)
    _check_url(unit, body.url)
    await hold(unit.connection, f"endpoints {organisation}")
    count = select(func.count()).where(
        ENDPOINTS.c.organisation == organisation, ENDPOINTS.c.state != "deleted"
    )
    if (await unit.connection.scalar(count) or 0) >= MOST_ENDPOINTS:
        raise TooManyEndpoints
    now = timestamp(unit.now)
    row: dict[str, Any] = {
        "id": str(uuid_utils.uuid7()),
        "organisation": organisation,
        "revision": 1,
        "state": "paused" if body.paused else "pending",
        "reason": None,
        "url": body.url,
        "description": body.description,
        "failing_since": None,
        "failures": 0,
        "created_at": now,
        "changed_at": now,
    }
    row |= await contact_asked(unit, None, row, body)
    await unit.connection.execute(insert(ENDPOINTS).values(row))
    _, secret = await _add_secret(unit, row["id"])
    if not body.paused:
        await ping(unit, row)
    await unit.audit(action="endpoint.created", subject=row["id"], before=None, after=1)
    shown = await _shown(unit, row)
    return Answer(
        status=201,
        body=shown | {"secret": secret},
        stored=shown | {"secret": None},
        revision=1,
        headers={"Location": f"/v1/endpoints/{row['id']}"},
    )


async def put_endpoint(unit: Unit, *, endpoint: str, body: EndpointBody) -> Answer:
    """Replace address, description, contact and whether it is paused; a new address is pinged anew, a new contact asked.

    Raises NotFound, Forbidden, OrganisationWithdrawn, InvalidBody, PreconditionRequired, StaleRevision.
    """
    before = await _locked(unit, endpoint)
    await require_here(unit.connection, before["organisation"], hold=False)
    unit.check_match(before["revision"])
    url = before["url"] if body.url == shortened(before["url"]) else body.url
    _check_url(unit, url)
    moved = url != before["url"]
    state = before["state"]
    if body.paused:
        state = "paused"
    elif moved or state == "paused":
        state = "pending"
    row = before | {
        "url": url,
        "description": body.description,
        "state": state,
        "revision": before["revision"] + 1,
        "changed_at": timestamp(unit.now),
    }
    if moved:
        row |= {"failing_since": None, "failures": 0, "warned_at": None, "not_before": None, "reason": None}
    row |= await contact_asked(unit, before, row, body)
    await unit.connection.execute(update(ENDPOINTS).where(ENDPOINTS.c.id == endpoint).values(row))
    if moved or body.paused:
        await cancel_pings(unit, endpoint)
    if state == "pending":
        await ping(unit, row)
    await unit.audit(
        action="endpoint.changed", subject=endpoint, before=before["revision"], after=row["revision"]
    )
    return Answer(body=await _shown(unit, row), revision=row["revision"])


async def delete_endpoint(unit: Unit, *, endpoint: str) -> Answer:
    """Remove an endpoint, its secrets, and what was still to be sent to it; 204.

    Raises NotFound, Forbidden, EndpointInUse, PreconditionRequired, StaleRevision.
    """
    before = await _locked(unit, endpoint)
    unit.check_match(before["revision"])
    used = select(SUBSCRIPTIONS.c.id).where(
        SUBSCRIPTIONS.c.endpoint == endpoint, SUBSCRIPTIONS.c.state != "ended"
    )
    if (await unit.connection.scalar(used.limit(1))) is not None:
        raise EndpointInUse
    now = timestamp(unit.now)
    await unit.connection.execute(delete(SECRETS).where(SECRETS.c.endpoint == endpoint))
    await unit.connection.execute(
        update(DELIVERIES)
        .where(DELIVERIES.c.endpoint == endpoint, DELIVERIES.c.state.in_(UNENDED))
        .values(state="cancelled", ended_at=now)
    )
    await cancel_mails_to_contact(unit.connection, endpoint, now=now)
    after = before["revision"] + 1
    await unit.connection.execute(
        update(ENDPOINTS)
        .where(ENDPOINTS.c.id == endpoint)
        .values(state="deleted", url="", description=None, revision=after, changed_at=now, **NO_CONTACT)
    )
    await unit.audit(action="endpoint.deleted", subject=endpoint, before=before["revision"], after=after)
    return Answer(status=204)


async def ping_endpoint(unit: Unit, *, endpoint: str) -> Answer:
    """Queue a ping; once it is answered with 2xx, a pending or disabled endpoint is active; 202.

    Raises NotFound, Forbidden, OrganisationWithdrawn, TooManyRequests.
    """
    row = await _locked_to_send(unit, endpoint)
    return await _sent(unit, row, await ping(unit, row), action="endpoint.pinged")


async def test_endpoint(unit: Unit, *, endpoint: str) -> Answer:
    """Queue a signed example; 202. Raises NotFound, Forbidden, OrganisationWithdrawn, EndpointNotActive."""
    row = await _locked_to_send(unit, endpoint)
    if row["state"] != "active":
        raise EndpointNotActive
    queued = event_row(row, ENDPOINT_TESTED, to=row["id"], now=unit.now)
    await unit.connection.execute(insert(DELIVERIES).values(queued))
    return await _sent(unit, row, queued["id"], action="endpoint.tested")


async def rotate_secret(unit: Unit, *, endpoint: str, overlap_hours: int) -> Answer:
    """Make a new secret; those before sign beside it for a while, none for longer than it had; 201.

    Where the answer of a rotation was lost and it is asked for again, the receiver still has the one before both. Beyond
    `MOST_SECRETS` the oldest go. Raises NotFound, Forbidden.
    """
    row = await _locked(unit, endpoint)
    expires = timestamp(unit.now + timedelta(hours=overlap_hours))
    theirs = SECRETS.c.endpoint == endpoint
    newest_first = (
        select(SECRETS.c.id).where(theirs).order_by(SECRETS.c.created_at.desc(), SECRETS.c.id.desc())
    )
    signing = list(await unit.connection.scalars(newest_first.limit(MOST_SECRETS - 1)))
    over = or_(SECRETS.c.id.not_in(signing), SECRETS.c.expires_at <= timestamp(unit.now))
    await unit.connection.execute(delete(SECRETS).where(theirs, over))
    later = or_(SECRETS.c.expires_at.is_(None), SECRETS.c.expires_at > expires)
    await unit.connection.execute(update(SECRETS).where(theirs, later).values(expires_at=expires))
    newest, secret = await _add_secret(unit, endpoint)
    await unit.audit(
        action="endpoint.secret_rotated", subject=endpoint, before=row["revision"], after=row["revision"]
    )
    shown = {"id": newest, "earlier_expires_at": expires}
    return Answer(status=201, body=shown | {"secret": secret}, stored=shown | {"secret": None})


async def recover_endpoint(unit: Unit, *, endpoint: str, since: str) -> Answer:
    """Queue every message that was made, tried or given up since a moment and has not arrived; what waits for its next try too.

    A message is made before it is first tried, with a cadence long before. Not those that are not `WANTED`.

    Raises NotFound, Forbidden, OrganisationWithdrawn, EndpointNotActive.
    """
    row = await _locked_to_send(unit, endpoint)
    if row["state"] != "active":
        raise EndpointNotActive
    moment = timestamp(datetime.fromisoformat(since))
    tried_since = (
        select(ATTEMPTS.c.number)
        .where(ATTEMPTS.c.delivery == DELIVERIES.c.id, ATTEMPTS.c.ended_at >= moment)
        .exists()
    )
    missed = and_(
        DELIVERIES.c.endpoint == endpoint,
        or_(DELIVERIES.c.created_at >= moment, DELIVERIES.c.ended_at >= moment, tried_since),
        DELIVERIES.c.state.in_(("exhausted", "cancelled", "retrying")),
        DELIVERIES.c.body.is_not(None),
        DELIVERIES.c.type != ENDPOINT_PINGED,
        WANTED,
    )
    anew = await make_anew(unit.connection, missed, now=timestamp(unit.now))
    queued = await unit.connection.execute(
        update(DELIVERIES)
        .where(missed)
        .values(state="pending", earlier=DELIVERIES.c.attempts, due_at=timestamp(unit.now), ended_at=None)
    )
    await unit.audit(
        action="endpoint.recovered",
        subject=endpoint,
        before=row["revision"],
        after=row["revision"],
        details={"since": since, "messages": anew + queued.rowcount},
    )
    return Answer(body={"messages": anew + queued.rowcount})


async def _locked_to_send(unit: Unit, endpoint: str) -> dict[str, Any]:
    """Return an endpoint that is to be sent something, held after its organisation, so that this does not withdraw meanwhile."""
    found = (await unit.connection.execute(select(ENDPOINTS).where(ENDPOINTS.c.id == endpoint))).mappings()
    row = rights.to_change(unit.principal, found.first())
    await require_here(unit.connection, row["organisation"])
    return await _locked(unit, endpoint)


async def _locked(unit: Unit, endpoint: str) -> dict[str, Any]:
    query = select(ENDPOINTS).where(ENDPOINTS.c.id == endpoint, ENDPOINTS.c.state != "deleted")
    found = (await unit.connection.execute(query.with_for_update())).mappings().first()
    return rights.to_change(unit.principal, found)


async def _shown(unit: Unit, row: dict[str, Any]) -> dict[str, Any]:
    secrets = await secrets_of(unit.connection, row["id"], now=timestamp(unit.now))
    return endpoint_json(row, secrets, reader=unit.principal)


async def _add_secret(unit: Unit, endpoint: str) -> tuple[str, str]:
    """Make a secret that has no end yet; returns its id and the secret itself, which is told this once."""
    keys = keys_of(unit.runtime.state)
    identifier, secret = str(uuid_utils.uuid7()), new_secret()
    await unit.connection.execute(
        insert(SECRETS).values(
            id=identifier,
            endpoint=endpoint,
            sealed=keys.seal(secret),
            created_at=timestamp(unit.now),
        )
    )
    return identifier, secret


async def _sent(unit: Unit, row: dict[str, Any], identifier: str, *, action: str) -> Answer:
    await unit.audit(action=action, subject=row["id"], before=row["revision"], after=row["revision"])
    return Answer(status=202, body={"id": identifier}, headers={"Location": f"/v1/deliveries/{identifier}"})


def _check_url(unit: Unit, url: str) -> None:
    reach: Reach = unit.runtime.state[REACH]
    refusal = reach.refusal_of_url(url)
    if refusal is not None:
        rule, detail, fix = refusal
        raise InvalidBody.at("/url", rule, detail=detail, fix=fix)
