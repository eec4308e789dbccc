"""`/v1/exports`: open projects, organisations and lists as files, and the dictionary of their columns."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from schemas.http.exports import DataDictionary
from schemas.http.projects import Level
from schemas.http.texts import formed
from services.chassis.identity.principal import principal_of
from services.chassis.web.access import PUBLIC
from services.chassis.web.openapi import refusals
from services.chassis.web.problems import NotFound, UnknownParameter
from services.chassis.web.reading import is_known, respond
from services.chassis.web.runtime import runtime_in
from services.matches.queries import exports as queries
from services.matches.queries.exports import Chosen, Export
from services.matches.queries.filters import Filters
from services.matches.queries.listing import open_listing, project_and_version
from services.matches.queries.sheets import MEDIA_TYPES, Form
from services.matches.queries.spool import Spool
from services.matches.routes.parameters import check_country, check_region, filters_in
from services.matches.routes.sending import Opened, Sent, only_headers
from services.matches.rules import rights
from services.matches.rules.dictionary import dictionary_json

Source = Callable[[], AbstractAsyncContextManager[Export]]
"""Begins a transaction, and gives what is read in it."""

_FORMS = "csv|xlsx|jsonl"
_NAMED = re.compile(rf"(projects|organisations|exposure)\.({_FORMS})")
_LISTED = re.compile(rf"([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})\.({_FORMS})")
_FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file",
        "content": {
            media: {"schema": {"type": "string", "format": "binary"}} for media in MEDIA_TYPES.values()
        },
    }
}


async def chosen_in(
    request: Request,
    flagship: Annotated[UUID | None, Query(description="Projects of this flagship initiative.")] = None,
    region: Annotated[str | None, Query(max_length=60, description="Projects in this ITU region.")] = None,
    level: Annotated[Level | None, Query(description="Projects of this level.")] = None,
) -> Chosen:
    """Read which projects are wanted. Raises InvalidParameter for a region that does not exist."""
    check_region(runtime_in(request), region)
    return Chosen(flagship=None if flagship is None else str(flagship), region=region, level=level)


def router() -> APIRouter:
    """Return the routes of exports."""
    routes = APIRouter(prefix="/v1/exports", tags=["exports"])

    @routes.get(
        "/dictionary",
        operation_id="get_data_dictionary",
        summary="Every column of every export: its type and its meaning",
        response_model=DataDictionary,
        openapi_extra=PUBLIC,
    )
    async def get_data_dictionary(request: Request) -> Response:
        """The same definitions that stand in the sheet `definitions` of an .xlsx file."""
        return respond(request, dictionary_json())

    @routes.get(
        "/{file}",
        operation_id="export_public_data",
        summary="Open projects, organisations or the exposure report as a file",
        response_class=Response,
        responses=_FILES,
        openapi_extra=PUBLIC,
    )
    async def export_public_data(
        request: Request,
        file: Annotated[
            str,
            Path(
                description="projects, organisations or exposure, and the form: .csv (Excel reads it), .xlsx, .jsonl.",
                examples=["projects.csv"],
            ),
            *formed(
                rf"^(projects|organisations|exposure)\.({_FORMS})$",
                "There is no file of this name.",
                "Ask for projects, organisations or exposure with .csv, .xlsx or .jsonl.",
            ),
        ],
        chosen: Annotated[Chosen, Depends(chosen_in)],
    ) -> Response:
        """Public fields only, whoever asks. The filters are for projects, and refused for the others. Columns never go away or change their names.

        The ETag is known before the file is made: ask with it in `If-None-Match`. CSV and JSON Lines are sent while they are read, without a
        length; a transfer that breaks was not whole.
        """
        found = _NAMED.fullmatch(file)
        if found is None:
            raise NotFound
        dataset, form = found[1], cast("Form", found[2])
        if dataset != "projects":
            _refuse_filters(request, dataset)
        runtime = runtime_in(request)
        source: Source
        if dataset == "projects":
            source = partial(queries.projects, runtime, form, chosen)
        elif dataset == "exposure":
            source = partial(queries.exposure, runtime, form)
        else:
            source = partial(queries.organisations, runtime, form)
        return await _respond(request, source)

    @routes.get(
        "/lists/{list_file}",
        operation_id="export_list",
        summary="A project's ranked list as a file, as far as you may see it",
        response_class=Response,
        responses=_FILES | refusals(rights.ListRestricted),
    )
    async def export_list(
        request: Request,
        list_file: Annotated[
            str,
            Path(
                description="The project's id and the form: .csv (Excel reads it), .xlsx, .jsonl.",
                examples=["018f3c2a-7d10-7000-8000-0000000000aa.csv"],
            ),
            *formed(
                rf"^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}\.({_FORMS})$",
                "There is no file of this name.",
                "Ask for a project's id (a UUID in small letters) with .csv, .xlsx or .jsonl.",
            ),
        ],
        filters: Annotated[Filters, Depends(filters_in)],
    ) -> Response:
        """The rows of `/v1/lists/{project}/candidates` with the same filters, in the same order; a suggestion, not an endorsement.

        The whole list for those who see it whole, its own row for an organisation. ETag and sending as of the other files.
        """
        found = _LISTED.fullmatch(list_file)
        if found is None:
            raise NotFound
        runtime, principal = runtime_in(request), principal_of(request)
        check_country(runtime, filters.country)
        check_region(runtime, filters.region)
        project, version = await project_and_version(runtime, found[1])
        view = rights.view_of(principal, project.team, state=project.state)
        listing = await open_listing(runtime, project, version)
        own = None if view == "whole" else rights.speaks_for(principal)
        form = cast("Form", found[2])
        return await _respond(request, partial(queries.candidates, listing, form, filters, own=own))

    return routes


def _refuse_filters(request: Request, dataset: str) -> None:
    """Raise UnknownParameter for filters of projects on another file: left out, they would look as if they had been used."""
    given = sorted({name for name, _ in request.query_params.multi_items()})
    if given:
        raise UnknownParameter(
            f"There is no parameter {', '.join(given)} for {dataset}.",
            errors=[
                {
                    "parameter": name,
                    "rule": "unknown-parameter",
                    "detail": "It chooses among projects.",
                    "fix": "Remove it.",
                }
                for name in given
            ],
        )


async def _respond(request: Request, source: Source) -> Response:
    """Answer with the file, or with what can be said without it: that the caller has it, or its headers."""
    runtime = runtime_in(request)
    if request.state.head or "if-none-match" in request.headers:
        async with source() as export:
            known, headers = _naming(export), _headers(export)
        if is_known(request, known["ETag"]):
            return Response(status_code=304, headers=known)
        if request.state.head:
            return only_headers(headers)
    settings = runtime.settings.matches
    # Of HTTP/1.0 an answer without a length ends when the line does: what was cut off would look whole.
    whole = request.scope["http_version"] == "1.0"
    return Sent(
        _made(source, runtime.state["reading"], whole=whole),
        places=runtime.state["exports"],
        slow_seconds=settings.slow_reader_seconds,
        longest_seconds=settings.export_seconds,
    )


@asynccontextmanager
async def _made(source: Source, reading: asyncio.Semaphore, *, whole: bool) -> AsyncIterator[Opened]:
    """Give the file once there is something of it, or all: it is read at the database's pace and sent at the reader's."""
    spool = Spool()
    found: asyncio.Future[Export] = asyncio.get_running_loop().create_future()

    async def write() -> None:
        try:
            async with reading, source() as export:
                found.set_result(export)
                await export.write(spool)
        except Exception as error:  # noqa: BLE001 - raised where the file is sent
            spool.end(error)
        else:
            spool.end()

    writing = asyncio.create_task(write())
    try:
        await spool.ready(whole=False)
        export = await found
        headers = _headers(export)
        if whole or export.form == "xlsx":
            await spool.ready(whole=True)
            headers["Content-Length"] = str(spool.length)
        yield Opened(headers=headers, pieces=spool.pieces())
    finally:
        writing.cancel()
        await asyncio.wait([writing])
        spool.close()


def _naming(export: Export) -> dict[str, str]:
    return {
        "ETag": f'"{export.digest}"',
        "Cache-Control": "private, no-cache",
        "Vary": "Authorization, Accept",
        "Link": '</v1/exports/dictionary>; rel="describedby"',
    }


def _headers(export: Export) -> dict[str, str]:
    return _naming(export) | {
        "Content-Disposition": f'attachment; filename="{export.name}"',
        "Content-Type": MEDIA_TYPES[export.form],
    }
