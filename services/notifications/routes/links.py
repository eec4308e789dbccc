"""`/v1/mail-links`: what the links of mails lead to. Opening one changes nothing; sending it as POST does (RFC 8058)."""

from functools import partial

from fastapi import APIRouter, Request, Response
from sqlalchemy import select

from schemas.http.notifications import LinkAnswer
from services.chassis.web.access import PUBLIC
from services.chassis.web.openapi import QUESTION
from services.chassis.web.operation import execute
from services.chassis.web.reading import respond
from services.notifications.commands.subscriptions import follow_link, link_json
from services.notifications.mail.pages import link_page
from services.notifications.routes.parameters import LinkToken, refusals, runtime_in
from services.notifications.rules.keys import Keys
from services.notifications.rules.problems import LinkInvalid
from services.notifications.rules.yearly import waits_for_answer
from services.notifications.tables import SUBSCRIPTIONS


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
        keys: Keys = runtime.state["keys"]
        found = keys.follow(token)
        if found is None:
            raise LinkInvalid
        async with runtime.database.read() as connection:
            query = select(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.id == found[1])
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            raise LinkInvalid
        if "text/html" in request.headers.get("accept", ""):
            done = not waits_for_answer(dict(row)) if found[0] == "confirm" else row["state"] == "ended"
            return link_page(found[0], language=row["language"], done=done)
        return respond(request, link_json(dict(row), found[0], done=False))

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
