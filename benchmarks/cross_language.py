"""Does a text find the same text in another language? MRR over the 30 ordered pairs of the six languages.

What: aligned texts (SDG targets; news articles, first 60 words) become projects in one language and organisations in
another, and the engine that serves ranks them by their text points alone. Why: a French project must find an English
profile, and the lexicon is all that carries it over. Beside it runs BM25 on the same tokens. It must not use the
alignment for anything but the score: the epoch is fitted on the texts of all six languages in no order.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.report import Claim, machine, report
from matching.analysis import Analyser, prove_analyser
from matching.engine import Engine
from matching.epoch import Epoch
from matching.fitting import fit_epoch
from matching.lexicon import shipped_lexicon
from matching.lists import COMPONENTS
from matching.records import Member, Project, Text
from matching.reference import ReferenceData

LANGUAGES = ("ar", "en", "es", "fr", "ru", "zh")
SETS = {"sdg": ("sdg.jsonl", "target", 0.96, 0.90), "news": ("ntrex-docs.jsonl", "news article", 0.95, 0.80)}
"""By name: file, kind of text, goals of the mean and of the worst pair."""

FIRST_WORDS, FIRST_CHARACTERS = 60, 220
DAY = "2026-01-01"
Aligned = Mapping[str, Sequence[str]]


def aligned(path: Path, kind: str) -> Aligned:
    """Read a file's texts by language, in one order of their ids, cut to their first words."""
    found: dict[str, dict[str, str]] = {language: {} for language in LANGUAGES}
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        if row["kind"] == kind and row["lang"] in found:
            text = row["text"]
            cut = text[:FIRST_CHARACTERS] if row["lang"] == "zh" else " ".join(text.split()[:FIRST_WORDS])
            found[row["lang"]][row["id"]] = cut
    ids = sorted(set.intersection(*(set(texts) for texts in found.values())))
    return {language: [texts[one] for one in ids] for language, texts in found.items()}


def fitted(texts: Aligned, lexicon: Mapping[str, Any], analyser: Analyser) -> Epoch:
    """Fit an epoch on the texts of all languages, as profiles of unrelated organisations."""
    members = [_member(language, place, text) for language, place, text in _each(texts)]
    return fit_epoch(members, analyser=analyser, reference=ReferenceData(regions={}), lexicon=lexicon)


def engine_pairs(texts: Aligned, epoch: Epoch, analyser: Analyser) -> dict[tuple[str, str], float]:
    """MRR by (language asked in, language of the organisations): text points of the serving engine."""
    found = {}
    for target in LANGUAGES:
        engine = Engine(epoch, analyser=analyser)
        for place, text in enumerate(texts[target]):
            engine.put_member(_member(target, place, text))
        for language, place, text in _each(texts):
            if language != target:
                engine.put_project(
                    Project(id=f"{language}-{place}", titles=(Text(language=language, text=text),))
                )
        view = engine.pin()
        for language in LANGUAGES:
            if language != target:
                scores = [
                    _points(view.rank(f"{language}-{place}", DAY)) for place in range(len(texts[language]))
                ]
                found[language, target] = mrr(np.array(scores))
    return found


def _points(ranked: Any) -> npt.NDArray[np.int64]:
    """Text points in the order of the texts' places."""
    points = np.zeros(len(ranked), np.int64)
    points[[int(member) for member in ranked.members]] = ranked.components[:, COMPONENTS.index("text")]
    return points


def bm25_pairs(texts: Aligned, analyser: Analyser) -> dict[tuple[str, str], float]:
    """MRR of plain BM25 (bm25s) on the same tokens, without any lexicon."""
    import bm25s  # noqa: PLC0415 - the peer is a test dependency

    tokens = {
        language: [
            [token for run in analyser.runs(language, text) for token in run.split(" ")] for text in some
        ]
        for language, some in texts.items()
    }
    found = {}
    for source, target in permutations(LANGUAGES, 2):
        index = bm25s.BM25(method="lucene")
        index.index(tokens[target], show_progress=False)
        known = index.vocab_dict
        scores = []
        for words in tokens[source]:
            asked = [word for word in words if word in known]
            scores.append(index.get_scores(asked) if asked else np.zeros(len(tokens[target])))
        found[source, target] = mrr(np.array(scores))
    return found


def mrr(scores: npt.NDArray[Any]) -> float:
    """Mean reciprocal rank where row i's answer is column i; ties count as the middle of their places."""
    right = np.diag(scores)[:, None]
    ranks = (scores > right).sum(1) + ((scores == right).sum(1) - 1) / 2 + 1
    return float((1 / ranks).mean())


def _each(texts: Aligned) -> Iterator[tuple[str, int, str]]:
    for language, some in texts.items():
        for place, text in enumerate(some):
            yield language, place, text


def _member(language: str, place: int, text: str) -> Member:
    return Member(id=str(place), descriptions=(Text(language=language, text=text),))


def main() -> None:
    """Run one or both sets and print ratios, claims and every pair."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--set", choices=tuple(SETS), action="append", help="by default both")
    parser.add_argument("--lexicon", type=Path, help="another lexicon file than the shipped one")
    given = parser.parse_args()
    folder = Path(os.environ.get("COMITY_TEST_DATA", "")) / "multilingual"
    if not (folder / "sdg.jsonl").exists():
        sys.exit(
            "COMITY_TEST_DATA names no folder with multilingual/sdg.jsonl, so there is nothing to measure."
        )
    before, analyser = machine(), prove_analyser()
    lexicon = json.loads(given.lexicon.read_text("utf-8")) if given.lexicon else shipped_lexicon()
    ratios, claims, figures = {}, [], {}
    for name in given.set or SETS:
        file, kind, mean_goal, worst_goal = SETS[name]
        texts = aligned(folder / file, kind)
        started = time.monotonic()
        pairs = engine_pairs(texts, fitted(texts, lexicon, analyser), analyser)
        seconds = time.monotonic() - started
        plain = bm25_pairs(texts, analyser)
        mean, worst = float(np.mean(list(pairs.values()))), min(pairs.values())
        beside = float(np.mean(list(plain.values())))
        ratios[f"{name}: MRR beside BM25"] = round(mean / beside, 2)
        claims += [
            Claim(name=f"{name}: mean MRR of 30 pairs", value=round(mean, 4), unit="", goal=mean_goal),
            Claim(name=f"{name}: MRR of the worst pair", value=round(worst, 4), unit="", goal=worst_goal),
        ]
        figures[f"{name}: texts a language"] = len(texts["en"])
        figures[f"{name}: BM25 mean"] = round(beside, 4)
        figures[f"{name}: seconds"] = round(seconds, 1)
        figures[f"{name}: pairs"] = {
            f"{source}>{target}": round(value, 3) for (source, target), value in sorted(pairs.items())
        }
    report(ratios=ratios, claims=claims, figures=figures, machine=before, as_json=given.json)


if __name__ == "__main__":
    main()
