"""How cost and memory grow with the number of candidates, ten times and ten times again; and the index on disk.

    python benchmarks/cost_growth.py [--sizes 10000 100000 1000000] [--queries 40] [--json]

Synthetic documents (`synthetic.py`, seeded) are put one by one into one index for each size, in a process of its own; a query of 150 words scores
every candidate and names the best hundred. Cost is the p50 of that, in processor time; memory is what the process grew by while the
index was filled, its documents aside. Then the index is saved as a snapshot (`matching/snapshots.py`) and loaded again, in processor seconds. What no size has is a peer: the figures are held against one another.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import Claim, machine, report
from benchmarks.synthetic import WORDS, corpus, queries, weighted
from matching.index import Index, PinnedIndex
from matching.kernel import largest
from matching.snapshots import Snapshot, pieces, read

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
    kept = _kept(pinned, candidates)
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
    } | kept


def _kept(pinned: PinnedIndex, candidates: int) -> dict[str, float]:
    """Write the index into a file and read it again; the answers of both must be the same."""
    snapshot = Snapshot(
        epoch="0" * 64,
        positions={"members.v1/0": candidates},
        terms=[f"w:en:{word}" for word in range(WORDS)],
        names=[f"018f3c2a-7d10-7000-8000-{number:012x}" for number in range(candidates)],
        index=pinned,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        began = time.process_time()
        with path.open("wb") as file:
            file.writelines(pieces(snapshot))
        saved = time.process_time() - began
        began = time.process_time()
        index = Index.after(read(path.read_bytes(), epoch=snapshot.epoch).index)
        loaded = time.process_time() - began
        size = path.stat().st_size
    asked = (np.arange(0, WORDS, 7, dtype=np.int32), np.ones(len(range(0, WORDS, 7)), np.int32))
    if not (index.pin().sums([asked]) == pinned.sums([asked])).all():
        raise SystemExit("what was read is not what was written")
    return {
        "snapshot_megabytes": round(size / 1e6, 1),
        "snapshot_save_cpu_seconds": round(saved, 2),
        "snapshot_load_cpu_seconds": round(loaded, 2),
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
