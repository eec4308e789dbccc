"""`/v1/tokens` and `/v1/jwks`: how a program gets a token, and how anybody verifies one."""

from typing import Any

from fastapi import APIRouter, Request, Response

from schemas.http.identity import KeySet, TokenAnswer
from services.chassis.web.access import PUBLIC
from services.chassis.web.bodies import FORM
from services.chassis.web.openapi import QUESTION
from services.chassis.web.problems import UnsupportedMedia
from services.chassis.web.reading import respond
from services.chassis.web.runtime import runtime_in
from services.identity.commands.tokens import GRANT, issue_token, key_set, read_request

_TEXT = {"type": "string", "maxLength": 300}
_TOKEN_REQUEST: dict[str, Any] = {
    "security": [{}, {"basic": []}],
    QUESTION: True,
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {
                        "grant_type": {
                            "type": "string",
                            "const": GRANT,
                            "description": "The one grant that there is.",
                        },
                        "client_id": _TEXT
                        | {"description": "The client's id, unless it is sent by HTTP Basic."},
                        "client_secret": _TEXT
                        | {"description": "One of its secrets, unless it is sent by HTTP Basic."},
                    },
                },
                "example": {"grant_type": GRANT, "client_id": "019ab3c2-…", "client_secret": "comity_…"},
            }
        },
    },
}


def router() -> APIRouter:
    """Return the routes of tokens and keys."""
    routes = APIRouter(tags=["tokens"])

    @routes.post(
        "/v1/tokens",
        operation_id="create_token",
        summary="An access token for a client's id and secret",
        response_model=TokenAnswer,
        openapi_extra=_TOKEN_REQUEST,
    )
    async def create_token(request: Request) -> Response:
        """OAuth 2.0 client credentials: the id and secret as form fields, or by HTTP Basic."""
        address = request.client.host if request.client else "unknown"
        await request.app.state.rate_limits.count("tokens", address, headers=request.state.answer_headers)
        if not request.headers.get("content-type", "").lower().startswith(FORM):
            raise UnsupportedMedia(f"Send {FORM}.", headers={"Accept": FORM})
        credentials = read_request(await request.body(), request.headers.get("authorization"))
        runtime = runtime_in(request)
        token = await issue_token(runtime, credentials)
        return respond(request, token, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})

    @routes.get(
        "/v1/jwks",
        operation_id="get_keys",
        summary="The public keys that verify tokens, and the tokens that are revoked",
        response_model=KeySet,
        openapi_extra=PUBLIC,
    )
    async def get_keys(request: Request) -> Response:
        """Return a JSON Web Key Set, and which tokens are revoked; a key that is new here signs from now on."""
        keys = await key_set(runtime_in(request))
        return respond(request, keys, headers={"Cache-Control": "public, no-cache"})

    return routes
