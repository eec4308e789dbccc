"""Who may give which roles to whom, and what a role needs besides itself. Pure decisions."""

from collections.abc import Iterable
from uuid import UUID

from services.chassis.identity.principal import OF_AN_ORGANISATION, Principal
from services.chassis.reference import Reference
from services.chassis.web.problems import ErrorEntry, Forbidden, InvalidBody, Problem, Unauthenticated

ADMINISTRATORS = ("bdt_admin",)
READERS = ("bdt_admin", "auditor", "organisation_admin")
MOST_SECRETS = 2  # the one in use, and the one that replaces it


class TooManySecrets(Problem):
    """A client has two secrets at most, the old and the new. Delete the old one first."""

    status = 409
    code = "too-many-secrets"
    title = "Two secrets are the most"


class AddressInUse(Problem):
    """Somebody else has this e-mail address."""

    status = 409
    code = "address-in-use"
    title = "The address belongs to somebody else"


class Revoked(Problem):
    """It was revoked or removed, which is final. Make a new one under a new id."""

    status = 409
    code = "revoked"
    title = "Revoked for good"


class InvalidClient(Problem):
    """There is no client with this id and secret, or it was revoked."""

    status = 401
    code = "invalid-client"
    title = "The client's id or secret is wrong"


class InvalidTokenRequest(Problem):
    """The token request is not one of OAuth 2.0's client credentials grant."""

    status = 400
    code = "invalid-token-request"
    title = "The token request cannot be read"


class UnsupportedGrant(Problem):
    """Only the grant type client_credentials is known."""

    status = 400
    code = "unsupported-grant-type"
    title = "Unknown grant type"


def check_may_manage(principal: Principal, *, roles: Iterable[str], organisation: str | None) -> None:
    """Raise unless the principal may give these roles for this organisation, or take them away.

    BDT administrators give any role; an organisation's administrator gives its organisation's own roles.
    """
    if principal.has(*ADMINISTRATORS):
        return
    if principal.is_anonymous:
        raise Unauthenticated
    own = principal.organisation is not None and principal.organisation == organisation
    if principal.has("organisation_admin") and own and OF_AN_ORGANISATION.issuperset(roles):
        return
    raise Forbidden("You may give the roles of your own organisation only, as its administrator.")


def may_see(principal: Principal, organisation: str | None) -> bool:
    """Return whether the principal may see a person or client of this organisation."""
    if principal.has("bdt_admin", "auditor"):
        return True
    return (
        principal.has("organisation_admin")
        and principal.organisation is not None
        and principal.organisation == organisation
    )


def may_see_names(principal: Principal) -> bool:
    """Return whether the principal sees people's names and addresses: those who administer them, not auditors."""
    return principal.has("bdt_admin", "organisation_admin")


def check_belongings(
    roles: Iterable[str], *, organisation: UUID | None, office: str | None, reference: Reference
) -> None:
    """Raise InvalidBody, naming all faults at once, if a role lacks its organisation or office."""
    faults: list[ErrorEntry] = []
    given = set(roles)
    if given & OF_AN_ORGANISATION and organisation is None:
        faults.append(
            {
                "pointer": "/organisation",
                "rule": "role-needs-organisation",
                "detail": "A role of an organisation needs the organisation.",
                "fix": "Add its id.",
            }
        )
    if "office_officer" in given and office is None:
        faults.append(
            {
                "pointer": "/office",
                "rule": "role-needs-office",
                "detail": "office_officer needs the office.",
                "fix": "Add its code.",
            }
        )
    if office is not None and (refusal := reference.check_office(office)):
        faults.append(
            {"pointer": "/office", "rule": refusal.rule, "detail": refusal.detail, "fix": refusal.fix}
        )
    if faults:
        raise InvalidBody(" ".join(fault["detail"] for fault in faults), errors=faults)
