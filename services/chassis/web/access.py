"""The question "may they?" where a set of roles is the whole answer.

Finer rules (own organisation, team) are each service's own, in its `rules`.
"""

from services.chassis.identity.principal import Principal
from services.chassis.web.problems import Forbidden, Unauthenticated


def require(principal: Principal, *roles: str) -> None:
    """Raise Unauthenticated if nobody named asks, Forbidden if they have none of these roles."""
    if principal.has(*roles):
        return
    if principal.is_anonymous:
        raise Unauthenticated
    raise Forbidden(f"This needs one of the roles {', '.join(sorted(roles))}.")
