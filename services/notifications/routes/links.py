"""`/v1/mail-links`: what the links of mails lead to. Opening one changes nothing; sending it as POST does (RFC 8058)."""

from functools import partial

from fastapi import APIRouter, Request, Response

from schemas.http.notifications import LinkAnswer
from services.chassis.web.access import PUBLIC
from services.chassis.web.openapi import QUESTION, refusals
from services.chassis.web.operation import execute
from services.chassis.web.reading import respond
from services.chassis.web.runtime import runtime_in
from services.notifications.commands.links import follow_link, link_json, linked
from services.notifications.mail.pages import dead_link_page, link_page
from services.notifications.queries.finding import name_of
from services.notifications.routes.parameters import LinkToken
from services.notifications.rules.keys import keys_of
from services.notifications.rules.problems import LinkInvalid


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
        if _by_a_browser(request):
            return await _page(request, token)
        runtime = runtime_in(request)
        async with runtime.database.read() as connection:
            found = await linked(connection, keys_of(runtime.state), token)
        return respond(request, link_json(found, done=False))

    @routes.post(
        "/{token}",
        operation_id="follow_mail_link",
        summary="Confirm an address, or end with one click what it is written to for",
        response_model=LinkAnswer,
        responses=refusals(LinkInvalid),
        openapi_extra=PUBLIC | {QUESTION: True},
    )
    async def post_link(request: Request, token: LinkToken) -> Response:
        """Act at once, without a login (RFC 8058); a second time changes nothing. A browser gets a page that says so."""
        try:
            answer = await execute(request, partial(follow_link, token=token))
        except LinkInvalid:
            if _by_a_browser(request):
                return dead_link_page(request.headers.get("accept-language", ""))
            raise
        return await _page(request, token) if _by_a_browser(request) else answer

    return routes


def _by_a_browser(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


async def _page(request: Request, token: str) -> Response:
    """Return the page of a link as what it is about stands now; of one that leads nowhere, a page that says so."""
    runtime = runtime_in(request)
    try:
        async with runtime.database.read() as connection:
            found = await linked(connection, keys_of(runtime.state), token)
            organisation = await name_of(connection, found.row["organisation"])
    except LinkInvalid:
        return dead_link_page(request.headers.get("accept-language", ""))
    return link_page(
        found.action,
        organisation=organisation,
        of_contact=found.of_contact,
        language=found.language,
        waits=found.waits,
        moved=found.moved,
        done=not found.waits and found.state == ("active" if found.action == "confirm" else "ended"),
    )
