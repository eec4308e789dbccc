"""Who may read and write which organisation, and how much of it.

*What.* Three views: *full* (the profile with its contact), *profile* (without), *public* (name, country, category).
*Why.* Profiles are what organisations are ranked by; competitors see that one exists, not what it says. *Never:*
decide by category or fee; a prospect's own profile is as much its own as a member's.
"""

from collections.abc import Set as AbstractSet
from typing import Literal

View = Literal["full", "profile", "public"]

OWN_READERS = frozenset({"organisation_reader", "organisation_editor", "organisation_admin"})
OWN_WRITERS = frozenset({"organisation_editor", "organisation_admin"})
BDT_WRITERS = frozenset({"bdt_editor", "bdt_admin"})
CONTACT_READERS = frozenset({"office_officer", "bdt_editor", "bdt_admin"})
PROFILE_READERS = CONTACT_READERS | {"project_manager", "bdt_analyst", "auditor"}


def view_of(organisation_id: str, *, roles: AbstractSet[str], own: str | None) -> View:
    """Return how much of an organisation somebody sees; `own` is the organisation that the token speaks for."""
    if roles & CONTACT_READERS or (own == organisation_id and roles & OWN_READERS):
        return "full"
    return "profile" if roles & PROFILE_READERS else "public"


def may_write(organisation_id: str, *, roles: AbstractSet[str], own: str | None) -> bool:
    """Whether somebody may register, replace or withdraw it: its own editors, and BDT's."""
    return bool(roles & BDT_WRITERS or (own == organisation_id and roles & OWN_WRITERS))


def keeps_standing(roles: AbstractSet[str]) -> bool:
    """Whether somebody keeps the record of how organisations stand to the Union, and since when they take part."""
    return bool(roles & BDT_WRITERS)


def may_erase(organisation_id: str, *, roles: AbstractSet[str], own: str | None) -> bool:
    """Whether somebody may erase it for good: its own administrator, and BDT's."""
    return "bdt_admin" in roles or (own == organisation_id and "organisation_admin" in roles)


def may_search_profiles(roles: AbstractSet[str]) -> bool:
    """Whether somebody sees everybody's profiles, and so may filter by what only profiles say."""
    return bool(roles & PROFILE_READERS)
