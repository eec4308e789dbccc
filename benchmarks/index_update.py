"""One profile changed, until the next query sees it: in the index alone and in the engine, beside a commit of tantivy.

    python benchmarks/index_update.py [--candidates 100000] [--updates 100000] [--json]

The index is filled with synthetic profiles (`synthetic.py`, seeded) and each of them is then replaced, one by one. The clock runs
from the analysed document (terms by name with their impacts, a Python mapping, as `matching.documents` makes it) until the
index is pinned again, which is what the next query reads: terms become numbers, the old revision dies, the new one
stands in the head. It does not run while a query sums (see `kernel_vs_peers.py`), nor while the index is tended between changes,
which the worker does when nobody waits; that is a figure of its own. Every hundredth change is asked for: a query
for its own mark must find the new revision and nothing of the old one.

The product does more between an archived revision and the next query, and that is measured beside it, over as many organisations (`rerank.py`'s, a thousand
different ones under other ids): their stems are weighed, both indexes, facts, texts and reasons take them in (`Engine.put_member`), and the whole
state is pinned (`Engine.pin`). Every hundredth view is asked for the revision. Claims are of processor time, which other processes of the
machine hardly touch; the wall's time stands beside it.

tantivy, in the same run, deletes, adds, commits and reloads (`pip install -e '.[peers]'`; without it, its row is missing).
"""

import argparse
import importlib.util
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.report import Claim, machine, report
from benchmarks.rerank import Town
from benchmarks.synthetic import WORDS, Corpus, corpus
from matching.analysis import prove_analyser
from matching.engine import Engine
from matching.epoch import Epoch
from matching.index import Index
from matching.vocabulary import Vocabulary
from services.chassis.lifecycle import collected_seldom, spared
from services.matches.commands import first_epoch

GOAL_MS = 0.2
_PEER_UPDATES = 60
_DIFFERENT = 1_000
_MOST_REVISIONS = 5_000


def comity(documents: Corpus, changed: Corpus, updates: int) -> dict[str, list[float]]:
    """Fill an index, change profiles, and return the times of both in milliseconds."""
    index, vocabulary, names = Index(np.uint8), Vocabulary(), [f"w:en:{word}" for word in range(WORDS)]
    numbers = np.array([vocabulary.number(name) for name in names], np.int32)
    for terms, impacts in documents.documents(documents.impacts()):
        index.put(index.new_entry(), numbers[terms], impacts)
    index.pin()
    entries = np.random.default_rng(3).integers(0, len(documents), updates).tolist()
    revisions = list(changed.documents(changed.impacts()))
    found: dict[str, list[float]] = {"processor": [], "wall": [], "tended": []}
    marks: dict[int, int] = {}
    for number, entry in enumerate(entries):
        terms, impacts = revisions[number % len(revisions)]
        document = {
            names[term]: impact for term, impact in zip(terms.tolist(), impacts.tolist(), strict=True)
        }
        document[f"mark:{number}"] = 7
        wall, busy = time.perf_counter(), time.thread_time()
        index.put(entry, *vocabulary.interned(document, np.uint8))
        pinned = index.pin()
        found["processor"].append(1000 * (time.thread_time() - busy))
        found["wall"].append(1000 * (time.perf_counter() - wall))
        busy = time.thread_time()
        index.tend()
        found["tended"].append(1000 * (time.thread_time() - busy))
        if number % 100 == 0:
            mark = vocabulary.number(f"mark:{number}")
            asked = np.array(sorted({mark, marks.get(entry, mark)}), np.int32)
            weights = np.ones(len(asked), np.int32)
            if pinned.sums([(asked, weights)])[0].nonzero()[0].tolist() != [entry]:
                raise SystemExit(f"change {number} cannot be seen, or the one before it still can")
            marks[entry] = mark
        elif entry in marks:
            del marks[entry]
    return found


def engine(candidates: int, updates: int) -> dict[str, list[float]]:
    """Fill an engine, put revisions, and return the processor's milliseconds of each until it is pinned, and of its parts."""
    epoch = Epoch.loads(first_epoch(None))
    filled, town, chance = Engine(epoch, analyser=prove_analyser()), Town(epoch), np.random.default_rng(3)
    drawn = [town.member() for _ in range(_DIFFERENT)]
    for number in range(candidates):
        member, analysed = drawn[number % _DIFFERENT]
        filled.put_member(replace(member, id=str(uuid.UUID(int=number + 1))), analysed)
    filled.tend()
    filled.pin()
    found: dict[str, list[float]] = {"put": [], "pinned": [], "visible": []}
    with spared():
        for revision in range(2, 2 + min(updates, _MOST_REVISIONS)):
            number = int(chance.integers(candidates))
            member, _ = drawn[number % _DIFFERENT]
            stems = drawn[int(chance.integers(_DIFFERENT))][
                1
            ]  # another text; as many past projects as it had
            stems = replace(stems, evidence=tuple((item.id, stems.fields) for item in member.evidence))
            member = replace(member, id=str(uuid.UUID(int=number + 1)), revision=revision)
            began = time.thread_time()
            filled.put_member(member, stems)
            put = time.thread_time()
            view = filled.pin()
            pinned = time.thread_time()
            filled.tend()
            if revision % 100 == 0 and view.member(member.id).revision != revision:
                raise SystemExit(f"revision {revision} cannot be seen")
            for name, seconds in (
                ("put", put - began),
                ("pinned", pinned - put),
                ("visible", pinned - began),
            ):
                found[name].append(1000 * seconds)
    return found


def tantivy(documents: Corpus, changed: Corpus) -> list[float]:
    """Return the milliseconds of single changes: delete, add, commit, reload."""
    from tantivy import Document, Index, SchemaBuilder, TextAnalyzerBuilder, Tokenizer  # noqa: PLC0415

    schema = (
        SchemaBuilder()
        .add_text_field("text", tokenizer_name="words", index_option="freq")
        .add_text_field("entry", tokenizer_name="raw", index_option="basic")
        .build()
    )
    peer = Index(schema)
    peer.register_tokenizer("words", TextAnalyzerBuilder(Tokenizer.whitespace()).build())
    writer = peer.writer(heap_size=200_000_000, num_threads=1)

    def add(entry: int, terms: Any, counts: Any) -> None:
        added = Document()
        added.add_text("text", " ".join(map(str, np.repeat(terms, counts).tolist())))
        added.add_text("entry", str(entry))
        writer.add_document(added)

    for entry, (terms, counts) in enumerate(documents.documents(documents.counts)):
        add(entry, terms, counts)
    writer.commit()
    revisions = list(changed.documents(changed.counts))[:_PEER_UPDATES]
    times = []  # by the wall: a commit waits for threads and files
    for entry, (terms, counts) in enumerate(revisions):
        began = time.perf_counter()
        writer.delete_documents_by_term("entry", str(entry))
        add(entry, terms, counts)
        writer.commit()
        peer.reload()
        times.append(1000 * (time.perf_counter() - began))
    return times


def quantiles(times: Sequence[float]) -> dict[str, float]:
    """Return the middle, the 99th percentile and the most, in milliseconds."""
    middle, high = np.percentile(times, (50, 99))
    return {"p50": round(float(middle), 4), "p99": round(float(high), 4), "most": round(max(times), 3)}


def main() -> None:
    """Change profiles and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=100_000)
    parser.add_argument("--updates", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    before = machine()
    documents = corpus(given.candidates)
    changed = corpus(min(given.candidates, 20_000), seed=4)
    found = comity(documents, changed, given.updates)
    with collected_seldom():  # as in the process that holds an engine
        whole = {name: quantiles(times) for name, times in engine(given.candidates, given.updates).items()}
    ours = quantiles(found["processor"])
    figures: dict[str, Any] = {
        "candidates": given.candidates,
        "updates": given.updates,
        "visible, ms of processor": ours,
        "engine, ms of processor": whole,
        "visible, ms by the wall": quantiles(found["wall"]),
        "tended between, ms of processor": quantiles(found["tended"])
        | {"mean": round(float(np.mean(found["tended"])), 4)},
        "tantivy, ms by the wall": "not installed",
    }
    ratios = {"most over p50 of a change": round(ours["most"] / ours["p50"], 1)}
    if importlib.util.find_spec("tantivy"):
        theirs, wall = quantiles(tantivy(documents, changed)), figures["visible, ms by the wall"]
        figures["tantivy, ms by the wall"] = theirs
        ratios = {
            f"tantivy's commit over a change here, by the wall, {name}": round(theirs[name] / wall[name], 1)
            for name in ("p50", "p99")
        } | ratios
    report(
        ratios=ratios,
        claims=[
            Claim(
                name=f"a change visible in {where}, processor time, p99",
                value=p99,
                unit="ms",
                goal=GOAL_MS,
                at_least=False,
            )
            for where, p99 in (
                (f"the index after {given.updates:,} of them", ours["p99"]),
                ("the engine, weighed and pinned", whole["visible"]["p99"]),
            )
        ],
        figures=figures,
        machine=before,
        as_json=given.json,
    )


if __name__ == "__main__":
    main()
