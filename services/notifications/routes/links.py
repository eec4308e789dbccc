"""`/v1/mail-links`: what the links of mails lead to. Opening one changes nothing; sending it as POST does (RFC 8058)."""

from functools import partial

from fastapi import APIRouter, Request, Response

from schemas.http.notifications import LinkAnswer
from services.chassis.web.access import PUBLIC
from services.chassis.web.openapi import QUESTION, refusals
from services.chassis.web.operation import execute
from services.chassis.web.reading import respond
from services.notifications.commands.links import follow_link, link_json, linked
from services.notifications.mail.pages import link_page
from services.notifications.routes.parameters import LinkToken, runtime_in
from services.notifications.rules.problems import LinkInvalid
from services.notifications.rules.yearly import waits_for_answer


def router() -> APIRouter:
    """Return the routes of links in mails."""
    routes = APIRouter(prefix="/v1/mail-links", tags=["subscriptions"])

    @routes.get(
        "/{token}",
        operation_id="get_mail_link",
        summary="What a link of a mail would do",
        response_model=LinkAnswer,
        responses=refusals(LinkInvalid),
        openapi_extra=PUBLIC,
    )
    async def get_link(request: Request, token: LinkToken) -> Response:
        """Say what it would do, and change nothing: mail scanners open every link. A browser gets a page with a button."""
        runtime = runtime_in(request)
        async with runtime.database.read() as connection:
            row, action = await linked(connection, runtime.state["keys"], token)
        if "text/html" in request.headers.get("accept", ""):
            done = not waits_for_answer(row) if action == "confirm" else row["state"] == "ended"
            return link_page(action, language=row["language"], done=done)
        return respond(request, link_json(row, action, done=False))

    @routes.post(
        "/{token}",
        operation_id="follow_mail_link",
        summary="Confirm an address, or end a subscription with one click",
        response_model=LinkAnswer,
        responses=refusals(LinkInvalid),
        openapi_extra=PUBLIC | {QUESTION: True},
    )
    async def post_link(request: Request, token: LinkToken) -> Response:
        """Act at once, without a login (RFC 8058); a second time changes nothing."""
        return await execute(request, partial(follow_link, token=token))

    return routes
