"""The dead letters of a service over HTTP: read by who looks after the system, decided on by its administrator.

What: `/v1/dead-letters/<service>`: the letters, one with its record as it stands on the log, replaying a key, giving
one up; and the halted partitions. Why in the chassis: every service that reads the log sets records aside in the same
way. It must not edit a letter, and shows nothing but the record itself and the fault.
"""

from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from schemas.http.dead_letters import (
    DeadLetterPage,
    DiscardBody,
    Discarded,
    HaltedPartitions,
    Replayed,
    ResumeBody,
    Resumed,
    WholeDeadLetter,
)
from services.chassis.bus import deadletters, limits
from services.chassis.bus.deadletters import Letter
from services.chassis.bus.delivery import replay
from services.chassis.bus.failures import classify
from services.chassis.bus.transport import TopicPartition
from services.chassis.identity.principal import principal_of
from services.chassis.runtime import timestamp
from services.chassis.web.access import require
from services.chassis.web.cursors import cursors_of
from services.chassis.web.operation import Answer, Unit, execute
from services.chassis.web.parameters import Cursor, Limit
from services.chassis.web.problems import Conflict, NotFound
from services.chassis.web.reading import respond, respond_page
from services.chassis.web.runtime import runtime_in

READERS = ("auditor", "bdt_admin")
ADMINISTRATOR = "bdt_admin"

LetterId = Annotated[int, Path(ge=1, le=2**53, description="The letter's number in this service.")]
Group = Annotated[
    str | None, Query(min_length=1, max_length=200, description="Only letters of this consumer group.")
]
Topic = Annotated[str | None, Query(min_length=1, max_length=200, description="Only records of this topic.")]
Key = Annotated[str | None, Query(min_length=1, max_length=200, description="Only records of this key.")]
State = Annotated[Literal["dead", "parked"] | None, Query(description="Only letters in this state.")]


class ReplayFailed(Conflict):
    """The record could not be applied now either. Nothing was changed; every letter is where it was."""

    code = "replay-failed"
    title = "It could not be applied"


class NotHalted(Conflict):
    """The partition is not halted, so there is nothing to resume."""

    code = "not-halted"
    title = "The partition flows"


def router(service: str) -> APIRouter:
    """Return the routes of one service that reads the log."""
    routes = APIRouter(prefix=f"/v1/dead-letters/{service}", tags=["dead letters"])
    _add_reading(routes, service)
    _add_deciding(routes, service)
    return routes


def _add_reading(routes: APIRouter, service: str) -> None:
    @routes.get(
        "",
        operation_id=f"list_dead_letters_{service}",
        summary=f"Records that {service} could not apply, oldest first",
        response_model=DeadLetterPage,
    )
    async def list_letters(
        request: Request,
        limit: Limit = 50,
        cursor: Cursor = None,
        group: Group = None,
        topic: Topic = None,
        key: Key = None,
        state: State = None,
    ) -> Response:
        """Dead records, and those that are parked behind a dead one of their key."""
        principal = principal_of(request)
        require(principal, *READERS)
        wanted = {"group": group, "topic": topic, "key": key, "state": state}
        kind = f"dead-letters {service} {wanted}"
        after = 0 if cursor is None else cursors_of(request).unseal(kind, cursor, principal)
        async with runtime_in(request).database.read() as connection:
            found = await deadletters.listed(connection, after=after, limit=limit + 1, **wanted)
        page = found[:limit]
        following = cursors_of(request).seal(kind, page[-1].id, principal) if len(found) > limit else None
        return respond_page(request, [_short(letter) for letter in page], next_cursor=following)

    @routes.get(
        "/halted",
        operation_id=f"list_halted_{service}",
        summary=f"Partitions that {service} has halted",
        response_model=HaltedPartitions,
    )
    async def list_halted(request: Request) -> Response:
        """Return each partition that stands still, because too much of it could not be applied, with the last fault."""
        require(principal_of(request), *READERS)
        async with runtime_in(request).database.read() as connection:
            found = await limits.halted(connection)
        return respond_page(request, [_halted(one) for one in found], next_cursor=None)

    @routes.get(
        "/{letter_id}",
        operation_id=f"get_dead_letter_{service}",
        summary="One dead letter, with its record as it stands on the log",
        response_model=WholeDeadLetter,
    )
    async def get_letter(request: Request, letter_id: LetterId) -> Response:
        """Return the record's headers and value, and where the fault was raised."""
        require(principal_of(request), *READERS)
        async with runtime_in(request).database.read() as connection:
            letter = await deadletters.one(connection, letter_id)
        if letter is None:
            raise NotFound
        return respond(request, _whole(letter))


def _add_deciding(routes: APIRouter, service: str) -> None:
    @routes.post(
        "/{letter_id}/replay",
        operation_id=f"replay_dead_letter_{service}",
        summary="Apply a key's dead and parked records now",
        response_model=Replayed,
    )
    async def replay_key(request: Request, letter_id: LetterId) -> Response:
        """Hand every letter of this one's key to the handler again, in order, all or none, and open the key."""
        return await _decide(request, partial(_replay, letter_id=letter_id))

    @routes.post(
        "/{letter_id}/discard",
        operation_id=f"discard_dead_letter_{service}",
        summary="Give a record up for good",
        response_model=Discarded,
    )
    async def discard(request: Request, letter_id: LetterId, body: DiscardBody) -> Response:
        """Take one letter away; what is parked behind it waits until it is replayed, or discarded too."""
        return await _decide(request, partial(_discard, letter_id=letter_id, reason=body.reason))

    @routes.post(
        "/halted/resume",
        operation_id=f"resume_halted_{service}",
        summary="Let a halted partition set records aside again",
        response_model=Resumed,
    )
    async def resume(request: Request, body: ResumeBody) -> Response:
        """Accept what was set aside: the count begins anew at the record at fault."""
        return await _decide(request, partial(_resume, body=body))


async def _decide(request: Request, command: Any) -> Response:
    require(principal_of(request), ADMINISTRATOR)
    response = await execute(request, command)
    runtime = runtime_in(request)
    for reader in runtime.service.readers:
        runtime.signals.notify(f"consumed:{reader.group}")
    return response


async def _replay(unit: Unit, *, letter_id: int) -> Answer:
    letter = await _letter(unit, letter_id)
    reader = next((one for one in unit.runtime.service.readers if one.group == letter.group), None)
    if reader is None:
        raise Conflict(f"Nothing reads as the group {letter.group} any more. Discard the letter.")
    topic, key = letter.record.topic, letter.key
    try:
        replayed = await replay(
            unit.connection,
            unit.runtime,
            group=letter.group,
            topic=topic,
            key=key,
            handle=reader.handle,
        )
    except Exception as error:
        if classify(error) == "transient":
            raise
        raise ReplayFailed(
            f"{type(error).__name__}: {error}. Nothing was changed; every letter is where it was."
        ) from error
    await unit.audit(
        action="dead_letter.replayed",
        subject=f"{topic}/{key}"[:200],
        before=None,
        after=None,
        details={"group": letter.group, "letters": replayed},
    )
    return Answer(body={"topic": topic, "key": key, "replayed": replayed})


async def _discard(unit: Unit, *, letter_id: int, reason: str) -> Answer:
    letter = await _letter(unit, letter_id)
    record = letter.record
    waiting = await deadletters.discard(unit.connection, letter)
    if waiting is None:
        raise NotFound
    await unit.audit(
        action="dead_letter.discarded",
        subject=f"{record.topic}/{letter.key}"[:200],
        before=None,
        after=None,
        why=reason,
        details={"group": letter.group, "partition": record.partition, "offset": record.offset},
    )
    return Answer(body={"topic": record.topic, "key": letter.key, "waiting": waiting})


async def _resume(unit: Unit, *, body: ResumeBody) -> Answer:
    at = TopicPartition(body.topic, body.partition)
    if not await limits.resume(unit.connection, body.group, at):
        raise NotHalted
    await unit.audit(
        action="partition.resumed",
        subject=str(at),
        before=None,
        after=None,
        why=body.reason,
        details={"group": body.group},
    )
    return Answer(body={"group": body.group, "topic": at.topic, "partition": at.partition})


async def _letter(unit: Unit, letter_id: int) -> Letter:
    letter = await deadletters.one(unit.connection, letter_id)
    if letter is None:
        raise NotFound
    return letter


def _short(letter: Letter) -> dict[str, Any]:
    record = letter.record
    return {
        "id": letter.id,
        "group": letter.group,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "key": letter.key,
        "state": letter.state,
        "kind": letter.kind,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "appended_at": _moment(record.appended_at),
        "buried_at": _moment(letter.buried_at),
    }


def _whole(letter: Letter) -> dict[str, Any]:
    record = letter.record
    return _short(letter) | {
        "headers": [{"name": name, "value": _text(value)} for name, value in record.headers],
        "value": None if record.value is None else _text(record.value),
        "stack": letter.stack,
    }


def _halted(one: limits.Burials) -> dict[str, Any]:
    return {
        "group": one.group,
        "topic": one.at.topic,
        "partition": one.at.partition,
        "offset": one.halted_offset,
        "halted_at": _moment(one.halted_at or 0),
        "reason": one.reason,
    }


def _text(value: bytes) -> str:
    return value.decode(errors="backslashreplace")


def _moment(microseconds: int) -> str:
    return timestamp(datetime.fromtimestamp(microseconds / 1_000_000, UTC))
