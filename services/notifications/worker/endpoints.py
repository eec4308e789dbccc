"""What tries tell of an endpoint: it is verified, it fails, it is given up; and its people hear of it.

*What.* In the transaction that records tries: the endpoint's row, and the messages about the endpoint itself, to the
endpoint's contact, the organisation's other endpoints and confirmed addresses. *Why there.* An endpoint that fails cannot be
told so itself. That it has failed for a day is told between two tries too, for they are up to a day apart. *Why outages.*
Weeks may lie between two messages, and nobody saw what was between: a failure long after the last one begins another outage,
which has to last for a day itself before what failed earlier counts with it. *Never:* give an endpoint up because of one
message; five days and ten failures are asked for, or a 410; or take the answer of an address that the endpoint has left for
one of its own.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.webhooks.notifications import ENDPOINT_DISABLED, ENDPOINT_FAILING, ENDPOINT_PINGED
from services.chassis.database import insert_for
from services.chassis.runtime import Runtime, timestamp
from services.notifications.commands.queueing import delivery_row, event_row
from services.notifications.mail.letters import endpoint_letter
from services.notifications.queries.finding import name_of
from services.notifications.rules.identifiers import identifier_of
from services.notifications.rules.keys import OF_CONTACT, keys_of
from services.notifications.rules.schedule import (
    LONGEST_APART,
    LONGEST_WAIT,
    UNSIGNED,
    WARN_AFTER,
    gives_up,
    warns,
)
from services.notifications.tables import DELIVERIES, ENDPOINTS, ORGANISATIONS, SUBSCRIPTIONS
from services.notifications.worker.cycles import here

if TYPE_CHECKING:
    from services.notifications.worker.dispatch import Ended

ADDRESSES_TOLD = 5
WHY_UNSIGNED = "Its secret cannot be opened any more, so nothing can be signed. Make a new one, then ping it."


async def note(connection: AsyncConnection, runtime: Runtime, ended: "Sequence[Ended]") -> None:
    """Write what these tries say about their endpoints; of one that has moved meanwhile they say nothing."""
    by_address: dict[tuple[str, str], list[Ended]] = {}
    for one in ended:
        if one.row["endpoint"] is not None:
            by_address.setdefault((one.row["endpoint"], one.row["url"]), []).append(one)
    if not by_address:
        return
    failing = ENDPOINTS.c.failing_since.is_not(None) & ENDPOINTS.c.id.in_({name for name, _ in by_address})
    failed_before = set(await connection.scalars(select(ENDPOINTS.c.id).where(failing)))
    for (identifier, url), tries in sorted(
        by_address.items()
    ):  # in one order, so that no two wait for each other
        tried = (ENDPOINTS.c.id == identifier) & (ENDPOINTS.c.url == url)
        if all(one.outcome.delivered for one in tries) and not any(
            one.row["type"] == ENDPOINT_PINGED for one in tries
        ):
            if identifier in failed_before:
                await connection.execute(
                    update(ENDPOINTS)
                    .where(tried, ENDPOINTS.c.state == "active")
                    .values(failing_since=None, failures=0, warned_at=None, reason=None)
                )
            continue
        locked = select(ENDPOINTS).where(tried).with_for_update()
        row = (await connection.execute(locked)).mappings().first()
        if row is not None:
            await _judge(connection, runtime, dict(row), tries)


async def _judge(
    connection: AsyncConnection, runtime: Runtime, row: dict[str, Any], tries: "Sequence[Ended]"
) -> None:
    before = dict(row)
    for one in sorted(tries, key=lambda one: one.at):
        if one.outcome.delivered:
            row |= {"failing_since": None, "failures": 0, "warned_at": None}
            if one.row["type"] == ENDPOINT_PINGED:
                # Nothing else ends a wait that the receiver asked for: what arrives meanwhile was on its way before.
                row["not_before"] = None
                if row["state"] in {"pending", "disabled"}:
                    row["state"] = "active"
            if row["state"] == "active":
                row["reason"] = None
        else:
            await _count(connection, runtime, row, one)
    changed = {name: value for name, value in row.items() if before[name] != value}
    if changed.keys() & {"state"}:
        changed |= {"revision": row["revision"] + 1, "changed_at": timestamp(tries[-1].at)}
    if changed:
        await connection.execute(update(ENDPOINTS).where(ENDPOINTS.c.id == row["id"]).values(changed))


async def _count(connection: AsyncConnection, runtime: Runtime, row: dict[str, Any], one: "Ended") -> None:
    """Count a failure into the endpoint's row, and act on what that comes to."""
    moment = timestamp(one.at)
    last = row["failed_at"]
    if row["failures"] == 0 or last is None or one.at - datetime.fromisoformat(last) > LONGEST_APART:
        row |= {"outage_since": moment, "warned_at": None}
    row["failures"] += 1
    row["failing_since"] = row["failing_since"] or moment
    row["failed_at"] = moment
    if one.outcome.retry_after is not None:
        wait = min(timedelta(seconds=one.outcome.retry_after), LONGEST_WAIT)
        row["not_before"] = max(row["not_before"] or "", timestamp(one.at + wait))
    if one.outcome.error == UNSIGNED:
        row["reason"] = WHY_UNSIGNED
    if row["state"] != "active":
        return
    if one.outcome.error != UNSIGNED:
        row["reason"] = None
    since = datetime.fromisoformat(row["failing_since"])
    lasts = warns(outage_since=datetime.fromisoformat(row["outage_since"]), now=one.at)
    if one.outcome.status == 410:
        row |= {"state": "disabled", "reason": "It answered 410 Gone."}
    elif lasts and gives_up(failing_since=since, failures=row["failures"], now=one.at):
        row |= {"state": "disabled", "reason": row["reason"] or "It failed for five days."}
    elif lasts and row["warned_at"] is None:
        row["warned_at"] = moment
        await tell(connection, runtime, row, ENDPOINT_FAILING, now=one.at)
    if row["state"] == "disabled":
        await _give_up(connection, runtime, row, now=one.at)


async def step(runtime: Runtime) -> int:
    """Tell of endpoints that have failed for a day and whose next try is hours away; returns how many those were."""
    now = runtime.clock.now()
    waits = select(DELIVERIES.c.id).where(
        DELIVERIES.c.endpoint == ENDPOINTS.c.id, DELIVERIES.c.state == "retrying"
    )
    untold = select(ENDPOINTS).where(
        ENDPOINTS.c.state == "active",
        ENDPOINTS.c.warned_at.is_(None),
        ENDPOINTS.c.failing_since.is_not(None),
        ENDPOINTS.c.outage_since <= timestamp(now - WARN_AFTER),
        ENDPOINTS.c.failed_at > timestamp(now - LONGEST_APART),
        waits.exists(),
    )
    async with runtime.database.read() as connection:
        found = (await connection.scalars(untold.with_only_columns(ENDPOINTS.c.id))).all()
    for endpoint in found:
        async with runtime.database.write() as connection:
            locked = untold.where(ENDPOINTS.c.id == endpoint).with_for_update(of=ENDPOINTS)
            row = (await connection.execute(locked)).mappings().first()
            if row is not None:
                await connection.execute(
                    update(ENDPOINTS).where(ENDPOINTS.c.id == endpoint).values(warned_at=timestamp(now))
                )
                await tell(connection, runtime, dict(row), ENDPOINT_FAILING, now=now)
    return len(found)


async def _give_up(
    connection: AsyncConnection, runtime: Runtime, row: Mapping[str, Any], *, now: datetime
) -> None:
    await connection.execute(
        update(DELIVERIES)
        .where(DELIVERIES.c.endpoint == row["id"], DELIVERIES.c.state.in_(("pending", "retrying")))
        .values(state="cancelled", ended_at=timestamp(now))
    )
    await tell(connection, runtime, row, ENDPOINT_DISABLED, now=now)


async def tell(
    connection: AsyncConnection, runtime: Runtime, row: Mapping[str, Any], kind: str, *, now: datetime
) -> None:
    """Queue the news of an endpoint to its contact, and to the organisation's other active endpoints and addresses.

    An organisation that has withdrawn is told nothing.
    """
    withdrawn = select(ORGANISATIONS.c.id).where(ORGANISATIONS.c.id == row["organisation"], ~here())
    if (await connection.scalar(withdrawn)) is not None:
        return
    others = await connection.scalars(
        select(ENDPOINTS.c.id).where(
            ENDPOINTS.c.organisation == row["organisation"],
            ENDPOINTS.c.id != row["id"],
            ENDPOINTS.c.state == "active",
        )
    )
    queued = [
        event_row(row, kind, to=other, now=now, identifier=_identifier(row, kind, other)) for other in others
    ]
    queued += await _mails(connection, runtime, row, kind, now=now)
    if queued:
        once = insert_for(connection, DELIVERIES).on_conflict_do_nothing(index_elements=["id"])
        await connection.execute(once, queued)


def _identifier(row: Mapping[str, Any], kind: str, to: str) -> str:
    """Return the id of the news that an endpoint has failed since then, to one that hears it."""
    return identifier_of(kind, row["id"], row["outage_since"] or "", to)


async def _mails(
    connection: AsyncConnection, runtime: Runtime, row: Mapping[str, Any], kind: str, *, now: datetime
) -> list[dict[str, Any]]:
    """Return the mails with the news of an endpoint, one for each address: its contact's, and those of subscriptions."""
    keys, organisation = keys_of(runtime.state), row["organisation"]
    name = await name_of(connection, organisation)

    def mail(language: str, *, token: str | None = None, **to: str) -> dict[str, Any]:
        letter = endpoint_letter(
            runtime.settings, kind=kind, language=language, endpoint=row, organisation=name, token=token
        )
        return delivery_row(
            organisation=organisation,
            channel="email",
            kind=kind,
            body=letter.encoded(),
            place=keys.place(kind, *to.values()),
            now=now,
            identifier=_identifier(row, kind, *to.values()),
            **to,
        )

    contact = row["contact_email"] if row["contact_confirmed_at"] is not None else None
    mails: dict[str, dict[str, Any]] = {}
    if contact is not None:
        leave = keys.link("unsubscribe" + OF_CONTACT, row["id"], email=contact)
        mails[contact.lower()] = mail(row["contact_language"], token=leave, contact_of=row["id"])
    confirmed = (
        select(SUBSCRIPTIONS.c.id, SUBSCRIPTIONS.c.language, SUBSCRIPTIONS.c.email)
        .where(
            SUBSCRIPTIONS.c.organisation == organisation,
            SUBSCRIPTIONS.c.channel == "email",
            SUBSCRIPTIONS.c.state == "active",
        )
        .order_by(SUBSCRIPTIONS.c.created_at)
    )
    for one in await connection.execute(confirmed):
        if len(mails) < ADDRESSES_TOLD and one.email.lower() not in mails:
            mails[one.email.lower()] = mail(one.language, subscription=one.id)
    return list(mails.values())
