"""`/v1/deliveries` and `/v1/notices`: what was sent and how it went, and the same news to be pulled."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from schemas.http.endpoints import Delivery, DeliveryPage, DeliveryState, DeliveryWhole
from schemas.http.notifications import NoticePage
from services.chassis.identity.principal import principal_of
from services.chassis.web.cursors import cursors_of
from services.chassis.web.openapi import refusals
from services.chassis.web.operation import execute
from services.chassis.web.parameters import Cursor, Limit
from services.chassis.web.reading import respond, respond_page
from services.chassis.web.runtime import runtime_in
from services.notifications.commands.deliveries import replay_delivery
from services.notifications.queries import finding
from services.notifications.queries.reading import delivery_json, notice_json, whole_delivery_json
from services.notifications.routes.parameters import DeliveryId, Whose, named
from services.notifications.rules import rights
from services.notifications.rules.problems import (
    DeliveryUnderWay,
    EndpointNotActive,
    OrganisationErased,
    OrganisationWithdrawn,
)
from services.notifications.tables import DELIVERIES, NOTICES

_MADE = ("created_at", "id")
"""The order in which messages were made."""


def router() -> APIRouter:
    """Return the routes of deliveries and notices."""
    routes = APIRouter(tags=["webhooks"])
    _add_deliveries(routes)
    _add_notices(routes)
    return routes


def _add_deliveries(routes: APIRouter) -> None:
    @routes.get(
        "/v1/deliveries",
        operation_id="list_deliveries",
        summary="Messages of an organisation, newest first",
        response_model=DeliveryPage,
    )
    async def list_deliveries(
        request: Request,
        organisation: Whose = None,
        endpoint: Annotated[UUID | None, Query(description="Only those to this endpoint.")] = None,
        state: Annotated[DeliveryState | None, Query(description="Only those in this state.")] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        """The delivery log: every webhook and mail, its state and how often it was tried."""
        principal = principal_of(request)
        whose = rights.organisation_asked(principal, named(organisation))
        kind = f"deliveries by time {whose} {endpoint} {state}"
        after = None if cursor is None else cursors_of(request).unseal(kind, cursor, principal)
        conditions = [DELIVERIES.c.organisation == whose]
        if endpoint is not None:
            conditions.append(DELIVERIES.c.endpoint == str(endpoint))
        if state is not None:
            conditions.append(DELIVERIES.c.state == state)
        async with runtime_in(request).database.read() as connection:
            rows = await finding.page(
                connection, DELIVERIES, *conditions, after=after, limit=limit + 1, newest_first=True, by=_MADE
            )
        last = [rows[limit - 1][name] for name in _MADE] if len(rows) > limit else None
        following = None if last is None else cursors_of(request).seal(kind, last, principal)
        return respond_page(request, [delivery_json(row) for row in rows[:limit]], next_cursor=following)

    @routes.get(
        "/v1/deliveries/{delivery_id}",
        operation_id="get_delivery",
        summary="One message with its body and every try",
        response_model=DeliveryWhole,
    )
    async def get_delivery(request: Request, delivery_id: DeliveryId) -> Response:
        """What was sent (webhooks; the text of mails is not shown), and what was answered, cut to 4 kB.

        Whoever is not of the organisation sees the envelope and how long the rest was (`redacted`).
        """
        principal = principal_of(request)
        async with runtime_in(request).database.read() as connection:
            row = await finding.one(connection, DELIVERIES, str(delivery_id), principal)
            tries = await finding.tries_of(connection, row["id"])
        return respond(request, whole_delivery_json(row, tries, reader=principal))

    @routes.post(
        "/v1/deliveries/{delivery_id}/replay",
        operation_id="replay_delivery",
        summary="Send one webhook again under its own id",
        status_code=202,
        response_model=Delivery,
        responses=refusals(DeliveryUnderWay, EndpointNotActive, OrganisationErased, OrganisationWithdrawn),
    )
    async def replay(request: Request, delivery_id: DeliveryId) -> Response:
        """Queue it again; a receiver that has seen its `webhook-id` may ignore it."""
        return await execute(request, partial(replay_delivery, delivery=str(delivery_id)))


def _add_notices(routes: APIRouter) -> None:
    @routes.get(
        "/v1/notices",
        operation_id="list_notices",
        summary="News for an organisation, oldest first",
        response_model=NoticePage,
    )
    async def list_notices(
        request: Request,
        organisation: Whose = None,
        subscription: Annotated[UUID | None, Query(description="Only those of this subscription.")] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        """The same news that webhooks push and digests gather, with the reasons; the channel `feed` is read here.

        To follow it, come back with `behind` as the cursor: whatever could be read later than this page is there: once, and again under
        its `id` if it was made anew meanwhile.
        Whoever is not of the organisation sees of `data` how long it is.
        """
        principal = principal_of(request)
        whose = rights.organisation_asked(principal, named(organisation))
        kind = f"notices {whose} {subscription}"
        after = 0 if cursor is None else cursors_of(request).unseal(kind, cursor, principal)
        conditions = [NOTICES.c.organisation == whose, NOTICES.c.state.in_(("ready", "sent"))]
        if subscription is not None:
            conditions.append(NOTICES.c.subscription == str(subscription))
        async with runtime_in(request).database.read() as connection:
            rows = await finding.page(
                connection, NOTICES, *conditions, after=after, limit=limit + 1, by="position"
            )
        shown = rows[:limit]
        behind = cursors_of(request).seal(kind, shown[-1]["position"] if shown else after, principal)
        return respond_page(
            request,
            [notice_json(row, reader=principal) for row in shown],
            next_cursor=behind if len(rows) > limit else None,
            members={"behind": behind},
        )
