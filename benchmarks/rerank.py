"""Everything ranked again after an epoch: every list over every organisation, whole, with its digest.

    python benchmarks/rerank.py [--sizes 1000x500 100000x1000] [--workers 2] [--lists 0] [--json]

Synthetic organisations (offers, a country, and for every third one to three past projects) and projects are put into an engine under
the shipped epoch. Their texts are not analysed: stems are drawn from the epoch's own words, as often as its corpus has them, which
is what an archive gives a new epoch's engine. Each worker fills such an engine before it ranks: that is a claim of its own, with
the ranking; reading and unpacking the archive's rows comes on top. Then the clock of the ranking runs: as many processes as workers, each holding
the whole index and ranking its share of the projects, until the last list has its digest. A list is what the
worker makes of it: points by component, rules, labels, bands, placement, every row in order, and the Merkle root over
the packed rows; nothing is written to a database. The first claim is the processor time of the busiest worker, which is the wall's time
where each worker has a processor to itself; the wall's time of this run stands beside it. With `--lists N` only so many projects of the largest size are ranked, and the
claim is the time of all at that pace, which its name then says. The peer in the same run is scikit-learn: the text component alone, TF-IDF, `queries @ profiles.T.tocsr()`
on one core and every row sorted, over as many of the lists as fit.
"""

import argparse
import multiprocessing
import time
import uuid
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfTransformer

from benchmarks.report import Claim, machine, report
from matching.analysis import Analysed, Analyser, FieldStems, prove_analyser
from matching.engine import Engine
from matching.epoch import Epoch
from matching.lists import OFFER_KINDS
from matching.records import Evidence, Member, Need, Offer, Project
from matching.view import View
from services.chassis.lifecycle import collected_seldom
from services.matches.commands import first_epoch

DAY = "2026-11-24"
GOALS = {(1_000, 500): 1.0, (100_000, 1_000): 60.0}
_COUNTRIES = ("KEN", "UGA", "TCD", "FRA", "BRA", "EGY", "LAO", "WSM")
_PEER_LISTS = 20


class Town:
    """Organisations and projects, seeded; texts are runs of stems."""

    def __init__(self, epoch: Epoch, seed: int = 1) -> None:
        self._rng = np.random.default_rng(seed)
        known = {term: n for term, n in epoch.profile.frequencies.items() if term[:5] == "w:en:"}
        self._stems = np.array([term[5:] for term in known], object)
        self._shares = np.array(list(known.values()), float) / sum(known.values())

    def member(self) -> tuple[Member, Analysed]:
        """Make an organisation."""
        rng = self._rng
        items = [f"item {number}" for number in range(rng.integers(1, 4))] if rng.random() < 1 / 3 else []
        member = Member(
            id=str(uuid.UUID(bytes=rng.bytes(16))),
            hq_country=str(rng.choice(_COUNTRIES)),
            offers=tuple(Offer(kind=str(kind)) for kind in rng.choice(OFFER_KINDS, 2, replace=False)),
            evidence=tuple(Evidence(id=item) for item in items),
        )
        evidence = tuple((item, (self._field("evidence", 60),)) for item in items)
        return member, Analysed(
            analyser=Analyser.number, fields=(self._field("mission", 105),), evidence=evidence
        )

    def project(self) -> tuple[Project, Analysed]:
        """Make a published project."""
        rng = self._rng
        project = Project(
            id=str(uuid.UUID(bytes=rng.bytes(16))),
            needs=tuple(Need(id=str(kind), kind=str(kind)) for kind in rng.choice(OFFER_KINDS, 2)),
            countries=(str(rng.choice(_COUNTRIES)),),
            published_on="2026-10-01",
        )
        return project, Analysed(analyser=Analyser.number, fields=(self._field("objective", 150),))

    def _field(self, name: str, words: int) -> FieldStems:
        stems = self._rng.choice(self._stems, words, p=self._shares).tolist()
        runs = tuple(" ".join(stems[start : start + 15]) for start in range(0, words, 15))
        return FieldStems(name=name, language="en", runs=runs)


@collected_seldom()  # as in a process that fills an index
def measure(members: int, projects: int, *, workers: int, lists: int) -> dict[str, Any]:
    """Fill an engine, rank, and return the figures of one size."""
    epoch = Epoch.loads(first_epoch(None))
    engine, town = Engine(epoch, analyser=prove_analyser()), Town(epoch)
    texts: list[Analysed] = []
    filling = 0.0
    for _ in range(members):
        member, analysed = town.member()
        texts.append(analysed)
        began = time.process_time()
        engine.put_member(member, analysed)
        filling += time.process_time() - began
    putting, asked = filling, []
    for _ in range(projects):
        project, analysed = town.project()
        asked.append(analysed)
        began = time.process_time()
        engine.put_project(project, analysed)
        filling += time.process_time() - began
    began = time.process_time()
    engine.tend()
    filling += time.process_time() - began
    view = engine.pin()
    ranked = view.projects[: lists or projects]
    view.rank(ranked[0], DAY).digest()
    seconds, busy = _ranked_by(workers, view, ranked)
    peer = _peer(texts, asked[:_PEER_LISTS])
    return {
        "lists": len(ranked),
        "workers": workers,
        "wall_seconds": round(seconds, 4),
        "busiest_processor_seconds": round(busy, 4),
        "processor_ms_a_list": round(1000 * busy * workers / len(ranked), 2),
        "fill_seconds": round(filling, 4),
        "fill_ms_a_member": round(1000 * putting / members, 3),
        "scikit_learn_ms_a_list": round(1000 * peer, 2),
    }


def _ranked_by(workers: int, view: View, projects: tuple[str, ...]) -> tuple[float, float]:
    """Return seconds (by the wall, and the processor's of the busiest) until so many processes ranked all projects.

    Each process inherits the whole index.
    """
    forked = multiprocessing.get_context("fork")
    busy = forked.SimpleQueue()
    shares = [
        forked.Process(target=_rank, args=(view, projects[number::workers], busy))
        for number in range(workers)
    ]
    began = time.perf_counter()
    for share in shares:
        share.start()
    for share in shares:
        share.join()
    seconds = time.perf_counter() - began
    if any(share.exitcode for share in shares):
        raise SystemExit("a worker failed")
    return seconds, max(busy.get() for _ in shares)


def _rank(view: View, projects: tuple[str, ...], busy: Any) -> None:
    began = time.process_time()
    for project in projects:
        view.rank(project, DAY).digest()
    busy.put(time.process_time() - began)


def _peer(profiles: list[Analysed], asked: list[Analysed]) -> float:
    """Return the seconds a list that scikit-learn needs for the text component alone, one query after the other."""
    words: dict[str, int] = {}
    fitted = TfidfTransformer()
    vectors = fitted.fit_transform(_counted(profiles, words, grow=True))
    turned = vectors.T.tocsr()
    queries = fitted.transform(_counted(asked, words, grow=False))
    began = time.process_time()
    for row in range(len(asked)):
        np.argsort(-(queries[row] @ turned).toarray()[0], kind="stable")
    return (time.process_time() - began) / len(asked)


def _counted(texts: list[Analysed], words: dict[str, int], *, grow: bool) -> Any:
    rows, columns = list[int](), list[int]()
    for row, text in enumerate(texts):
        for run in text.fields[0].runs:
            for token in run.split(" "):
                if grow or token in words:
                    rows.append(row)
                    columns.append(words.setdefault(token, len(words)))
    return csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(texts), len(words)))


def main() -> None:
    """Measure every size and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["1000x500", "100000x1000"], help="members x projects")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--lists", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    before = machine()
    claims, figures, ratios = [], {}, {}
    sizes = [tuple(int(part) for part in size.split("x")) for size in given.sizes]
    for members, projects in sizes:
        some = given.lists if (members, projects) == max(sizes) else 0
        row = measure(members, projects, workers=given.workers, lists=some)
        name = f"{members:,} organisations x {projects:,} projects"
        figures[name] = row
        ratios[f"scikit-learn's text alone, one core, over a whole list here: {name}"] = round(
            row["scikit_learn_ms_a_list"] / row["processor_ms_a_list"], 2
        )
        goal = GOALS.get((members, projects), members * projects / 1_500_000)
        seconds = row["busiest_processor_seconds"] * projects / row["lists"]
        paced = f", at the pace of {row['lists']}" if row["lists"] < projects else ""
        claims.append(
            Claim(name=f"{name}{paced}", value=round(seconds, 4), unit="s", goal=goal, at_least=False)
        )
        whole = round(seconds + row["fill_seconds"], 4)
        filled = f"{name}{paced}, the engine filled before"
        claims.append(Claim(name=filled, value=whole, unit="s", goal=goal, at_least=False))
    report(ratios=ratios, claims=claims, figures=figures, machine=before, as_json=given.json)


if __name__ == "__main__":
    main()
