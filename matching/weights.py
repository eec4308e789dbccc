"""The one published table of weights: budgets, floors, factors, thresholds and placement numbers.

Everything the ranking is calibrated by stands here, as integers, and goes into every epoch under its content hash. It
is data: no code branches on a version. Shares are per mille; field weights are sixteenths; impacts are 0..255.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from matching.bounds import refuse_out_of_bounds

_NEVER_BACKED: Mapping[str, int] = {"needs": 0, "tags": 0}
_NEVER_QUOTED: Mapping[str, int] = {
    "in_order": 0,
    "any_order": 0,
    "foreign": 0,
    "share": 0,
    "field": 0,
    "earlier": 0,
    "added": 0,
}
_NO_EMPHASIS: Mapping[str, int] = {"least": 1000, "most": 1000}
_NO_LANE: Mapping[str, Any] = {"attention": {}, "lane": 0, "concentration": 0}
_ATTENTION = (
    1_000_000,
    630_930,
    500_000,
    430_677,
    386_853,
    356_207,
    333_333,
    315_465,
    301_030,
    289_065,
    278_943,
    270_238,
    262_650,
    255_958,
    250_000,
    244_651,
    239_812,
    235_409,
    231_378,
    227_670,
)
"""1,000,000 ÷ log2(rank + 1), rounded: the discount of nDCG (Järvelin and Kekäläinen 2002), as the integers that count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The published table, version `version`.

    `evidence_threshold`, `evidence_tags`, the floors and the near-duplicate limit are per mille: of the item's budget
    (both), of the component's budget, and of the union of both term sets. `k1`, `b` and `k3` are thousandths: the
    saturation of counts in a document, the pull of its length, the saturation of counts in a project's text.
    `passage_bound` computes nothing: it is the most, per mille of a project's total, by which the points of one passage
    may differ between a description and one evidence item under the published budgets (`matching.passage_bound` derives it, and
    for each emphasis; those before version 12 say 300, by which short passages differ). `quoted` is how many words are a
    quoted passage, in the project's order and in any order, what a foreign word among them costs, and above what share of a
    project's different words, and of those of one of its fields, per mille, a document is an echo of it (see `matching.passages`); 0 is never, and for `foreign` that it
    ends a passage. With `earlier` 1, texts on record since a day before the project was published quote nothing. Tables before version 3
    have no such rule, those of version 3 have it without `earlier`, those before version 8 without `foreign`, those before version 10 without `share` and `field`, those before version 11 without `added`: what a table lacks is read as 0. `added` is how
    many, per mille, of the words that were added to a profile since the publication must be other than the project's (see `matching.quoting`). With `willing_reaches` 1, since version 5,
    where an organisation is willing to work counts as presence where a project requires presence. `backed`, since version
    6, is the most that needs and tags may give, per mille of what text and evidence give (see `matching.backing`); 0 is no
    bound, as in tables before. `attention` is what a row of a list is given by its rank, falling; `lane` is how many rows the
    lane beside the list has (see `matching.exposure`); `concentration` is the part of a global project's head, per mille,
    above which one region is named as holding too much of it. None of the three moves a row or a point; tables before
    version 7 do not have them, and they read as off. `emphasis` bounds what a project may make of a component's budget, per mille
    (see `matching.emphasis`), since version 9; tables before let it change nothing.
    """

    version: int = 12
    budgets: Mapping[str, int] = field(
        default_factory=lambda: {
            "text": 1_000_000_000,
            "evidence": 780_000_000,
            "needs": 110_000_000,
            "places": 70_000_000,
            "tags": 30_000_000,
            "languages": 10_000_000,
        }
    )
    project_fields: Mapping[str, int] = field(
        default_factory=lambda: {"title": 16, "summary": 16, "objective": 16, "need": 16}
    )
    member_fields: Mapping[str, int] = field(
        default_factory=lambda: {"mission": 16, "expertise": 16, "offers": 20, "evidence": 16}
    )
    field_cap: int = 3
    k1: int = 1200
    b: int = 750
    k3: int = 3000
    bigram: int = 500
    concept: int = 1500
    evidence_items: int = 3
    evidence_threshold: int = 40
    evidence_tags: int = 30
    near_duplicate: int = 600
    passage_bound: int = 401
    roles: Mapping[str, int] = field(default_factory=lambda: {"lead": 1000, "partner": 870})
    place_shares: Mapping[str, int] = field(default_factory=lambda: {"country": 600, "region": 400})
    place_impacts: Mapping[str, int] = field(
        default_factory=lambda: {"hq": 255, "operating": 255, "willing": 153}
    )
    tag_shares: Mapping[str, int] = field(
        default_factory=lambda: {
            "kap": 3,
            "bap": 3,
            "programme": 3,
            "wsis": 2,
            "theme": 2,
            "p2c": 2,
            "dac": 2,
            "sdg": 1,
        }
    )
    quoted: Mapping[str, int] = field(
        default_factory=lambda: {
            "in_order": 12,
            "any_order": 16,
            "foreign": 2,
            "share": 400,
            "field": 750,
            "earlier": 1,
            "added": 150,
        }
    )
    backed: Mapping[str, int] = field(default_factory=lambda: {"needs": 700, "tags": 250})
    emphasis: Mapping[str, int] = field(default_factory=lambda: {"least": 500, "most": 2000})
    floors: Mapping[str, int] = field(default_factory=lambda: {"text": 38, "evidence": 14})
    band_percentiles: Mapping[str, int] = field(
        default_factory=lambda: {"possible": 800, "good": 950, "strong": 990}
    )
    willing_reaches: int = 1
    head: int = 10
    parent_cap: int = 2
    local_minimum: int = 1
    newcomer_minimum: int = 2
    attention: Mapping[str, int] = field(
        default_factory=lambda: {str(rank): given for rank, given in enumerate(_ATTENTION, 1)}
    )
    lane: int = 8
    concentration: int = 600

    def __post_init__(self) -> None:
        defaults = {one.name: one.default_factory for one in fields(self)}
        names = {name: frozenset(made()) for name, made in defaults.items() if callable(made)}
        refuse_out_of_bounds({name: getattr(self, name) for name in defaults}, names)

    def to_json(self) -> dict[str, Any]:
        """Write the table as plain JSON, as it was written before a rule that is off in it came to be."""
        body = {
            name: dict(value) if isinstance(value, Mapping) else value
            for name, value in asdict(self).items()
            if name not in _NO_LANE or value != _NO_LANE[name]
        }
        for name in ("foreign", "share", "field", "earlier", "added"):
            if not self.quoted[name]:
                del body["quoted"][name]
        if not any(self.quoted.values()):
            del body["quoted"]
        if not self.willing_reaches:
            del body["willing_reaches"]
        if not any(self.backed.values()):
            del body["backed"]
        if self.emphasis == _NO_EMPHASIS:
            del body["emphasis"]
        return body

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Weights:
        """Read a table; ValueError where a name is unknown or missing (a silent default would change scores), or out of bounds."""
        names = {one.name for one in fields(cls)}
        body = {
            "backed": _NEVER_BACKED,
            "emphasis": _NO_EMPHASIS,
            "willing_reaches": 0,
            **_NO_LANE,
            **body,
            "quoted": {**_NEVER_QUOTED, **body.get("quoted", {})},
        }
        if names != set(body):
            raise ValueError(f"the weights table has other names than expected: {sorted(names ^ set(body))}")
        return cls(**body)
