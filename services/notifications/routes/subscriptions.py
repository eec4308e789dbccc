"""`/v1/subscriptions`: who hears of what, with a preview before anything is saved."""

from functools import partial

from fastapi import APIRouter, Request, Response

from schemas.http.notifications import (
    PreviewAnswer,
    PreviewBody,
    SubscriptionAnswer,
    SubscriptionBody,
    SubscriptionPage,
)
from services.chassis.identity.principal import principal_of
from services.chassis.web.cursors import cursors_of
from services.chassis.web.openapi import QUESTION, Responses, refusals
from services.chassis.web.operation import execute
from services.chassis.web.parameters import Cursor, Limit
from services.chassis.web.problems import InvalidBody
from services.chassis.web.reading import respond, respond_page
from services.chassis.web.runtime import runtime_in
from services.notifications.commands import subscriptions as commands
from services.notifications.queries import finding
from services.notifications.queries.previews import preview
from services.notifications.queries.reading import subscription_json
from services.notifications.routes.parameters import SubscriptionId, Whose, named
from services.notifications.rules import rights
from services.notifications.rules.conditions import unknown_codes
from services.notifications.rules.problems import OrganisationErased, OrganisationWithdrawn, TooManyEndpoints
from services.notifications.tables import SUBSCRIPTIONS

SAVED: Responses = {201: {"model": SubscriptionAnswer, "description": "Saved"}}


def router() -> APIRouter:
    """Return the routes of subscriptions."""
    routes = APIRouter(tags=["subscriptions"])
    _add_reading(routes)
    _add_writing(routes)
    return routes


def _add_reading(routes: APIRouter) -> None:
    @routes.get(
        "/v1/subscriptions",
        operation_id="list_subscriptions",
        summary="An organisation's subscriptions",
        response_model=SubscriptionPage,
    )
    async def list_subscriptions(
        request: Request, organisation: Whose = None, limit: Limit = 50, cursor: Cursor = None
    ) -> Response:
        """All of them, those that have ended too; e-mail addresses for its own people only."""
        principal = principal_of(request)
        whose = rights.organisation_asked(principal, named(organisation))
        kind = f"subscriptions {whose}"
        after = None if cursor is None else cursors_of(request).unseal(kind, cursor, principal)
        async with runtime_in(request).database.read() as connection:
            rows = await finding.page(
                connection, SUBSCRIPTIONS, SUBSCRIPTIONS.c.organisation == whose, after=after, limit=limit + 1
            )
        seen = rights.sees_addresses(principal, whose)
        following = (
            cursors_of(request).seal(kind, rows[limit - 1]["id"], principal) if len(rows) > limit else None
        )
        items = [subscription_json(row, addresses=seen) for row in rows[:limit]]
        return respond_page(request, items, next_cursor=following)

    @routes.get(
        "/v1/subscriptions/{subscription_id}",
        operation_id="get_subscription",
        summary="One subscription",
        response_model=SubscriptionAnswer,
    )
    async def get_subscription(request: Request, subscription_id: SubscriptionId) -> Response:
        """Its conditions, channel, hours and state."""
        principal = principal_of(request)
        async with runtime_in(request).database.read() as connection:
            row = await finding.one(connection, SUBSCRIPTIONS, str(subscription_id), principal)
        seen = rights.sees_addresses(principal, row["organisation"])
        return respond(request, subscription_json(row, addresses=seen), revision=row["revision"])


def _add_writing(routes: APIRouter) -> None:
    @routes.put(
        "/v1/subscriptions/{subscription_id}",
        operation_id="put_subscription",
        summary="Save a subscription, or replace it whole",
        response_model=SubscriptionAnswer,
        responses=SAVED | refusals(TooManyEndpoints, OrganisationErased, OrganisationWithdrawn),
    )
    async def put_subscription(
        request: Request, subscription_id: SubscriptionId, body: SubscriptionBody
    ) -> Response:
        """Without `opt_in` nothing is sent. Mails begin once somebody at the address has confirmed."""
        command = partial(commands.put_subscription, subscription=str(subscription_id), body=body)
        return await execute(request, command)

    @routes.delete(
        "/v1/subscriptions/{subscription_id}",
        operation_id="end_subscription",
        summary="End a subscription",
        status_code=204,
        response_class=Response,
    )
    async def end_subscription(request: Request, subscription_id: SubscriptionId) -> Response:
        """Nothing more is sent, what was waiting is dropped, and the address is forgotten."""
        return await execute(request, partial(commands.end_subscription, subscription=str(subscription_id)))

    @routes.post(
        "/v1/subscription-previews",
        operation_id="preview_subscription",
        summary="How much these conditions would have brought in the last 30 days",
        response_model=PreviewAnswer,
        openapi_extra={QUESTION: True},
    )
    async def preview_subscription(request: Request, body: PreviewBody) -> Response:
        """Count the projects on which the organisation crossed the floor or a band; and say which condition excludes most."""
        principal, runtime = principal_of(request), runtime_in(request)
        whose = rights.organisation_asked(principal, named(body.organisation))
        faults = unknown_codes(body.conditions.model_dump(), runtime.state["reference"])
        if faults:
            raise InvalidBody(" ".join(fault["detail"] for fault in faults), errors=faults)
        conditions = body.conditions.model_dump(mode="json", exclude_defaults=True)
        return respond(request, await preview(runtime, whose, conditions))
