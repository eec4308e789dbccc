"""`/v1/suppressions`: addresses that no mail is sent to, because their server refused them."""

from functools import partial

from fastapi import APIRouter, Request, Response

from schemas.http.notifications import LiftBody
from services.chassis.web.operation import execute
from services.notifications.commands.suppressions import lift_suppression


def router() -> APIRouter:
    """Return the route of suppressions."""
    routes = APIRouter(prefix="/v1/suppressions", tags=["subscriptions"])

    @routes.post(
        "/lift",
        operation_id="lift_suppression",
        summary="Let mails go to an address again that its server had refused",
        status_code=204,
        response_class=Response,
    )
    async def lift(request: Request, body: LiftBody) -> Response:
        """By BDT's administrator, once the address was looked into; what has waited comes with the next digest of its subscriptions.

        404 if nothing keeps mails from it.
        """
        return await execute(request, partial(lift_suppression, body=body))

    return routes
