"""How cost and memory grow with the number of candidates, ten times and ten times again.

    python benchmarks/cost_growth.py [--sizes 10000 100000 1000000] [--queries 40] [--json]

Synthetic documents (`synthetic.py`, seeded) are put one by one into one index for each size, in a process of its own; a query of 150 words scores
every candidate and names the best hundred. Cost is the p50 of that, in processor time; memory is what the process grew by while the
index was filled, its documents aside. What no size has is a peer: the figures are held against one another.
"""

import argparse
import json
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import Claim, machine, report
from benchmarks.synthetic import corpus, queries, weighted
from matching.index import Index
from matching.kernel import largest

GROWTH = 11.0
TOP = 100
_WARM_UP = 5


def measure(candidates: int, number: int) -> dict[str, Any]:
    """Fill one index and ask it."""
    documents = corpus(candidates)
    impacts, idf = documents.impacts(), documents.idf
    _warm(idf)
    before, began = resident(), time.perf_counter()
    index = Index(np.uint8)
    for terms, values in documents.documents(impacts):
        index.put(index.new_entry(), terms, values)
    filled = time.perf_counter() - began
    index.tend()
    pinned = index.pin()
    grown = resident() - before
    walls, processor = [], []
    for query in queries(number + _WARM_UP, 150):
        wall, busy = time.perf_counter(), time.process_time()
        largest(pinned.sums([weighted(query, idf)])[0], TOP)
        processor.append(1000 * (time.process_time() - busy))
        walls.append(1000 * (time.perf_counter() - wall))
    return {
        "p50_ms": round(float(np.median(walls[_WARM_UP:])), 3),
        "p99_ms": round(float(np.percentile(walls[_WARM_UP:], 99)), 3),
        "cpu_p50_ms": round(float(np.median(processor[_WARM_UP:])), 3),
        "fill_seconds": round(filled, 2),
        "bytes_a_candidate": round(grown / candidates),
        "postings_a_candidate": round(len(documents.terms) / candidates, 1),
    }


def _warm(idf: Any) -> None:
    """Compile before the clock runs."""
    small, index = corpus(1_000, seed=9), Index(np.uint8)
    for terms, values in small.documents(small.impacts()):
        index.put(index.new_entry(), terms, values)
    largest(index.pin().sums([weighted(queries(1, 150)[0], idf)])[0], TOP)


def resident() -> int:
    """Return the bytes of this process that are in memory."""
    status = Path("/proc/self/status").read_text("utf-8")
    return 1024 * int(status.split("VmRSS:")[1].split()[0])


def main() -> None:
    """Measure every size and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", type=int, help="measure this size alone, in this process")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one, given.queries)))
        return
    before = machine()
    rows: dict[int, dict[str, Any]] = {}
    for size in sorted(given.sizes):
        command = [sys.executable, __file__, "--one", str(size), "--queries", str(given.queries)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        rows[size] = json.loads(done.stdout)
    growth = {
        f"{larger:,} over {smaller:,} candidates": round(
            rows[larger]["cpu_p50_ms"] / rows[smaller]["cpu_p50_ms"], 2
        )
        for smaller, larger in pairwise(rows)
    }
    claims = [
        Claim(name=f"cost of {name}", value=ratio, unit="times", goal=GROWTH, at_least=False)
        for name, ratio in growth.items()
    ]
    figures = {f"{size:,} candidates": row for size, row in rows.items()}
    report(ratios=growth, claims=claims, figures=figures, machine=before, as_json=given.json)


if __name__ == "__main__":
    main()
