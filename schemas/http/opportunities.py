"""What `/v1/opportunities` answers: the open projects on which an organisation stands above the floor.

*What.* The organisation's own points, fit and reasons. *Never:* a rank, or another organisation.
"""

from datetime import date
from uuid import UUID

from schemas.events.parts import NeedKind
from schemas.http.matches import Answered, AsOf, Band, Count, Digest, PerMille, Title


class Opportunity(Answered):
    """An open project on which the organisation stands above the floor."""

    project: UUID
    titles: tuple[Title, ...]
    level: str | None
    regions: tuple[str, ...]
    countries: tuple[str, ...]
    deadline: date | None
    need_kinds: tuple[NeedKind, ...]
    epoch: Digest  # under which its points stand: that of the project's newest list version
    points: Count
    fit: PerMille
    band: Band
    components: dict[str, int]
    shown: dict[str, int]
    labels: tuple[str, ...]
    reasons: tuple[str, ...]
    links: dict[str, str]


class OpportunityPage(Answered):
    """An organisation's opportunities, the best fit first."""

    organisation: UUID
    name: str | None
    epoch: Digest
    reference_date: date
    as_of: tuple[AsOf, ...]
    statement: str
    total: Count
    opportunities: tuple[Opportunity, ...]
    next: str | None
