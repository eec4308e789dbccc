"""Who is ever shown? The first rows of every list with and without the lane, on real projects and who carried them out.

What: ranks the queries of cordis-horizon-ict with the engine that serves, one after another as if each were published when the ones
before it stood, chooses each lane by the record of those, and counts who was seen. Beside it the order itself is
scored with and without lanes, by the lists' own rows: a lane that touched one would show. Why: that nobody is hidden is
worth little if the same few are always on top. It must not use the true partners for anything but the score.

`python -m benchmarks.exposure [--queries N] [--lane N] [--json]`
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.report import Claim, machine, report
from matching.exposure import Exposure, attention_of, gini, summed, with_lane
from matching.lists import RankedList
from matching.ties import id_bytes
from matching.weights import Weights
from services.console.evaluation import Evaluation, read_answers
from services.console.judgement import Judgement

FOLDER = "cordis-horizon-ict"
LEAST_SHOWN, MOST_LOST = 60.0, 2.0
"""Goals, per cent: organisations ever shown, and nDCG@10 of the main list that the lanes may cost."""


@dataclass(kw_only=True)
class Measured:
    """Lists as they come: the record, the scores of the order without and with lanes, and the true partners in places."""

    weights: Weights
    root: Callable[[str], str]
    exposure: Exposure = field(default_factory=Exposure)
    without: Judgement = field(default_factory=Judgement)
    beside: Judgement = field(default_factory=Judgement)
    changed: int = 0
    lane_rows: int = 0
    lane_partners: int = 0
    following_partners: int = 0

    def take(self, rank: Callable[[], RankedList], relevant: set[str]) -> None:
        """Rank, choose the lane, let the list stand for those that follow; and rank again, to see what the lane did to it."""
        ranked = rank()
        self.without.add(ranked.members, relevant, tail=frozenset())
        rows = attention_of(ranked, self.weights)
        lane = self.exposure.lane(ranked, rows, self.weights, root=self.root)
        self.exposure.put(ranked.project, with_lane(rows, lane, self.weights))
        again = rank()
        self.beside.add(again.members, relevant, tail=frozenset())
        self.changed += again.digest() != ranked.digest()
        first = len(self.weights.attention)
        self.lane_rows += len(lane)
        self.lane_partners += len({one.member for one in lane} & relevant)
        self.following_partners += len(set(ranked.members[first : first + len(lane)]) & relevant)


def figures_of(found: Measured, everybody: list[str]) -> dict[str, Any]:
    """Return who was shown, how evenly, and what the lanes hold."""
    sums = summed(found.exposure.lists.values(), head=found.weights.head)
    known = {id_bytes(name) for name in everybody}
    first = dict(zip(sums.ids, sums.first.tolist(), strict=True))
    both = dict(zip(sums.ids, (sums.first + sums.lane).tolist(), strict=True))
    fitting = {one for one, fits in zip(sums.ids, sums.fits.tolist(), strict=True) if fits}

    def share(given: dict[bytes, int], among: set[bytes]) -> float:
        return round(100 * sum(given.get(one, 0) > 0 for one in among) / max(1, len(among)), 1)

    return {
        "queries": len(found.exposure.lists),
        "organisations": len(known),
        "above the floor of some query": len(fitting),
        "ever shown, first rows": share(first, known),
        "ever shown, first rows and lane": share(both, known),
        "ever shown of those above a floor, first rows": share(first, fitting),
        "ever shown of those above a floor, first rows and lane": share(both, fitting),
        "Gini of attention, first rows": gini(first.get(one, 0) for one in known) / 1000,
        "Gini of attention, first rows and lane": gini(both.get(one, 0) for one in known) / 1000,
        "rows in lanes": found.lane_rows,
        "true partners in lanes": found.lane_partners,
        "true partners in as many rows after the first": found.following_partners,
        "lists that a lane changed": found.changed,
        "nDCG@10 without lanes": found.without.figures()["ndcg@10"],
        "nDCG@10 beside lanes": found.beside.figures()["ndcg@10"],
    }


def _ranked(evaluation: Evaluation, external: str) -> RankedList:
    found = evaluation.ranked(external)
    if found is None:
        raise LookupError(external)
    return found


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, help="only the first so many; by default all")
    parser.add_argument("--lane", type=int, help="rows of a lane; by default as published")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    folder = Path(os.environ.get("COMITY_TEST_DATA", "")) / FOLDER
    if not folder.exists():
        sys.exit(f"COMITY_TEST_DATA names no folder with {FOLDER}, so there is nothing to measure.")
    before, started = machine(), time.monotonic()
    evaluation = Evaluation(folder)
    weights = evaluation.view.weights
    if given.lane is not None:
        weights = replace(weights, lane=given.lane)
    found = Measured(weights=weights, root=evaluation.view.root)
    for external, partners in sorted(read_answers(folder / "qrels_dev.tsv").items())[: given.queries]:
        if evaluation.ranked(external) is not None:
            relevant = {evaluation.organisation_id(one) for one in partners}
            found.take(partial(_ranked, evaluation, external), relevant)
    figures = figures_of(found, list(evaluation.members))
    plain, beside = figures["nDCG@10 without lanes"], figures["nDCG@10 beside lanes"]
    claims = [
        Claim(
            name="organisations ever shown, first rows and lane",
            value=figures["ever shown, first rows and lane"],
            unit="%",
            goal=LEAST_SHOWN,
        ),
        Claim(
            name="nDCG@10 of the list that the lanes cost",
            value=round(100 * (plain - beside) / plain, 2),
            unit="%",
            goal=MOST_LOST,
            at_least=False,
        ),
    ]
    ratio = figures["ever shown, first rows and lane"] / max(0.1, figures["ever shown, first rows"])
    figures |= {"lane": weights.lane, "seconds": round(time.monotonic() - started, 1)}
    report(
        ratios={"ever shown, with the lane beside without": round(ratio, 2)},
        claims=claims,
        figures=figures,
        machine=before,
        as_json=given.json,
    )


if __name__ == "__main__":
    main()
