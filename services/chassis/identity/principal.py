"""Who is asking: the outcome of verifying a token, and all that the services decide by.

It holds no personal data: an id, the roles, and for which organisation and office they count. This module must not
verify anything (see `verification`) nor decide what a role may do (each service's rules say so).
"""

from dataclasses import dataclass

from starlette.requests import Request

ROLES = frozenset(
    {
        "public",
        "organisation_reader",
        "organisation_editor",
        "organisation_admin",
        "project_manager",
        "office_officer",
        "bdt_analyst",
        "bdt_editor",
        "bdt_admin",
        "auditor",
    }
)
"""Every role there is. Everybody, named or not, has at least "public"."""

OF_AN_ORGANISATION = frozenset({"organisation_reader", "organisation_editor", "organisation_admin"})
"""The roles that mean something only together with an organisation."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or an API client. `organisation` is a UUID as text, `office` an office's code."""

    id: str
    roles: frozenset[str]
    organisation: str | None = None
    office: str | None = None

    def has(self, *roles: str) -> bool:
        """Return whether the principal has at least one of these roles."""
        return not self.roles.isdisjoint(roles)

    @property
    def is_anonymous(self) -> bool:
        """Return whether nobody named asked."""
        return self.id == "anonymous"


ANONYMOUS = Principal("anonymous", frozenset({"public"}))


def principal_of(request: Request) -> Principal:
    """Return who sent this request, ANONYMOUS if it came without a token. The token was verified before."""
    found = getattr(request.state, "principal", ANONYMOUS)
    return found if isinstance(found, Principal) else ANONYMOUS
