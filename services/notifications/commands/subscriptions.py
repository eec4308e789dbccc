"""Subscriptions: saved, opted into, confirmed, paused, ended.

*What.* A subscription sends nothing before somebody opted in, and no mail before its address said yes. *Why ended and not
deleted.* What was told is told once, also to who comes back under the same id. *Never:* opt somebody in.
"""

from typing import Any

import orjson
from sqlalchemy import func, insert, select, update

from schemas.http.notifications import Cadence, SubscriptionBody, SubscriptionState
from services.chassis.database import hold
from services.chassis.runtime import timestamp
from services.chassis.web.operation import Answer, Unit
from services.chassis.web.problems import ErrorEntry, Forbidden, InvalidBody
from services.notifications.commands.asking import ask_for_confirmation, question_stands, suppression_fault
from services.notifications.commands.following import follow, keep_hours
from services.notifications.commands.leaving import cancel_messages, cancel_unsent, hold_unsent, put_back
from services.notifications.commands.narrowing import look_again, take_back_unasked
from services.notifications.queries.finding import require_here
from services.notifications.queries.reading import Row, quiet_of, subscription_json
from services.notifications.rules import rights
from services.notifications.rules.cadence import next_digest, released
from services.notifications.rules.conditions import unknown_codes
from services.notifications.rules.problems import TooManyEndpoints
from services.notifications.tables import DELIVERIES, ENDPOINTS, NOTICES, SUBSCRIPTIONS

MOST_SUBSCRIPTIONS = 100
HOURS = ("cadence", "quiet", "time_zone")
"""What says when a subscription is told."""


async def put_subscription(unit: Unit, *, subscription: str, body: SubscriptionBody) -> Answer:
    """Save or replace a subscription; 201 for a new one. Mails begin once the address has confirmed.

    Raises Forbidden, OrganisationErased, OrganisationWithdrawn, InvalidBody (all faults at once), TooManyEndpoints,
    PreconditionRequired, StaleRevision.
    """
    organisation = rights.organisation_to_change(unit.principal, body.organisation)
    await require_here(unit.connection, organisation)
    query = select(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.id == subscription).with_for_update()
    found = (await unit.connection.execute(query)).mappings().first()
    before: Row | None = None if found is None else dict(found)
    if before is not None and before["organisation"] != organisation:
        raise Forbidden("This id belongs to another organisation's subscription.")
    unit.check_match(None if before is None else before["revision"])
    row = _row(unit, subscription, organisation, body, before)
    faults = await _faults(unit, body, before, row)
    if faults:
        raise InvalidBody(" ".join(fault["detail"] for fault in faults), errors=faults)
    if before is None or before["state"] == "ended":
        await hold(unit.connection, f"subscriptions {organisation}")
        count = select(func.count()).where(
            SUBSCRIPTIONS.c.organisation == organisation, SUBSCRIPTIONS.c.state != "ended"
        )
        if (await unit.connection.scalar(count) or 0) >= MOST_SUBSCRIPTIONS:
            raise TooManyEndpoints
    if before is None:
        await unit.connection.execute(insert(SUBSCRIPTIONS).values(row))
    else:
        await unit.connection.execute(
            update(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.id == subscription).values(row)
        )
    await _settle(unit, before, row)
    await unit.audit(
        action="subscription.saved",
        subject=subscription,
        before=None if before is None else before["revision"],
        after=row["revision"],
        details={"state": row["state"], "channel": row["channel"]},
    )
    new = before is None
    shown = subscription_json(row, addresses=True)
    location = {"Location": f"/v1/subscriptions/{subscription}"} if new else {}
    return Answer(status=201 if new else 200, body=shown, revision=row["revision"], headers=location)


async def _settle(unit: Unit, before: Row | None, row: Row) -> None:
    """Do with what waits what the saved row says: send it where it says, or not at all; ask an address that is new."""
    subscription, now = row["id"], timestamp(unit.now)
    if before is not None and (before["conditions"] != row["conditions"] or before["state"] == "paused"):
        asked_for = await take_back_unasked(
            unit.connection, row, unit.runtime.state["reference"], now=unit.now
        )  # during a pause it left without a word
        if row["state"] in {"active", "unconfirmed"}:
            await look_again(unit, row, asked_for)
    if row["state"] not in {"active", "unconfirmed"}:
        unsent = hold_unsent if row["state"] == "paused" else cancel_unsent
        await unsent(unit.connection, subscription=subscription, now=now)
        return
    if before is not None:
        if before["state"] == "paused" or before["language"] != row["language"]:
            await put_back(unit.connection, NOTICES.c.subscription == subscription, now=now)
        about = DELIVERIES.c.subscription == subscription
        due = timestamp(released(unit.now, quiet_of(row), row["time_zone"]))
        await follow(unit.connection, about, now=now, subscriptions=[subscription], due=due)
        if any(before[name] != row[name] for name in HOURS):
            hour = next_digest(unit.now, row["cadence"], quiet_of(row), row["time_zone"])
            await keep_hours(unit.connection, subscription, due=timestamp(hour))
    if await _asks(unit, before, row):
        await cancel_messages(unit.connection, subscription=subscription, now=now)
        await ask_for_confirmation(unit, row)


async def _asks(unit: Unit, before: Row | None, row: Row) -> bool:
    """Whether saving this has its address asked."""
    return row["state"] == "unconfirmed" and not await question_stands(unit, before, row)


async def end_subscription(unit: Unit, *, subscription: str) -> Answer:
    """End a subscription: nothing more is sent, and its address is forgotten; 204."""
    row = await _held(unit, subscription)
    unit.check_match(row["revision"])
    await end(unit, row, action="subscription.ended")
    return Answer(status=204)


async def _held(unit: Unit, subscription: str) -> Row:
    query = select(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.id == subscription, SUBSCRIPTIONS.c.state != "ended")
    found = (await unit.connection.execute(query.with_for_update())).mappings().first()
    return rights.to_change(unit.principal, found)


async def end(unit: Unit, row: Row, *, action: str) -> None:
    """End a subscription whose row is locked, with one row of the audit trail that says by what."""
    now, after = timestamp(unit.now), row["revision"] + 1
    await unit.connection.execute(
        update(SUBSCRIPTIONS)
        .where(SUBSCRIPTIONS.c.id == row["id"])
        .values(state="ended", email=None, next_digest_at=None, changed_at=now, revision=after)
    )
    await cancel_unsent(unit.connection, subscription=row["id"], now=now)
    await unit.audit(action=action, subject=row["id"], before=row["revision"], after=after)


def _row(
    unit: Unit, subscription: str, organisation: str, body: SubscriptionBody, before: Row | None
) -> dict[str, Any]:
    now = timestamp(unit.now)
    kept = before is not None and before["email"] == body.email and before["confirmed_at"] is not None
    confirmed = before["confirmed_at"] if before is not None and kept else None
    opted_in = before["opted_in_at"] if before is not None and before["state"] != "ended" else None
    cadence: Cadence = body.cadence or ("weekly" if body.channel == "email" else "instant")
    row = {
        "id": subscription,
        "organisation": organisation,
        "revision": 1 if before is None else before["revision"] + 1,
        "state": _state(body, confirmed=confirmed is not None),
        "channel": body.channel,
        "endpoint": None if body.endpoint is None else str(body.endpoint),
        "email": body.email,
        "language": body.language,
        "cadence": cadence,
        "weekly_cap": _cap(unit, body),
        "conditions": orjson.dumps(
            body.conditions.model_dump(mode="json", exclude_defaults=True), option=orjson.OPT_SORT_KEYS
        ),
        "quiet": None
        if body.quiet_hours is None
        else orjson.dumps(body.quiet_hours.model_dump(mode="json", by_alias=True)),
        "time_zone": body.time_zone,
        "next_digest_at": None,
        "opted_in_at": (opted_in or now) if body.opt_in else None,
        "confirmed_at": confirmed,
        "confirm_by": None,
        "lapsed_at": None,
        "refused_at": before["refused_at"] if before is not None and before["email"] == body.email else None,
        "created_at": now if before is None else before["created_at"],
        "changed_at": now,
    }
    if row["state"] == "active":
        if before is not None and kept and before["state"] == "active":
            row["confirm_by"] = before["confirm_by"]
        held = before is not None and before["next_digest_at"] is not None
        row["next_digest_at"] = first_digest(unit, row, held=held)
        if before is not None and before["state"] == "active" and _same_hours(before, row):
            hours = (before["next_digest_at"], row["next_digest_at"])
            row["next_digest_at"] = None if None in hours else min(hours)  # none that has come is put off
    return row


def _same_hours(before: Row, row: Row) -> bool:
    return all(before[name] == row[name] for name in ("channel", *HOURS))


def _state(body: SubscriptionBody, *, confirmed: bool) -> SubscriptionState:
    if not body.opt_in:
        return "saved"
    if body.paused:
        return "paused"
    return "active" if body.channel != "email" or confirmed else "unconfirmed"


def _cap(unit: Unit, body: SubscriptionBody) -> int | None:
    if body.channel != "email":
        return None
    return body.weekly_cap or unit.runtime.settings.notifications.weekly_cap


async def holds_news(unit: Unit, subscription: str) -> bool:
    """Whether news of a subscription waits for its next digest."""
    ready = select(NOTICES.c.id).where(NOTICES.c.subscription == subscription, NOTICES.c.state == "ready")
    return (await unit.connection.scalar(ready.limit(1))) is not None


def first_digest(unit: Unit, row: Row, *, held: bool) -> str | None:
    """Return when the first digest is due; one that is told at once waits for news, unless news is `held` already."""
    if row["channel"] != "email" or row["refused_at"] is not None:
        return None
    if row["cadence"] == "instant" and not held:
        return None
    return timestamp(next_digest(unit.now, row["cadence"], quiet_of(row), row["time_zone"]))


async def _faults(unit: Unit, body: SubscriptionBody, before: Row | None, row: Row) -> list[ErrorEntry]:
    faults = unknown_codes(body.conditions.model_dump(), unit.runtime.state["reference"])
    if body.endpoint is not None:
        query = select(ENDPOINTS.c.id).where(
            ENDPOINTS.c.id == str(body.endpoint),
            ENDPOINTS.c.organisation == row["organisation"],
            ENDPOINTS.c.state != "deleted",
        )
        if (await unit.connection.scalar(query)) is None:
            faults.append(
                {
                    "pointer": "/endpoint",
                    "rule": "endpoint-known",
                    "detail": "The organisation has no such endpoint.",
                    "fix": "Register it by POST /v1/endpoints first.",
                }
            )
    if await _asks(unit, before, row):
        suppressed = await suppression_fault(unit, row["email"], pointer="/email")
        faults += [] if suppressed is None else [suppressed]
    return faults
