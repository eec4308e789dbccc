"""`/v1/clients`: API clients and their secrets."""

from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response

from schemas.http.identity import ClientAnswer, ClientBody, ClientCreated, ClientPage, SecretCreated
from services.chassis.identity.principal import principal_of
from services.chassis.web.access import require
from services.chassis.web.cursors import cursors_of
from services.chassis.web.openapi import UNCONDITIONAL
from services.chassis.web.operation import execute
from services.chassis.web.parameters import Cursor, Limit
from services.chassis.web.problems import NotFound
from services.chassis.web.reading import respond, respond_page
from services.chassis.web.runtime import runtime_in
from services.identity.commands import clients as commands
from services.identity.queries import find_client, list_clients
from services.identity.routes.parameters import Belonging, ClientId, SecretId
from services.identity.rules import READERS, may_see

_CREATED: dict[int | str, dict[str, Any]] = {
    201: {"model": ClientCreated, "description": "Made; its secret is shown now"}
}


def router() -> APIRouter:
    """Return the routes of API clients."""
    routes = APIRouter(prefix="/v1/clients", tags=["clients"])
    _add_reads(routes)

    @routes.post(
        "",
        operation_id="create_client",
        summary="Make an API client under an id of ours",
        response_model=ClientCreated,
        status_code=201,
    )
    async def create_client(request: Request, body: ClientBody) -> Response:
        """Its secret is in this answer and in no other."""
        return await execute(request, partial(commands.post_client, body=body))

    @routes.put(
        "/{client_id}",
        operation_id="put_client",
        summary="Make an API client under an id of yours, or change it",
        response_model=ClientAnswer,
        responses=_CREATED,
    )
    async def put_client(request: Request, client_id: ClientId, body: ClientBody) -> Response:
        """When it is made, its secret is in the answer; never later."""
        return await execute(request, partial(commands.put_client, client_id=str(client_id), body=body))

    @routes.delete(
        "/{client_id}", operation_id="revoke_client", summary="Revoke an API client", status_code=204
    )
    async def revoke_client(request: Request, client_id: ClientId) -> Response:
        """End it for good, with its secrets and tokens; every service knows within a minute."""
        return await execute(request, partial(commands.delete_client, client_id=str(client_id)))

    @routes.post(
        "/{client_id}/secrets",
        operation_id="create_secret",
        summary="Add a second secret",
        response_model=SecretCreated,
        status_code=201,
    )
    async def create_secret(request: Request, client_id: ClientId) -> Response:
        """Two at most, so that a program can change over without a gap."""
        return await execute(request, partial(commands.post_secret, client_id=str(client_id)))

    @routes.delete(
        "/{client_id}/secrets/{secret_id}",
        operation_id="delete_secret",
        summary="Take a secret out of use",
        status_code=204,
        openapi_extra={UNCONDITIONAL: True},
    )
    async def delete_secret(request: Request, client_id: ClientId, secret_id: SecretId) -> Response:
        """Make it useless at once, and end all tokens of the client, for nobody knows which of them it got.

        Every service knows within a minute. With its other secret the client gets new ones.
        """
        command = partial(commands.delete_secret, client_id=str(client_id), secret_id=str(secret_id))
        return await execute(request, command)

    return routes


def _add_reads(routes: APIRouter) -> None:
    @routes.get("", operation_id="list_clients", summary="API clients", response_model=ClientPage)
    async def clients(
        request: Request, limit: Limit = 50, cursor: Cursor = None, organisation: Belonging = None
    ) -> Response:
        """All for BDT administrators and auditors; an organisation's administrator sees its own."""
        principal = principal_of(request)
        require(principal, *READERS)
        everything = principal.has("bdt_admin", "auditor")
        whose = str(organisation) if organisation else None
        if not everything:
            whose = principal.organisation or ""
        kind = f"clients {whose}"
        after = cursors_of(request).unseal(kind, cursor, principal) if cursor else None
        async with runtime_in(request).database.read() as connection:
            rows = await list_clients(connection, organisation=whose, after=after, limit=limit + 1)
        following = (
            cursors_of(request).seal(kind, rows[limit - 1]["id"], principal) if len(rows) > limit else None
        )
        return respond_page(request, rows[:limit], next_cursor=following)

    @routes.get(
        "/{client_id}", operation_id="get_client", summary="An API client", response_model=ClientAnswer
    )
    async def client(request: Request, client_id: ClientId) -> Response:
        """Return it with its secrets' ids, never their text."""
        principal = principal_of(request)
        require(principal, *READERS)
        async with runtime_in(request).database.read() as connection:
            found = await find_client(connection, str(client_id))
        if found is None or not may_see(principal, found["organisation"]):
            raise NotFound
        return respond(request, found, revision=found["revision"])
