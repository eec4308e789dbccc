"""Who may see and change what an organisation has asked to hear.

*What.* Its own people; BDT's administrator, who helps them; the auditor, who reads. *Why nobody else.* What a competitor
listens to is its own business. *Never:* a category or a fee.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any
from uuid import UUID

from services.chassis.identity.principal import OF_AN_ORGANISATION, Principal
from services.chassis.web.problems import Forbidden, InvalidParameter, NotFound, Unauthenticated

OWN_WRITERS = frozenset({"organisation_editor", "organisation_admin"})
SUPPORT = "bdt_admin"
AUDITOR = "auditor"


def may_read(principal: Principal, organisation: str) -> bool:
    """Whether somebody may see this organisation's subscriptions, endpoints, deliveries and notices."""
    return principal.has(SUPPORT, AUDITOR) or _own(principal, organisation, OF_AN_ORGANISATION)


def may_write(principal: Principal, organisation: str) -> bool:
    """Whether somebody may change them."""
    return principal.has(SUPPORT) or _own(principal, organisation, OWN_WRITERS)


def require_writer(principal: Principal, organisation: str) -> None:
    """Raise Unauthenticated or Forbidden unless the principal may change what this organisation hears."""
    if may_write(principal, organisation):
        return
    if principal.is_anonymous:
        raise Unauthenticated
    raise Forbidden("Only the organisation's own editors and administrators, and BDT's, may do this.")


def require_support(principal: Principal) -> None:
    """Raise Unauthenticated or Forbidden unless the principal is BDT's administrator."""
    if principal.is_anonymous:
        raise Unauthenticated
    if not principal.has(SUPPORT):
        raise Forbidden("Only BDT's administrator may do this.")


def sees_addresses(principal: Principal, organisation: str) -> bool:
    """Whether somebody sees e-mail addresses: the organisation's own people and who helps them, not the auditor."""
    return principal.has(SUPPORT) or _own(principal, organisation, OF_AN_ORGANISATION)


def sees_contents(principal: Principal, organisation: str) -> bool:
    """Whether somebody sees what messages said, what was answered, and whole addresses of endpoints: its own people alone."""
    return _own(principal, organisation, OF_AN_ORGANISATION)


def sees_reasons(principal: Principal, organisation: str) -> bool:
    """Whether somebody sees why an organisation dismissed a project: its own people and the auditor; others see counts."""
    return principal.has(AUDITOR) or _own(principal, organisation, OF_AN_ORGANISATION)


def organisation_asked(principal: Principal, named: str | None) -> str:
    """Return whose things are asked for: those named, else the token's own.

    Raises Unauthenticated, Forbidden for another's, InvalidParameter if nobody's are named.
    """
    if principal.is_anonymous:
        raise Unauthenticated
    if named is None and not principal.has(*OF_AN_ORGANISATION) and not principal.has(SUPPORT, AUDITOR):
        raise Forbidden("Subscriptions belong to organisations; your roles are of none.")
    asked = named or (principal.organisation if principal.has(*OF_AN_ORGANISATION) else None)
    if asked is None:
        raise InvalidParameter(
            "Name the organisation; your token speaks for none.",
            errors=[
                {
                    "parameter": "organisation",
                    "rule": "speaks-for-none",
                    "detail": "It is missing.",
                    "fix": "Name the organisation.",
                }
            ],
        )
    if not may_read(principal, asked):
        raise Forbidden("Only the organisation's own people may see this.")
    return asked


def organisation_to_change(principal: Principal, named: UUID | None) -> str:
    """Return whose things are to be changed: those named, else the token's own. Raises what `organisation_asked` does."""
    asked = organisation_asked(principal, None if named is None else str(named))
    require_writer(principal, asked)
    return asked


def to_change(principal: Principal, row: Mapping[Any, Any] | None) -> dict[str, Any]:
    """Return the row that was found under an id, for one who may change it.

    Raises Unauthenticated, NotFound also for what this one may not even see, Forbidden.
    """
    if principal.is_anonymous:
        raise Unauthenticated
    if row is None or not may_read(principal, row["organisation"]):
        raise NotFound
    require_writer(principal, row["organisation"])
    return dict(row)


def _own(principal: Principal, organisation: str, roles: AbstractSet[str]) -> bool:
    return principal.organisation == organisation and principal.has(*roles)
