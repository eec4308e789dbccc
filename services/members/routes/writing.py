"""`PUT`, `POST …/withdraw` and `DELETE` of `/v1/organisations/{id}`."""

from functools import partial

from fastapi import APIRouter, Request, Response

from schemas.http.member_answers import Profile, WithdrawalBody
from schemas.http.members import OrganisationBody
from services.chassis.web.openapi import IF_MATCH, Responses, refusals
from services.chassis.web.operation import execute
from services.members.commands.leave import erase_organisation, withdraw_organisation
from services.members.commands.put import put_organisation
from services.members.routes.parameters import OrganisationId
from services.members.rules.problems import DuplicateExternalId, OrganisationErased, OrganisationWithdrawn

REGISTERED: Responses = {201: {"model": Profile, "description": "Registered"}}


def router() -> APIRouter:
    """Return the routes that write organisations."""
    routes = APIRouter(prefix="/v1/organisations", tags=["organisations"])

    @routes.put(
        "/{organisation_id}",
        operation_id="put_organisation",
        summary="Register an organisation, or replace its profile whole",
        response_model=Profile,
        responses=REGISTERED | refusals(OrganisationErased, DuplicateExternalId),
    )
    async def put(request: Request, organisation_id: OrganisationId, body: OrganisationBody) -> Response:
        """Write the whole profile under an id that the client chose.

        Six fields are required; everything else raises confidence, never the score. Replacing needs If-Match with the
        ETag that was read. The same profile again makes no new revision. The same name in the same country is accepted
        with a warning.
        """
        return await execute(
            request, partial(put_organisation, organisation_id=str(organisation_id), body=body)
        )

    @routes.post(
        "/{organisation_id}/withdraw",
        operation_id="withdraw_organisation",
        summary="Take an organisation out of all open lists",
        response_model=Profile,
        responses=refusals(OrganisationErased, OrganisationWithdrawn),
        openapi_extra={"parameters": [IF_MATCH]},
    )
    async def withdraw(request: Request, organisation_id: OrganisationId, body: WithdrawalBody) -> Response:
        """Withdraw it, as its own editor or BDT. Putting the profile again brings the organisation back."""
        command = partial(withdraw_organisation, organisation_id=str(organisation_id), reason=body.reason)
        return await execute(request, command)

    @routes.delete(
        "/{organisation_id}",
        operation_id="erase_organisation",
        summary="Erase an organisation for good",
        status_code=204,
        response_class=Response,
        responses=refusals(OrganisationErased),
    )
    async def erase(request: Request, organisation_id: OrganisationId) -> Response:
        """Empty every text and the contact, in the history too, and tell every reader of the log. Not reversible."""
        return await execute(request, partial(erase_organisation, organisation_id=str(organisation_id)))

    return routes
