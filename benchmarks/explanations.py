"""The time to explain one candidate with every part and the passages of both texts, checked against the kernel.

What: the demo's organisations and initiatives in the serving engine, under the shipped epoch; every pair of a sample is
explained once to fill the caches of both records (first) and once more (again), and each is held against the kernel's sums.
Why: a page explains fifty candidates of one list, and an explanation that does not add up must not be fast. What is missing
and the proved changes, which one candidate's own page adds, are others' (`matching/gaps.py`, `matching/changes.py`). It must not measure HTTP.
"""

import argparse
import time
from random import Random
from typing import Any

import numpy as np

from benchmarks.report import Claim, machine, report
from matching.analysis import prove_analyser
from matching.engine import Engine
from matching.epoch import Epoch
from services.chassis.reference import load_reference
from services.console.corpus import read_corpus
from services.console.loading import DEMO_FOLDER
from services.matches.commands import first_epoch

DAY = "2026-11-24"
GOAL_MS = 1.0


def main() -> None:
    """Explain pairs of the demo and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--pairs", type=int, default=2_000)
    given = parser.parse_args()
    before, corpus = machine(), read_corpus(DEMO_FOLDER, load_reference())
    engine = Engine(Epoch.loads(first_epoch(None)), analyser=prove_analyser())
    for member in corpus.members:
        engine.put_member(member)
    for project in corpus.projects:
        engine.put_project(project)
    view, lot = engine.pin(), Random(7)
    lists = {name: view.rank(name, DAY) for name in view.projects}
    pairs = [(name, lot.choice(lists[name].members)) for name in lot.choices(view.projects, k=given.pairs)]
    times: dict[str, list[float]] = {"first": [], "again": [], "reasons": []}
    off = parts = 0
    for name, member in pairs:
        for round_ in ("first", "again"):
            started = time.perf_counter()
            explained = view.explain(name, member, DAY, passages=True)
            times[round_].append(1000 * (time.perf_counter() - started))
        started = time.perf_counter()
        view.reasons(name, member)
        times["reasons"].append(1000 * (time.perf_counter() - started))
        row = lists[name].row(lists[name].position_of(member) or 0)
        parts += len(explained.parts)
        off += sum(part.points for part in explained.parts) != row.points
    figures: dict[str, Any] = {"pairs": len(pairs), "parts a pair": round(parts / len(pairs), 1)}
    for name, found in times.items():
        figures[f"{name}: ms p50, p99"] = [round(float(np.percentile(found, at)), 3) for at in (50, 99)]
    report(
        ratios={},
        claims=[
            *(
                Claim(
                    name=f"one explanation, {name}: p50",
                    value=round(float(np.median(times[name])), 3),
                    unit="ms",
                    goal=GOAL_MS,
                    at_least=False,
                )
                for name in ("first", "again")
            ),
            Claim(name="explanations that do not add up", value=off, unit="", goal=0, at_least=False),
        ],
        figures=figures,
        machine=before,
        as_json=given.json,
    )


if __name__ == "__main__":
    main()
