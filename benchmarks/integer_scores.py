"""What integers cost in quality: 8-bit impacts beside the same formula in float64, on real partnerships.

    python benchmarks/integer_scores.py FOLDER [--queries 200] [--json]

FOLDER is a register with known partners, such as cordis-horizon-ict. Its past projects are the documents, each an evidence
item; an epoch is fitted on them. A query project is scored against each past project twice: by the index, and in float64 with
impacts from the same counts without any rounding. The query's weights are the published integers in both (five digits: what
they lose is a thousandth of what a byte does). An organisation's points are the sum of its best three past projects; thresholds, tags
and bridges, which are made of the same numbers, are left out. The claims are the share of the float's best hundred documents that
the integers name too, and how much of nDCG@10 they keep.
"""

import argparse
import csv
import gzip
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from benchmarks.report import Claim, machine, report
from matching.analysis import Analysed, prove_analyser
from matching.documents import count_terms, own_impacts
from matching.epoch import EVIDENCE, Epoch
from matching.fitting import fit_epoch
from matching.index import Index
from matching.kernel import largest
from matching.queries import build_query
from matching.records import Evidence, Member, Project, Text
from matching.vocabulary import Vocabulary
from services.chassis.reference import load_reference
from services.console.corpus import geography
from services.console.judgement import Tally

TOP = 100


def text_of(row: dict[str, Any]) -> Text:
    """Return title and text of a project of the register."""
    return Text(language="en", title=row["title"], text=row["text"])


def float_impacts(analysed: Analysed, epoch: Epoch) -> dict[str, float]:
    """Return BM25's saturated counts of one item in float64: the formula of `own_impacts` without rounding."""
    weights = epoch.weights
    field = analysed.evidence[0][1][0]
    counts = count_terms(field.runs, field.language, lexicon=epoch.lexicon, bigrams=epoch.bigrams[EVIDENCE])
    lengths: dict[str, int] = defaultdict(int)
    for term, count in counts.items():
        if term[0] in "wn":
            lengths["" if term[0] == "n" else field.language] += count
    found = {}
    for term, count in counts.items():
        language = "" if term[0] == "n" else field.language
        mean = epoch.statistics(EVIDENCE).of(language).mean / 256
        norm = 1 - weights.b / 1000 + weights.b / 1000 * max(lengths[language], mean) / mean
        folded = weights.member_fields["evidence"] * min(count, weights.field_cap) / 16
        found[term] = folded / (folded + weights.k1 / 1000 * norm)
    return found


def read(path: Path) -> list[dict[str, Any]]:
    """Read JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def best_three(points: npt.NDArray[Any], history: list[list[int]]) -> npt.NDArray[Any]:
    """Return each organisation's sum of its best three past projects."""
    return np.array([np.sort(points[past])[-3:].sum() if past else 0 for past in history])


def main() -> None:
    """Score every query both ways and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    before, analyser = machine(), prove_analyser()
    past, organisations = (
        read(given.folder / "projects.jsonl.gz"),
        read(given.folder / "organisations.jsonl.gz"),
    )
    members = [
        Member(id=row["id"], evidence=(Evidence(id=row["id"], role="lead", texts=(text_of(row),)),))
        for row in past
    ]
    epoch = fit_epoch(members, analyser=analyser, reference=geography(load_reference()))
    index, vocabulary = Index(np.uint8), Vocabulary()
    columns, values, bounds = list[int](), list[float](), [0]
    for member in members:
        analysed = analyser.analyse_member(member)
        whole = own_impacts(analysed.evidence[0][1], kind=EVIDENCE, epoch=epoch)
        index.put(index.new_entry(), *vocabulary.interned(whole, np.uint8))
        exact = float_impacts(analysed, epoch)
        columns += [vocabulary.number(term) for term in exact]
        values += exact.values()
        bounds.append(len(columns))
    pinned, terms = index.pin(), len(vocabulary)
    matrix = csr_matrix((values, columns, bounds), shape=(len(members), terms))
    places = {row["id"]: place for place, row in enumerate(past)}
    history = [
        sorted({places[one["project"]] for one in row["history"] if one["project"] in places})
        for row in organisations
    ]
    names = [row["id"] for row in organisations]
    relevant = defaultdict(set)
    with (given.folder / "qrels_dev.tsv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            relevant[row["query_id"]].add(row["organisation_id"])
    tallies, shared, asked_of = {"integers": Tally(), "float64": Tally()}, 0, 0
    for row in read(given.folder / "queries_dev.jsonl.gz")[: given.queries]:
        project = Project(id=row["id"], objectives=(text_of(row),))
        query = build_query(project, analyser.analyse_project(project), epoch).versions[0].evidence
        known, weights = vocabulary.interned(query, np.int32)
        sums = pinned.sums([(known, weights.astype(np.int32))])[0]
        floats = np.zeros(max(terms, len(vocabulary)))
        floats[known] = weights
        exact = matrix @ floats[:terms]
        best = np.argsort(-exact, kind="stable")[:TOP]
        shared += len(set(best.tolist()) & set(largest(sums, TOP).tolist()))
        asked_of += len(best)
        for name, points in (("integers", sums.astype(np.int64)), ("float64", exact)):
            order = np.argsort(-best_three(points, history), kind="stable")
            tallies[name].add([names[place] for place in order.tolist()], relevant[row["id"]])
    means = {name: tally.means()["ndcg@10"] for name, tally in tallies.items()}
    ratio = means["integers"] / means["float64"] if means["float64"] else 1.0
    report(
        ratios={"nDCG@10 of integers over float64": round(ratio, 4)},
        claims=[
            Claim(
                name="best hundred shared with float64", value=round(shared / asked_of, 4), unit="", goal=0.99
            ),
            Claim(name="nDCG@10 kept", value=round(ratio, 4), unit="times", goal=0.99),
        ],
        figures={"queries": tallies["integers"].queries, "documents": len(members), "nDCG@10": means},
        machine=before,
        as_json=given.json,
    )


if __name__ == "__main__":
    main()
