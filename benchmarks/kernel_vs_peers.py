"""Every candidate scored and the best hundred named, on one core: the index beside scikit-learn, bm25s and tantivy.

    python benchmarks/kernel_vs_peers.py [--sizes 1000 10000 100000 1000000] [--queries 40] [--json]

Every engine answers the same queries (4 words; 150 words, as a project's text has) over the same synthetic documents
(`synthetic.py`, seeded), in a process of its own, one after the other, with one thread. The clock runs from word numbers to
the best hundred; ratios are of processor time, which other processes of the machine hardly touch, and the wall's time stands beside it:

- `comity`: `matching.index`, **all candidates scored**, exact integers; documents were put one by one, as they come.
- `linear_kernel`: scikit-learn's TF-IDF as most examples write it, all candidates scored; float32.
- `transposed`: the same matrix turned once, `query @ matrix.T.tocsr()`, all candidates scored.
- `bm25s`: its numba backend, float32; all candidates scored; no updates.
- `tantivy`: BM25 with block-max pruning, in memory: **only the best hundred**, exact; updates by commits.

tantivy is the one peer that `make install` leaves out: `pip install -e '.[peers]'`, or its row is missing and named.
The answers are compared before the times: how many of bm25s's best hundred the index names too (both are BM25 with the
same parameters; bm25s in floats).
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.report import Claim, machine, report
from benchmarks.synthetic import K1, WORDS, B, Corpus, corpus, queries, weighted

TOP = 100
LENGTHS = (4, 150)
GOALS = {"linear_kernel": 100.0, "transposed": 5.0, "bm25s": 1.5, "tantivy": 2.5}
_WARM_UP = 5

Query = npt.NDArray[np.int64]
Search = Callable[[Query], npt.NDArray[Any]]


def comity(documents: Corpus) -> Search:
    """The index of members, filled as a worker fills it."""
    from matching.index import Index  # noqa: PLC0415 - one engine a process
    from matching.kernel import largest  # noqa: PLC0415

    index, idf = Index(np.uint8), documents.idf
    for terms, impacts in documents.documents(documents.impacts()):
        index.put(index.new_entry(), terms, impacts)
    index.tend()
    pinned = index.pin()
    return lambda query: largest(pinned.sums([weighted(query, idf)])[0], TOP)


def linear_kernel(documents: Corpus) -> Search:
    """scikit-learn, the matrix as the vectoriser leaves it."""
    from sklearn.metrics.pairwise import linear_kernel as multiply  # noqa: PLC0415

    vectors, of_query = _tfidf(documents)
    return lambda query: _best(multiply(of_query(query), vectors)[0])


def transposed(documents: Corpus) -> Search:
    """scikit-learn, the matrix transposed once."""
    vectors, of_query = _tfidf(documents)
    turned = vectors.T.tocsr()
    del vectors
    return lambda query: _best((of_query(query) @ turned).toarray()[0])


def bm25s(documents: Corpus) -> Search:
    """bm25s with numba, its fastest backend."""
    from bm25s import BM25  # noqa: PLC0415

    peer = BM25(method="lucene", k1=K1, b=B, backend="numba")
    words = list(range(WORDS))  # one object a word: lists of a hundred million would not fit
    numbers = [
        [words[term] for term in np.repeat(terms, counts)]
        for terms, counts in documents.documents(documents.counts)
    ]
    peer.index((numbers, {str(word): word for word in words}), show_progress=False)
    return lambda query: peer.retrieve([query.tolist()], k=TOP, show_progress=False).documents[0]


def tantivy(documents: Corpus) -> Search:
    """Tantivy through its Python package, one segment."""
    from tantivy import (  # noqa: PLC0415
        Document,
        Index,
        Occur,
        Query,
        SchemaBuilder,
        TextAnalyzerBuilder,
        Tokenizer,
    )

    schema = (
        SchemaBuilder()
        .add_text_field("text", tokenizer_name="words", index_option="freq")
        .add_unsigned_field("entry", stored=False, fast=True)
        .build()
    )
    peer = Index(schema)
    peer.register_tokenizer("words", TextAnalyzerBuilder(Tokenizer.whitespace()).build())
    writer = peer.writer(heap_size=1_000_000_000, num_threads=1)
    for entry, (terms, counts) in enumerate(documents.documents(documents.counts)):
        added = Document()
        added.add_text("text", " ".join(map(str, np.repeat(terms, counts).tolist())))
        added.add_unsigned("entry", entry)
        writer.add_document(added)
    writer.commit()
    writer.wait_merging_threads()
    peer.reload()
    searcher = peer.searcher()

    def search(query: Query) -> npt.NDArray[Any]:
        asked = Query.boolean_query(
            [
                (Occur.Should, Query.term_query(schema, "text", str(word), index_option="freq"))
                for word in query.tolist()
            ]
        )
        hits = searcher.search(asked, TOP, count=False).hits
        return np.array([address.doc for _, address in hits])

    return search


ENGINES: dict[str, Callable[[Corpus], Search]] = {
    "comity": comity,
    "bm25s": bm25s,
    "tantivy": tantivy,
    "transposed": transposed,
    "linear_kernel": linear_kernel,
}


def _tfidf(documents: Corpus) -> tuple[Any, Callable[[Query], Any]]:
    """Return the TF-IDF vectors of the documents, and what makes those of a query."""
    from scipy.sparse import csr_matrix  # noqa: PLC0415
    from sklearn.feature_extraction.text import TfidfTransformer  # noqa: PLC0415

    counted = csr_matrix(
        (documents.counts.astype(np.float32), documents.terms, documents.offsets.astype(np.int32)),
        shape=(len(documents), WORDS),
    )
    fitted = TfidfTransformer(sublinear_tf=True).fit(counted)
    vectors = fitted.transform(counted, copy=False)

    def of_query(query: Query) -> Any:
        terms, counts = np.unique(query, return_counts=True)
        asked = csr_matrix((counts.astype(np.float32), terms, [0, len(terms)]), shape=(1, WORDS))
        return fitted.transform(asked)

    return vectors, of_query


def _best(scores: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Name the best hundred of a full vector the way NumPy does it fastest."""
    top = np.argpartition(-scores, TOP)[:TOP]
    return top[np.argsort(-scores[top])]


def measure(engine: str, candidates: int, number: int) -> dict[str, Any]:
    """Build one engine and time its queries, in this process."""
    documents = corpus(candidates)
    frequencies = np.bincount(documents.terms, minlength=WORDS)
    began = time.perf_counter()
    search = ENGINES[engine](documents)
    found: dict[str, Any] = {"build_seconds": round(time.perf_counter() - began, 1)}
    for words in LENGTHS:
        asked = queries(number + _WARM_UP, words)
        walls, processor, answers = [], [], []
        for query in asked:
            wall, busy = time.perf_counter(), time.process_time()
            answers.append(search(query).tolist())
            processor.append(1000 * (time.process_time() - busy))
            walls.append(1000 * (time.perf_counter() - wall))
        touched = [frequencies[np.unique(query)].sum() / candidates for query in asked]
        found[f"{words} words"] = {
            "p50_ms": round(float(np.median(walls[_WARM_UP:])), 3),
            "p99_ms": round(float(np.percentile(walls[_WARM_UP:], 99)), 3),
            "cpu_p50_ms": round(float(np.median(processor[_WARM_UP:])), 3),
            "postings_a_candidate": round(float(np.mean(touched)), 2),
            "answers": answers[_WARM_UP:],
        }
    return found


def in_a_process(engine: str, candidates: int, number: int) -> dict[str, Any]:
    """Measure an engine in a process of its own with one thread."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    command = [sys.executable, __file__, "--engine", engine, "--sizes", str(candidates)]
    done = subprocess.run(
        [*command, "--queries", str(number)],
        env={**os.environ, **threads},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def shared(one: list[list[int]], other: list[list[int]]) -> float:
    """Return the share of the other's best hundred that the one names too, over all queries."""
    both = sum(len(set(a) & set(b)) for a, b in zip(one, other, strict=True))
    return both / sum(len(answer) for answer in other)


def main() -> None:
    """Measure every engine at every size and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--engine", choices=ENGINES, help="measure this one alone, in this process")
    given = parser.parse_args()
    if given.engine:
        print(json.dumps(measure(given.engine, given.sizes[0], given.queries)))
        return
    before = machine()
    here = [engine for engine in ENGINES if importlib.util.find_spec("tantivy") or engine != "tantivy"]
    figures: dict[str, Any] = {} if "tantivy" in here else {"tantivy": "not installed"}
    ratios: dict[str, float] = {}
    for candidates in given.sizes:
        measured = {engine: in_a_process(engine, candidates, given.queries) for engine in here}
        for words in LENGTHS:
            rows = {engine: measured[engine][f"{words} words"] for engine in here}
            answers = {engine: row.pop("answers") for engine, row in rows.items()}
            for engine in here[1:]:
                ratio = rows[engine]["cpu_p50_ms"] / rows["comity"]["cpu_p50_ms"]
                ratios[f"{engine} over comity, {candidates} candidates, {words} words"] = round(ratio, 2)
            name = f"{candidates} candidates, {words} words"
            figures[name] = rows
            figures[f"{name}: best hundred shared with bm25s"] = round(
                shared(answers["comity"], answers["bm25s"]), 4
            )
        figures[f"{candidates} candidates: seconds to build"] = {
            engine: row["build_seconds"] for engine, row in measured.items()
        }
    largest = max(given.sizes)
    claims = [
        Claim(
            name=f"{engine} over comity, {largest:,} candidates, {words} words, p50",
            value=ratios[f"{engine} over comity, {largest} candidates, {words} words"],
            unit="times",
            goal=goal,
        )
        for words in reversed(LENGTHS)
        for engine, goal in GOALS.items()
        if engine in here
    ]
    report(ratios=ratios, claims=claims, figures=figures, machine=before, as_json=given.json)


if __name__ == "__main__":
    main()
