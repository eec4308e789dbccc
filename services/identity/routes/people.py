"""`/v1/people`: who works with this system."""

from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response

from schemas.http.identity import PersonAnswer, PersonBody, PersonPage
from services.chassis.identity.principal import principal_of
from services.chassis.web.access import require
from services.chassis.web.cursors import cursors_of
from services.chassis.web.operation import execute
from services.chassis.web.parameters import Cursor, Limit
from services.chassis.web.problems import NotFound
from services.chassis.web.reading import respond, respond_page
from services.chassis.web.runtime import runtime_in
from services.identity.commands import people as commands
from services.identity.queries import find_person, list_people, person_answer
from services.identity.routes.parameters import Belonging, PersonId
from services.identity.rules import READERS, may_see, may_see_names

_CREATED: dict[int | str, dict[str, Any]] = {201: {"model": PersonAnswer, "description": "Added"}}


def router() -> APIRouter:
    """Return the routes of people."""
    routes = APIRouter(prefix="/v1/people", tags=["people"])

    @routes.get("", operation_id="list_people", summary="People", response_model=PersonPage)
    async def people(
        request: Request, limit: Limit = 50, cursor: Cursor = None, organisation: Belonging = None
    ) -> Response:
        """All for BDT administrators, without names for auditors; an organisation's administrator sees its own."""
        principal = principal_of(request)
        require(principal, *READERS)
        whose = str(organisation) if organisation else None
        if not principal.has("bdt_admin", "auditor"):
            whose = principal.organisation or ""
        kind = f"people {whose}"
        after = cursors_of(request).unseal(kind, cursor, principal) if cursor else None
        async with runtime_in(request).database.read() as connection:
            rows = await list_people(connection, organisation=whose, after=after, limit=limit + 1)
        following = (
            cursors_of(request).seal(kind, rows[limit - 1]["id"], principal) if len(rows) > limit else None
        )
        named = may_see_names(principal)
        return respond_page(
            request, [person_answer(row, named=named) for row in rows[:limit]], next_cursor=following
        )

    @routes.get("/{person_id}", operation_id="get_person", summary="A person", response_model=PersonAnswer)
    async def person(request: Request, person_id: PersonId) -> Response:
        """Without name and address for auditors."""
        principal = principal_of(request)
        require(principal, *READERS)
        async with runtime_in(request).database.read() as connection:
            found = await find_person(connection, str(person_id))
        if found is None or not may_see(principal, found["organisation"]):
            raise NotFound
        return respond(
            request, person_answer(found, named=may_see_names(principal)), revision=found["revision"]
        )

    @routes.put(
        "/{person_id}",
        operation_id="put_person",
        summary="Add or change a person",
        response_model=PersonAnswer,
        responses=_CREATED,
    )
    async def put_person(request: Request, person_id: PersonId, body: PersonBody) -> Response:
        """Name and address stay in this service."""
        return await execute(request, partial(commands.put_person, person_id=str(person_id), body=body))

    @routes.delete("/{person_id}", operation_id="remove_person", summary="Remove a person", status_code=204)
    async def remove_person(request: Request, person_id: PersonId) -> Response:
        """Erase name and address, and revoke the clients that act for them."""
        return await execute(request, partial(commands.delete_person, person_id=str(person_id)))

    return routes
