"""How the ranking is done and how far it is: statement, epochs, days, progress."""

from functools import partial

from fastapi import APIRouter, Request, Response

from schemas.http.matches import (
    DayBody,
    DayOpened,
    EpochAnswer,
    EpochPage,
    EpochPublished,
    StatementAnswer,
)
from schemas.http.ranking_progress import ProgressAnswer, ProgressBody
from services.chassis.identity.principal import principal_of
from services.chassis.web.access import PUBLIC, require
from services.chassis.web.cursors import cursors_of
from services.chassis.web.openapi import QUESTION, refusals
from services.chassis.web.operation import execute
from services.chassis.web.parameters import Cursor, Limit
from services.chassis.web.problems import Unavailable
from services.chassis.web.reading import respond, respond_bytes, respond_page
from services.chassis.web.runtime import runtime_in
from services.matches import commands
from services.matches.queries import epochs as queries
from services.matches.queries.progress import progress
from services.matches.queries.statement import statement
from services.matches.queries.waiting import read_token
from services.matches.routes.parameters import EpochNumber
from services.matches.rules import rights
from services.matches.worker.index import Index

EPOCH_BODY = {
    "requestBody": {
        "required": True,
        "description": "The epoch file as `comity epoch build` wrote it, unchanged: its bytes are what the hash names.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


def routers() -> tuple[APIRouter, ...]:
    """Return the routers of the statement, of progress, of epochs and of days."""
    statements = APIRouter(tags=["ranking"])
    _add_statement(statements)
    _add_progress(statements)
    frame = APIRouter(tags=["ranking"])
    _add_epochs(frame)
    _add_writes(frame)
    return statements, frame


def _add_statement(routes: APIRouter) -> None:
    @routes.get(
        "/v1/ranking-statement",
        operation_id="get_ranking_statement",
        summary="How the ranking is done: all weights, floors, steps, what is and what is not an input",
        response_model=StatementAnswer,
        openapi_extra=PUBLIC,
    )
    async def get_statement(request: Request) -> Response:
        """Show the parameters of the epoch in force, for everybody."""
        runtime = runtime_in(request)
        index: Index = runtime.state["index"]
        pinned = await index.pin()
        async with runtime.database.read() as connection:
            rows = await queries.list_epochs(connection, before=None, limit=20)
        row = next((one for one in rows if one.hash == pinned.epoch), None)
        if row is None:
            raise Unavailable("This process is reading a new epoch.")
        epoch = await queries.epoch_named(runtime, row.hash)
        body = statement(epoch, number=row.number, published_at=row.published_at, day=pinned.day)
        return respond(request, body)


def _add_progress(routes: APIRouter) -> None:
    @routes.get(
        "/v1/ranking-progress",
        operation_id="get_ranking_progress",
        summary="Whether every list covers what is on the log",
        response_model=ProgressAnswer,
    )
    async def get_progress(request: Request) -> Response:
        """Compare with the log's end. What another service's outbox holds is not seen: ask with tokens to be sure."""
        require(principal_of(request), *rights.READ_PROGRESS)
        return respond(request, await progress(runtime_in(request)))

    @routes.post(
        "/v1/ranking-progress",
        operation_id="ask_ranking_progress",
        summary="Whether every list covers these writes",
        response_model=ProgressAnswer,
        openapi_extra={QUESTION: True},
    )
    async def ask_progress(request: Request, body: ProgressBody) -> Response:
        """Complete once each token is archived and every list covers it. A question: nothing is stored."""
        require(principal_of(request), *rights.READ_PROGRESS)
        tokens = [read_token(f"{token.topic}:{token.id}:{token.sequence}") for token in body.tokens]
        return respond(request, await progress(runtime_in(request), tokens))


def _add_epochs(routes: APIRouter) -> None:
    @routes.get(
        "/v1/epochs",
        operation_id="list_epochs",
        summary="Epochs, newest first",
        response_model=EpochPage,
        openapi_extra=PUBLIC,
    )
    async def list_epochs(request: Request, limit: Limit = 50, cursor: Cursor = None) -> Response:
        """List number, hash and date of every epoch that was ever published."""
        principal = principal_of(request)
        before = None if cursor is None else cursors_of(request).unseal("epochs", cursor, principal)
        async with runtime_in(request).database.read() as connection:
            rows = await queries.list_epochs(connection, before=before, limit=limit + 1)
        more = len(rows) > limit
        following = cursors_of(request).seal("epochs", rows[limit - 1].number, principal) if more else None
        return respond_page(request, [queries.line_of(row) for row in rows[:limit]], next_cursor=following)

    @routes.get(
        "/v1/epochs/{number}",
        operation_id="get_epoch",
        summary="One epoch: its weights, bands, tie key, analyser and corpus",
        response_model=EpochAnswer,
        openapi_extra=PUBLIC,
    )
    async def get_epoch(request: Request, number: EpochNumber) -> Response:
        """Everything but the tables of word statistics, for everybody."""
        runtime = runtime_in(request)
        async with runtime.database.read() as connection:
            row = await queries.epoch_row(connection, number)
        return respond(request, queries.described(row, await queries.epoch_named(runtime, row.hash)))

    @routes.get(
        "/v1/epochs/{number}/body",
        operation_id="get_epoch_body",
        summary="The bytes of an epoch, whose SHA-256 is its hash",
        responses={200: {"content": {"application/json": {"schema": {"type": "object"}}}}},
        response_class=Response,
    )
    async def get_epoch_body(request: Request, number: EpochNumber) -> Response:
        """For auditors and BDT: all that is needed, besides the records, to recompute any score."""
        require(principal_of(request), *rights.READ_EPOCH_BODIES)
        async with runtime_in(request).database.read() as connection:
            row = await queries.epoch_row(connection, number)
            content = await queries.body_of(connection, number)
        headers = {"Content-Disposition": f'attachment; filename="epoch-{row.hash[:12]}.json"'}
        return respond_bytes(request, content, etag=row.hash, headers=headers)


def _add_writes(routes: APIRouter) -> None:
    @routes.post(
        "/v1/epochs",
        operation_id="publish_epoch",
        summary="Publish an epoch: every list is ranked under it from now on",
        status_code=201,
        response_model=EpochPublished,
        responses=refusals(commands.EpochKnown),
        openapi_extra=EPOCH_BODY,
    )
    async def publish_epoch(request: Request) -> Response:
        """For a BDT administrator. The body is the epoch file, byte for byte."""
        require(principal_of(request), "bdt_admin")
        body = await request.body()
        epoch = await commands.read_epoch(runtime_in(request), body)
        return await execute(request, partial(commands.publish_epoch, epoch=epoch, body=body))

    @routes.post(
        "/v1/days",
        operation_id="open_day",
        summary="Open a day: dated facts are resolved at it from now on",
        status_code=201,
        response_model=DayOpened,
        responses=refusals(commands.DayPassed, commands.DayTooFar),
    )
    async def open_day(request: Request, body: DayBody) -> Response:
        """For a BDT administrator. Days never go back; today is opened by itself when the date changes."""
        return await execute(request, partial(commands.open_day, day=body.day))
