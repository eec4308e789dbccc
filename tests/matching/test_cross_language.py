"""The same text in another language is found by its text points alone, over all pairs of the six languages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.cross_language import LANGUAGES, SETS, aligned, engine_pairs, fitted
from matching.analysis import prove_analyser
from matching.lexicon import shipped_lexicon


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SETS))
def test_every_pair_of_languages_finds_its_own(test_data: Path, name: str) -> None:
    file, kind, mean, worst = SETS[name]
    texts = aligned(test_data / "multilingual" / file, kind)
    analyser = prove_analyser()
    pairs = engine_pairs(texts, fitted(texts, shipped_lexicon(), analyser), analyser)
    assert len(pairs) == len(LANGUAGES) * (len(LANGUAGES) - 1)
    assert float(np.mean(list(pairs.values()))) >= mean
    assert min(pairs.values()) >= worst
