"""The dispatcher: messages that are due are claimed, tried, and what became of them is written down.

*What.* One turn records what has ended and claims what is due, in one transaction: a try is a row before its first
packet leaves. Tries run side by side, bounded in this process (`slots`), and by endpoint over all (`pacing`). *Why claims
that run out.* A process that was killed leaves tries without an end; who finds them writes "interrupted" and sends again under the same
id, so every repeat on the wire is explained by a row. A mail that may have been handed over is not repeated. *Why every
fault is an outcome.* A try that ended unrecorded would come again without end. *Never:* decide when to try again
(`rules.schedule`), or make a message.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any

from aiohttp import ClientSession
from sqlalchemy import ColumnElement, and_, bindparam, case, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.webhooks.notifications import ENDPOINT_PINGED
from services.chassis.database import DatabaseAway
from services.chassis.runtime import Runtime, timestamp
from services.chassis.telemetry import log_of
from services.notifications.commands.following import follow
from services.notifications.commands.leaving import cancel_unwanted, forget_responses
from services.notifications.mail.letters import CONFIRMATION
from services.notifications.queries.reading import quiet_of
from services.notifications.rules.cadence import released
from services.notifications.rules.keys import SealBroken, keys_of
from services.notifications.rules.schedule import FAULT, UNSIGNED, Outcome, most_tries, next_try
from services.notifications.tables import ATTEMPTS, DELIVERIES, ENDPOINTS, SECRETS, SUBSCRIPTIONS
from services.notifications.worker import endpoints, interrupted, mailing, pacing, webhooks
from services.notifications.worker.pacing import LEASE, Pace, Share
from services.notifications.worker.slots import MAILS, Slots
from services.notifications.worker.untaken import keep_news, take_up_again

DUE = "notifications.due"
"""The signal that something may be due."""
CLAIMED_AT_ONCE = 200
GATHER_SECONDS = 0.005
"""How long a turn waits for others that end with it, so that one transaction records them all."""

_CLAIM = (
    update(DELIVERIES)
    .where(DELIVERIES.c.id == bindparam("this_id"))
    .values(state="sending", attempts=bindparam("new_attempts"), claimed_until=bindparam("new_until"))
)
_PUT_OFF = (
    update(DELIVERIES).where(DELIVERIES.c.id == bindparam("this_id")).values(due_at=bindparam("new_due_at"))
)
_END_TRY = (
    update(ATTEMPTS)
    .where(ATTEMPTS.c.delivery == bindparam("this_id"), ATTEMPTS.c.number == bindparam("this_number"))
    .values(
        ended_at=func.coalesce(ATTEMPTS.c.ended_at, bindparam("new_ended_at")),
        outcome=func.coalesce(ATTEMPTS.c.outcome, bindparam("new_outcome")),  # interrupted is so for ever
        error=bindparam("new_error"),
        status=bindparam("new_status"),
        milliseconds=bindparam("new_milliseconds"),
        response=bindparam("new_response"),
    )
)
_END = (
    update(DELIVERIES)
    .where(
        DELIVERIES.c.id == bindparam("this_id"),
        DELIVERIES.c.state == "sending",
        DELIVERIES.c.attempts
        == bindparam("this_number"),  # a try whose claim ran out decides nothing any more
    )
    .values(
        state=bindparam("new_state"),
        due_at=bindparam("new_due_at"),
        ended_at=bindparam("new_ended_at"),
        claimed_until=None,
    )
)

_CONTACTS = ENDPOINTS.alias("contacts")
_ADDRESS = case(
    (DELIVERIES.c.contact_of.is_(None), SUBSCRIPTIONS.c.email),
    (
        or_(DELIVERIES.c.type == CONFIRMATION, _CONTACTS.c.contact_confirmed_at.is_not(None)),
        _CONTACTS.c.contact_email,
    ),
)
"""Where a mail goes, as it stands when it leaves: no contact that has not said yes is sent more than the question."""


def may_go(moment: Any) -> ColumnElement[bool]:
    """Whether a message's endpoint, if it has one, takes it at this moment: it is active, and asked for no more time.

    What is held stays as it is and goes once the endpoint is verified. A ping always goes: it is how an endpoint comes back.
    """
    takes = and_(
        ENDPOINTS.c.state == "active", or_(ENDPOINTS.c.not_before.is_(None), ENDPOINTS.c.not_before <= moment)
    )
    return or_(DELIVERIES.c.endpoint.is_(None), DELIVERIES.c.type == ENDPOINT_PINGED, takes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A try that has ended and is not written down yet."""

    row: Mapping[str, Any]
    number: int
    at: datetime
    outcome: Outcome


@dataclass(slots=True)
class Dispatcher:
    """The dispatcher of one process."""

    runtime: Runtime
    session: ClientSession
    post: mailing.Post
    dice: random.Random = field(default_factory=random.SystemRandom)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _ended: list[Ended] = field(default_factory=list)
    _slots: Slots = field(init=False)

    def __post_init__(self) -> None:
        settings = self.runtime.settings
        self._slots = Slots(settings.notifications.concurrency, settings.mail.concurrency)

    async def run(self, stop: asyncio.Event) -> None:
        """Dispatch until `stop` is set; then let the tries under way end, and write them down."""
        waiting = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                mark = self.runtime.signals.mark(DUE)
                try:
                    moved = await self.turn()
                except DatabaseAway:
                    log_of("notifications").warning("messages wait: the database does not answer")
                    moved = 0
                if moved:
                    await asyncio.sleep(GATHER_SECONDS)
                    continue
                woken = asyncio.create_task(
                    self.runtime.signals.wait(
                        DUE, self.runtime.settings.notifications.poll_seconds, since=mark
                    )
                )
                await asyncio.wait({waiting, woken, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
                woken.cancel()
                with suppress(asyncio.CancelledError):
                    await woken
        finally:
            waiting.cancel()
            await self.finish()

    async def finish(self) -> None:
        """Wait for the tries under way and write down how they ended."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        with suppress(DatabaseAway):
            await self.turn(claim=False)

    async def turn(self, *, claim: bool = True) -> int:
        """Write down what has ended, and begin, or put off, what is due; returns how much that was."""
        room = self._slots.room(now=monotonic()) if claim else 0
        if room <= 0 and not self._ended:
            return 0
        now = self.runtime.clock.now()
        ended, self._ended = self._ended, []
        try:
            async with self.runtime.database.write() as connection:
                await self._record(connection, ended)
                claimed, put_off = await self._claim(connection, now, room) if room > 0 else ([], 0)
        except BaseException:
            self._ended = ended + self._ended
            raise
        for message in claimed:
            self._begin(message)
        return len(ended) + len(claimed) + put_off

    # What is due

    @property
    def _pace(self) -> Pace:
        return Pace.of(self.runtime.settings.notifications)

    async def _claim(
        self, connection: AsyncConnection, now: datetime, room: int
    ) -> tuple[list[dict[str, Any]], int]:
        """Return what was claimed, and how much was put off for quiet hours: the next turn finds what is due behind that."""
        await self._take_over(connection, now)
        pace = self._pace
        taken: list[dict[str, Any]] = []
        shares: dict[str, Share | None] = {}  # None: another process holds the endpoint
        parts = self._slots.parts(now=monotonic())
        full = set(parts.out)
        served = set(parts.served)  # whoever is not goes first, with one try each
        put_off = 0
        while len(taken) < room and not put_off:
            due = await self._due(connection, now, full | served, exclude=[one["id"] for one in taken])
            more = len(due) >= CLAIMED_AT_ONCE
            quiet = _in_quiet_hours(due, now)
            if quiet:
                await connection.execute(_PUT_OFF, quiet)
                put_off = len(quiet)
                held = {one["this_id"] for one in quiet}
                due = [row for row in due if row["id"] not in held]
            while due and len(taken) < room:
                chosen = pacing.at_most(due, pace, room=room - len(taken))
                asked = {row["endpoint"] for row in chosen} - {None} - shares.keys()
                shares |= dict.fromkeys(asked) | await pacing.held(connection, asked, pace, now)
                for row in chosen:
                    share = shares.get(row["endpoint"])
                    takes = row["endpoint"] is None or (share is not None and share.left)
                    if not takes or row["endpoint"] in served or not parts.take(row["endpoint"]):
                        continue
                    if share is None or share.take(row):
                        taken.append(dict(row))
                        if served and row["endpoint"] is not None:
                            served.add(row["endpoint"])
                full = {name for name, one in shares.items() if one is None or not one.left}
                full |= parts.out
                seen = {row["id"] for row in chosen}
                due = [row for row in due if row["id"] not in seen and (row["endpoint"] or MAILS) not in full]
            if not more and not served:
                break
            served.clear()
        if taken:
            await self._write_claims(connection, taken, now)
            tried = {row["endpoint"] for row in taken}
            await pacing.move_on(
                connection, {name: one for name, one in shares.items() if one is not None and name in tried}
            )
        return taken, put_off

    async def _due(
        self, connection: AsyncConnection, now: datetime, full: set[str], *, exclude: Sequence[str]
    ) -> Sequence[Mapping[str, Any]]:
        """Return what is due by the order of sending: each state apart, so that an index has them in order already."""
        found: list[Mapping[str, Any]] = []
        for state in ("pending", "retrying"):
            found += await self._due_in(connection, state, now, full, exclude=exclude)
        found.sort(key=lambda row: (row["due_at"], row["place"], row["id"]))
        return found

    async def _due_in(
        self,
        connection: AsyncConnection,
        state: str,
        now: datetime,
        full: set[str],
        *,
        exclude: Sequence[str],
    ) -> list[Mapping[str, Any]]:
        moment = timestamp(now)
        query = (
            select(
                DELIVERIES.c.id, DELIVERIES.c.channel, DELIVERIES.c.endpoint, DELIVERIES.c.subscription,
                DELIVERIES.c.due_at, DELIVERIES.c.place, DELIVERIES.c.body, DELIVERIES.c.attempts,
                DELIVERIES.c.earlier, DELIVERIES.c.type, DELIVERIES.c.organisation,
                ENDPOINTS.c.url, ENDPOINTS.c.state.label("endpoint_state"), _ADDRESS.label("email"),
                SUBSCRIPTIONS.c.quiet, SUBSCRIPTIONS.c.time_zone,
            )
            .outerjoin(ENDPOINTS, ENDPOINTS.c.id == DELIVERIES.c.endpoint)
            .outerjoin(SUBSCRIPTIONS, SUBSCRIPTIONS.c.id == DELIVERIES.c.subscription)
            .outerjoin(_CONTACTS, _CONTACTS.c.id == DELIVERIES.c.contact_of)
            .where(
                DELIVERIES.c.state == state,
                DELIVERIES.c.due_at <= moment,
                may_go(moment),
                pacing.has_room(self._pace, now),
            )
            .order_by(DELIVERIES.c.due_at, DELIVERIES.c.place, DELIVERIES.c.id)
            .limit(CLAIMED_AT_ONCE)
            .with_for_update(skip_locked=True, of=DELIVERIES)
        )  # fmt: skip
        if full:
            query = query.where(or_(DELIVERIES.c.endpoint.is_(None), DELIVERIES.c.endpoint.not_in(full)))
        if exclude:
            query = query.where(DELIVERIES.c.id.not_in(exclude))
        if not self.post.open or MAILS in full:
            query = query.where(DELIVERIES.c.channel != "email")
        return [dict(row) for row in (await connection.execute(query)).mappings()]

    async def _write_claims(
        self, connection: AsyncConnection, taken: list[dict[str, Any]], now: datetime
    ) -> None:
        keys = keys_of(self.runtime.state)
        wanted = {row["endpoint"] for row in taken if row["endpoint"] is not None}
        secrets: dict[str, list[str]] = {}
        if wanted:
            live = select(SECRETS.c.endpoint, SECRETS.c.sealed).where(
                SECRETS.c.endpoint.in_(wanted),
                or_(SECRETS.c.expires_at.is_(None), SECRETS.c.expires_at > timestamp(now)),
            )
            for row in await connection.execute(live.order_by(SECRETS.c.created_at.desc())):
                with suppress(SealBroken):  # the others may open, and other endpoints have theirs
                    secrets.setdefault(row.endpoint, []).append(keys.unseal(row.sealed))
        for one in taken:
            one["secrets"] = tuple(secrets.get(one["endpoint"], ()))
        await connection.execute(
            _CLAIM,
            [
                {
                    "this_id": one["id"],
                    "new_attempts": one["attempts"] + 1,
                    "new_until": timestamp(now + LEASE),
                }
                for one in taken
            ],
        )
        await connection.execute(
            insert(ATTEMPTS),
            [
                {
                    "delivery": one["id"],
                    "number": one["attempts"] + 1,
                    "endpoint": one["endpoint"],
                    "started_at": timestamp(now),
                }
                for one in taken
            ],
        )

    async def _settle(self, connection: AsyncConnection, failed: Sequence[str], *, now: str) -> None:
        """Do with messages that were under way what was decided meanwhile: send them elsewhere, or not again."""
        if failed:
            await follow(connection, DELIVERIES.c.id.in_(failed), now=now)
            await cancel_unwanted(connection, failed, now=now)

    async def _take_over(self, connection: AsyncConnection, now: datetime) -> None:
        lost = await interrupted.end_lost_tries(
            connection, now, most=CLAIMED_AT_ONCE, die=self.dice.random, mine=self._slots.messages
        )
        await self._settle(connection, lost.deliveries, now=timestamp(now))
        await take_up_again(connection, lost.given_up, now=now)

    # One try

    def _begin(self, row: dict[str, Any]) -> None:
        task = asyncio.create_task(self._try(row))
        self._tasks.add(task)
        self._slots.begin((row["id"], row["attempts"] + 1), row["endpoint"], now=monotonic())
        task.add_done_callback(self._tasks.discard)

    async def _try(self, row: dict[str, Any]) -> None:
        number = row["attempts"] + 1
        try:
            outcome = await self._sent(row, number)
        except Exception:  # noqa: BLE001 - the last resort; what is foreseen has its word
            log_of("notifications").exception("a try ended by a fault of ours", delivery=row["id"])
            outcome = Outcome(error=FAULT)
        self._slots.end((row["id"], number), timed_out=outcome.error == "timeout", now=monotonic())
        self._ended.append(Ended(row=row, number=number, at=self.runtime.clock.now(), outcome=outcome))
        self.runtime.signals.notify(DUE)

    async def _sent(self, row: dict[str, Any], number: int) -> Outcome:
        if row["channel"] == "email":
            return await self.post.send(self.runtime, row, number)
        if row["body"] is None or row["endpoint_state"] in {None, "deleted"}:
            return Outcome(error="gone", permanent=True)
        if not row["secrets"]:
            log_of("notifications").error("no secret of an endpoint can be opened", endpoint=row["endpoint"])
            return Outcome(error=UNSIGNED)
        message = webhooks.Message(
            id=row["id"], number=number, url=row["url"], secrets=row["secrets"], body=row["body"]
        )
        return await webhooks.send(self.session, message, self.runtime.clock.now())

    async def _record(self, connection: AsyncConnection, ended: Sequence[Ended]) -> None:
        if not ended:
            return
        ended = sorted(ended, key=lambda one: one.row["id"])
        out = await _still_out(connection, ended)
        await connection.execute(
            _END_TRY,
            [
                {
                    "this_id": one.row["id"],
                    "this_number": one.number,
                    "new_ended_at": timestamp(one.at),
                    "new_outcome": "delivered" if one.outcome.delivered else "failed",
                    "new_error": one.outcome.error,
                    "new_status": one.outcome.status,
                    "new_milliseconds": one.outcome.milliseconds,
                    "new_response": one.outcome.response or None,
                }
                for one in ended
            ],
        )
        await forget_responses(connection, DELIVERIES.c.id.in_([one.row["id"] for one in ended]))
        if not out:
            return
        ends = [self._end_of(one) for one in out]
        await connection.execute(_END, ends)
        await endpoints.note(connection, self.runtime, out)
        now = self.runtime.clock.now()
        failed = [one.row["id"] for one in out if not one.outcome.delivered]
        await self._settle(connection, failed, now=timestamp(now))
        given_up = [
            one.row["id"]
            for one, end in zip(out, ends, strict=True)
            if end["new_state"] == "exhausted" and one.row["channel"] == "email" and not one.outcome.permanent
        ]
        await take_up_again(connection, given_up, now=now)
        refused = {one.row["id"]: one.row["email"] for one in out if one.outcome.nobody}
        await keep_news(connection, refused, now=now)

    def _end_of(self, one: Ended) -> dict[str, Any]:
        again = None
        if not one.outcome.delivered:
            again = next_try(
                one.number - one.row["earlier"],
                ended=one.at,
                outcome=one.outcome,
                die=self.dice.random(),
                most=most_tries(one.row["type"]),
            )
        if again is not None:
            again = released(again, quiet_of(one.row), one.row["time_zone"])
        state = "delivered" if one.outcome.delivered else "exhausted" if again is None else "retrying"
        if one.outcome.error == "unconfirmed":
            state = "unconfirmed"  # it may have arrived, so it is not sent again
        return {
            "this_id": one.row["id"],
            "this_number": one.number,
            "new_state": state,
            "new_due_at": timestamp(again or one.at),
            "new_ended_at": timestamp(one.at) if again is None else None,
        }


async def _still_out(connection: AsyncConnection, ended: Sequence[Ended]) -> Sequence[Ended]:
    """Return the tries that nobody has found lost: one that a frozen process comes back with decides nothing any more.

    Their deliveries are held, in the one order of all who hold many of them: who takes news back, or finds lost tries.
    """
    tried = [one.row["id"] for one in ended]
    held = select(DELIVERIES.c.id).where(DELIVERIES.c.id.in_(tried)).order_by(DELIVERIES.c.id)
    await connection.execute(held.with_for_update())
    lost = select(ATTEMPTS.c.delivery, ATTEMPTS.c.number).where(
        ATTEMPTS.c.delivery.in_(tried), ATTEMPTS.c.outcome.is_not(None)
    )
    found = {(row.delivery, row.number) for row in await connection.execute(lost)}
    return [one for one in ended if (one.row["id"], one.number) not in found]


def _in_quiet_hours(due: Sequence[Mapping[str, Any]], now: datetime) -> list[dict[str, str]]:
    """Return which of these messages their subscribers want at no such hour, and when they may leave.

    What was due before may leave long after: a process was away, or an endpoint. The question whether an address wants mails
    answers somebody who has just given it, and is not held; a ping or a test is of no subscription and has no such hours.
    """
    found = []
    for row in due:
        if row["quiet"] is None or row["type"] == CONFIRMATION:
            continue
        moment = released(now, quiet_of(row), row["time_zone"])
        if moment > now:
            found.append({"this_id": row["id"], "new_due_at": timestamp(moment)})
    return found
