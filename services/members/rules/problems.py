"""The errors of this service, each with a page of its code."""

from collections.abc import Mapping, Sequence
from typing import Never

from services.chassis.identity.principal import Principal
from services.chassis.web.problems import (
    Conflict,
    ErrorEntry,
    Forbidden,
    Problem,
    Unauthenticated,
)


class OrganisationErased(Problem):
    """The organisation was erased for good. Its id is never given out again."""

    status = 410
    code = "organisation-erased"
    title = "Erased"


class OrganisationWithdrawn(Conflict):
    """The organisation is withdrawn already. Writing its profile anew brings it back."""

    code = "organisation-withdrawn"
    title = "Withdrawn already"


class DuplicateExternalId(Conflict):
    """Another record has this external id already."""

    code = "duplicate-external-id"
    title = "The external id is taken"

    @classmethod
    def of(
        cls, pairs: Sequence[tuple[str, str]], taken: Mapping[tuple[str, str], str], *, named: bool
    ) -> "DuplicateExternalId":
        """Return the problem that names every id that is taken, and its holder to those who may see profiles."""
        errors: list[ErrorEntry] = []
        for place, pair in enumerate(pairs):
            if pair in taken:
                error: ErrorEntry = {
                    "pointer": f"/external_ids/{place}",
                    "rule": "external-id-unique",
                    "detail": f"Another organisation has the external id {pair[0]}:{pair[1]}.",
                    "fix": "Remove it, or write to the organisation that has it.",
                }
                errors.append(error | ({"organisation": taken[pair]} if named else {}))
        first = next(pair for pair in pairs if pair in taken)
        holder = f" It belongs to {taken[first]}." if named else ""
        return cls(f"Another organisation has the external id {first[0]}:{first[1]}.{holder}", errors=errors)


def refuse_writer(principal: Principal) -> Never:
    """Raise Unauthenticated if nobody named asks, else Forbidden."""
    if principal.is_anonymous:
        raise Unauthenticated
    raise Forbidden("Only the organisation's own editors and administrators, and BDT's, may do this.")
