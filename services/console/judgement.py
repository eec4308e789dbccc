"""Scores of rankings against known partners, by a well-kept evaluation library.

What: nDCG@10, recall@10, recall@100 and reciprocal rank over queries, for all candidates and for the tail. Why: figures
that others can compare must come from definitions that others use (ir_measures). It must not rank.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import ir_measures
from ir_measures import RR, R, nDCG

MEASURES = {"ndcg@10": nDCG @ 10, "recall@10": R @ 10, "recall@100": R @ 100, "mrr": RR}
DEEPEST = 100
"""No measure looks further down than this, but for the first true partner, so nothing beyond it is handed over."""

TAIL_MOST = 2
"""An organisation with at most so many past projects belongs to the tail."""


@dataclass(slots=True)
class Tally:
    """Means over queries; each query is added once, with the order in which its candidates were ranked."""

    sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(MEASURES, 0.0))
    queries: int = 0

    def add(self, order: Sequence[str], relevant: AbstractSet[str]) -> None:
        """Add one query: its whole ranking, best first, and its true partners; an empty ranking counts as 0."""
        self.queries += 1
        if not order:
            return
        first = next((place for place, one in enumerate(order) if one in relevant), 0)
        judged = [ir_measures.Qrel("q", one, 1) for one in sorted(relevant)]
        ranked = [
            ir_measures.ScoredDoc("q", one, float(-place))
            for place, one in enumerate(order[: max(DEEPEST, first + 1)])
        ]
        found = ir_measures.calc_aggregate(MEASURES.values(), judged, ranked)
        for name, measure in MEASURES.items():
            self.sums[name] += float(found[measure])

    def means(self) -> dict[str, float]:
        """Return each measure's mean over the queries, rounded to four places."""
        return {
            name: round(total / self.queries, 4) if self.queries else 0.0 for name, total in self.sums.items()
        }


@dataclass(slots=True)
class Judgement:
    """The figures of one ranker: everybody, and the tail (candidates and partners limited to it)."""

    everybody: Tally = field(default_factory=Tally)
    tail: Tally = field(default_factory=Tally)

    def add(self, order: Sequence[str], relevant: AbstractSet[str], *, tail: AbstractSet[str]) -> None:
        """Add one query; for the tail, a query without a true partner in it is left out."""
        self.everybody.add(order, relevant)
        wanted = relevant & tail
        if wanted:
            self.tail.add([one for one in order if one in tail], wanted)

    def figures(self) -> Mapping[str, object]:
        """Return the means of both."""
        return {**self.everybody.means(), "tail": {**self.tail.means(), "queries": self.tail.queries}}
