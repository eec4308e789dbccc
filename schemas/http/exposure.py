"""What `/v1/exposure` answers: who is shown on the lists that stand, by groups; and what one organisation is given.

*What.* Counts, and shares in per mille, rounded down. *Never:* a field that names an organisation, but in its own answer.
"""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from schemas.http.matches import Answered, Count, Digest, PerMille


class Cell(Answered):
    """Organisations of one group, or of several small ones put together (`codes`).

    `fitting`: above the floor of an open project. `shown`: among the first rows or in the lane of one; `shown_first`: among
    first rows. `places` are those in heads. Shares are of all places and of all attention given and deserved.
    """

    codes: tuple[str, ...]
    organisations: Count
    fitting: Count
    shown: Count
    shown_first: Count
    places: Count
    places_share: PerMille
    given_share: PerMille
    deserved_share: PerMille


class Grouping(Answered):
    """The cells of one grouping. `region`, `ldc` are of the headquarters; a `newcomer` was not involved before the reference date."""

    grouping: Literal["category", "region", "sme", "ldc", "newcomer"]
    cells: tuple[Cell, ...]


class Everybody(Answered):
    """All active organisations. The Gini coefficients are of attention given, among those that fit or are shown."""

    known: Count
    fitting: Count
    shown: Count
    shown_first: Count
    shown_share: PerMille
    shown_first_share: PerMille
    gini: PerMille
    gini_first: PerMille


class Month(Answered):
    """The lists that stood when this day began: at the end of the month before."""

    day: date
    projects: Count
    fitting: Count
    shown: Count
    shown_share: PerMille
    gini: PerMille


class ExposureAnswer(Answered):
    """The exposure report. `organisations` is null where there are fewer than five and not every cell may be seen."""

    statement: str
    view: Literal["every_cell", "cells_of_five"]
    epoch: Digest
    reference_date: date
    data_as_of: str
    head: Count
    first: Count
    lane: Count
    projects: Count
    projects_with_local: Count
    projects_with_local_share: PerMille
    organisations: Everybody | None
    groups: tuple[Grouping, ...]
    trend: tuple[Month, ...]


class OrganisationExposure(Answered):
    """What the lists of open projects give to one organisation (`given_first`, `given_lane`), and what it deserves there.

    It is above the floor of `fits` of the `projects`, in the head of `heads`, among the first rows of `firsts` and in
    the lane of `lanes`. `share`: given in per mille of deserved, rounded down.
    """

    statement: str
    organisation: UUID
    name: str
    epoch: Digest
    reference_date: date
    data_as_of: str
    projects: Count
    fits: Count
    heads: Count
    firsts: Count
    lanes: Count
    given_first: Count
    given_lane: Count
    deserved: Count
    share: Annotated[int, Field(ge=0)]
