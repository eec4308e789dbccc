"""`/v1/endpoints`: where webhooks go, verified by a ping, with their secrets and what they missed."""

from functools import partial

from fastapi import APIRouter, Request, Response

from schemas.http.endpoints import (
    DeliveryAccepted,
    EndpointAnswer,
    EndpointBody,
    EndpointCreated,
    EndpointPage,
    RecoverBody,
    Recovered,
    RotateBody,
    SecretMade,
)
from services.chassis.identity.principal import principal_of
from services.chassis.runtime import timestamp
from services.chassis.web.cursors import cursors_of
from services.chassis.web.openapi import refusals
from services.chassis.web.operation import execute
from services.chassis.web.parameters import Cursor, Limit
from services.chassis.web.reading import respond, respond_page
from services.chassis.web.runtime import runtime_in
from services.notifications.commands import endpoints as commands
from services.notifications.queries import finding
from services.notifications.queries.reading import endpoint_json
from services.notifications.routes.parameters import EndpointId, Whose, named
from services.notifications.rules import rights
from services.notifications.rules.problems import (
    EndpointInUse,
    EndpointNotActive,
    OrganisationErased,
    OrganisationWithdrawn,
    TooManyEndpoints,
)
from services.notifications.tables import ENDPOINTS

_AS_USUAL = RotateBody()


def router() -> APIRouter:
    """Return the routes of endpoints."""
    routes = APIRouter(prefix="/v1/endpoints", tags=["webhooks"])
    _add_reading(routes)
    _add_writing(routes)
    _add_asking(routes)
    return routes


def _add_reading(routes: APIRouter) -> None:
    @routes.get(
        "",
        operation_id="list_endpoints",
        summary="An organisation's webhook endpoints",
        response_model=EndpointPage,
    )
    async def list_endpoints(
        request: Request, organisation: Whose = None, limit: Limit = 50, cursor: Cursor = None
    ) -> Response:
        """Address and state of each; secrets are never shown again, and path and query to the organisation alone."""
        principal, runtime = principal_of(request), runtime_in(request)
        whose = rights.organisation_asked(principal, named(organisation))
        kind = f"endpoints {whose}"
        after = None if cursor is None else cursors_of(request).unseal(kind, cursor, principal)
        now = timestamp(runtime.clock.now())
        async with runtime.database.read() as connection:
            rows = await finding.page(
                connection,
                ENDPOINTS,
                ENDPOINTS.c.organisation == whose,
                ENDPOINTS.c.state != "deleted",
                after=after,
                limit=limit + 1,
            )
            items = [
                endpoint_json(row, await finding.secrets_of(connection, row["id"], now=now), reader=principal)
                for row in rows[:limit]
            ]
        following = (
            cursors_of(request).seal(kind, rows[limit - 1]["id"], principal) if len(rows) > limit else None
        )
        return respond_page(request, items, next_cursor=following)

    @routes.get(
        "/{endpoint_id}", operation_id="get_endpoint", summary="One endpoint", response_model=EndpointAnswer
    )
    async def get_endpoint(request: Request, endpoint_id: EndpointId) -> Response:
        """Its address (to others than the organisation without path and query), its state, and when its secrets were made."""
        principal, runtime = principal_of(request), runtime_in(request)
        async with runtime.database.read() as connection:
            row = await finding.one(connection, ENDPOINTS, str(endpoint_id), principal)
            secrets = await finding.secrets_of(connection, row["id"], now=timestamp(runtime.clock.now()))
        return respond(request, endpoint_json(row, secrets, reader=principal), revision=row["revision"])


def _add_writing(routes: APIRouter) -> None:
    @routes.post(
        "",
        operation_id="create_endpoint",
        summary="Register an endpoint; its signing secret is shown once",
        status_code=201,
        response_model=EndpointCreated,
        responses=refusals(TooManyEndpoints, OrganisationErased, OrganisationWithdrawn),
    )
    async def create_endpoint(request: Request, body: EndpointBody) -> Response:
        """It is pinged at once, and active as soon as it has answered with 2xx.

        The address must be https and public: every network address of every attempt is looked at, redirects are not
        followed.
        """
        return await execute(request, partial(commands.create_endpoint, body=body))

    @routes.put(
        "/{endpoint_id}",
        operation_id="put_endpoint",
        summary="Change an endpoint; a new address is pinged anew",
        response_model=EndpointAnswer,
        responses=refusals(OrganisationWithdrawn),
    )
    async def put_endpoint(request: Request, endpoint_id: EndpointId, body: EndpointBody) -> Response:
        """Replace address, description, and whether it is paused. Messages wait until it is active again.

        The address as it was shown, shortened (`https://host/…`), leaves it as it is.
        """
        return await execute(request, partial(commands.put_endpoint, endpoint=str(endpoint_id), body=body))

    @routes.delete(
        "/{endpoint_id}",
        operation_id="delete_endpoint",
        summary="Remove an endpoint and its secrets",
        status_code=204,
        response_class=Response,
        responses=refusals(EndpointInUse),
    )
    async def delete_endpoint(request: Request, endpoint_id: EndpointId) -> Response:
        """Nothing more is sent to it; subscriptions that use it must be ended before."""
        return await execute(request, partial(commands.delete_endpoint, endpoint=str(endpoint_id)))

    @routes.post(
        "/{endpoint_id}/secrets",
        operation_id="rotate_endpoint_secret",
        summary="A new signing secret; the one before stays valid for a while",
        status_code=201,
        response_model=SecretMade,
    )
    async def rotate_secret(
        request: Request, endpoint_id: EndpointId, body: RotateBody = _AS_USUAL
    ) -> Response:
        """During the overlap every message carries a signature by each secret, so either verifies it."""
        command = partial(commands.rotate_secret, endpoint=str(endpoint_id), overlap_hours=body.overlap_hours)
        return await execute(request, command)


def _add_asking(routes: APIRouter) -> None:
    @routes.post(
        "/{endpoint_id}/ping",
        operation_id="ping_endpoint",
        summary="Verify an endpoint, or a disabled one again",
        status_code=202,
        response_model=DeliveryAccepted,
        responses=refusals(OrganisationWithdrawn),
    )
    async def ping(request: Request, endpoint_id: EndpointId) -> Response:
        """Send a signed ping, at once; 2xx makes a pending or disabled endpoint active and ends a `Retry-After`."""
        return await execute(request, partial(commands.ping_endpoint, endpoint=str(endpoint_id)))

    @routes.post(
        "/{endpoint_id}/test",
        operation_id="test_endpoint",
        summary="Send a signed example",
        status_code=202,
        response_model=DeliveryAccepted,
        responses=refusals(EndpointNotActive, OrganisationWithdrawn),
    )
    async def test(request: Request, endpoint_id: EndpointId) -> Response:
        """Send an event of the type `org.comity.endpoint.tested.v1`, signed like any other."""
        return await execute(request, partial(commands.test_endpoint, endpoint=str(endpoint_id)))

    @routes.post(
        "/{endpoint_id}/recover",
        operation_id="recover_endpoint",
        summary="Send again what did not arrive since a moment",
        response_model=Recovered,
        responses=refusals(EndpointNotActive, OrganisationWithdrawn),
    )
    async def recover(request: Request, endpoint_id: EndpointId, body: RecoverBody) -> Response:
        """Queue what was given up, and at once what waits for its next try, each message under its own id.

        Of a subscription that has ended or is paused nothing is sent.
        """
        command = partial(commands.recover_endpoint, endpoint=str(endpoint_id), since=body.since)
        return await execute(request, command)
