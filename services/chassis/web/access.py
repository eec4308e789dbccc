"""The question "may they?" where a set of roles is the whole answer.

Finer rules (own organisation, team) are each service's own, in its `rules`.
"""

from typing import Any

from services.chassis.identity.principal import Principal
from services.chassis.web.problems import Forbidden, Unauthenticated

PUBLIC: dict[str, Any] = {"security": [{}, {"bearer": []}]}
"""Give it as a route's `openapi_extra` to let callers in without a token; a token that is sent is still verified.
Every other route answers 401 to them before anything else."""


def require(principal: Principal, *roles: str) -> None:
    """Raise Unauthenticated if nobody named asks, Forbidden if they have none of these roles."""
    if principal.has(*roles):
        return
    if principal.is_anonymous:
        raise Unauthenticated
    raise Forbidden(f"This needs one of the roles {', '.join(sorted(roles))}.")
