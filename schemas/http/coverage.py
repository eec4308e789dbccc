"""What `/v1/lists/{project}/coverage` answers: how well needs are met, and where the head of the list comes from.

*What.* Counts only. *Never:* a field that names an organisation.
"""

from typing import Annotated

from pydantic import Field

from schemas.http.matches import Answered, Count, Counts, Coverage, Stood, Title


class NeedCoverage(Coverage):
    """One need of the project with how well it is met."""

    importance: Annotated[int, Field(ge=1, le=5)]
    texts: tuple[Title, ...]
    met: bool


class Spread(Answered):
    """The rows of the head by region of headquarters, and how many are SMEs, of an LDC, newcomers, local.

    `concentrated` warns, for a global project, of regions that hold more of the head than `weights.concentration`.
    """

    head: Count
    regions: dict[str, Count]
    sme: Count
    ldc: Count
    newcomer: Count
    local: Count
    concentrated: tuple[str, ...]


class CoverageAnswer(Stood):
    """How well a project's needs are met above the floor; `unmet` names those that nobody meets. And who the head is."""

    counts: Counts
    needs: tuple[NeedCoverage, ...]
    unmet: tuple[str, ...]
    spread: Spread | None
