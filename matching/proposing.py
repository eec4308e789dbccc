"""Proposing: which words of different languages may mean the same, told from vectors that an encoder gave them.

Offline and for people: what comes out are lines of the lexicon file with the status ``proposed``, which take no part in
any epoch until somebody has reviewed them. It must not know an encoder, and nothing that serves imports it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from matching.analysis import Analyser, primary_language
from matching.lexicon import Lexicon
from matching.records import Text
from matching.vocabulary import token_term

PIVOT = "en"
"""Proposals are made around the words of this language: one line a word, so that a reviewer reads one thing at a time."""

LEAST_COSINE = 0.55
MOST_DISCOUNT = 600
"""Per mille; a bridge that a machine proposed carries less than one that people wrote, even once it is reviewed."""

_COMMON_DIRECTIONS = 2
Vectors = npt.NDArray[np.float32]


def unknown_words(
    texts: Iterable[Text], lexicon: Lexicon, analyser: Analyser, *, least: int = 2
) -> dict[str, list[str]]:
    """Return, by language, the words of texts that no concept covers and that at least so many texts hold.

    A word is given in the form in which its stem is written most often; the most frequent come first.
    """
    forms: dict[tuple[str, str], Counter[str]] = {}
    held: Counter[tuple[str, str]] = Counter()
    for text in texts:
        language = primary_language(text.language)
        seen = set()
        for run in analyser.told([text]):
            tokens = [token for _, token in run.pairs]
            covered = {
                place
                for found in lexicon.find_all(language, tokens)
                for place in range(found.start, found.stop)
            }
            for place, (word, token) in enumerate(run.pairs):
                counted = len(word) > 1 and token_term(language, token)[0] == "w"
                if counted and place not in covered:
                    forms.setdefault((language, token), Counter())[word.lower()] += 1
                    seen.add((language, token))
        held.update(seen)
    found: dict[str, list[str]] = {}
    for (language, token), count in sorted(held.items(), key=lambda one: (-one[1], one[0])):
        if count >= least:
            found.setdefault(language, []).append(forms[language, token].most_common(1)[0][0])
    return found


def proposals(
    words: Mapping[str, Sequence[str]], vectors: Mapping[str, Vectors], *, provenance: str
) -> list[dict[str, Any]]:
    """Return lines of the lexicon file: each word of the pivot language with its mutual nearest words elsewhere.

    `vectors[language]` has a row for each of `words[language]`. Two words are neighbours if each is the other's nearest
    in its language and their cosine reaches LEAST_COSINE, after the mean and the directions common to all are taken away.
    The discount is the smallest cosine of the line in per mille, MOST_DISCOUNT at most.
    """
    spread = _spread({language: vectors[language] for language, some in words.items() if len(some)})
    pivot = spread.get(PIVOT)
    if pivot is None:
        return []
    lines: list[dict[str, Any]] = []
    near = {
        language: _mutual(pivot, other) for language, other in sorted(spread.items()) if language != PIVOT
    }
    for place, word in enumerate(words[PIVOT]):
        met = {language: pairs[place] for language, pairs in near.items() if place in pairs}
        if met:
            weakest = min(cosine for _, cosine in met.values())
            terms = {language: [words[language][other]] for language, (other, _) in met.items()}
            lines.append(
                {
                    "id": word.replace(" ", "-"),
                    "kind": "general",
                    "status": "proposed",
                    "provenance": provenance,
                    "discount": min(MOST_DISCOUNT, int(1000 * weakest)),
                    "terms": dict(sorted({PIVOT: [word], **terms}.items())),
                }
            )
    return lines


def _spread(vectors: Mapping[str, Vectors]) -> dict[str, Vectors]:
    """Take the mean and the common directions away, and bring every vector to length one."""
    if not vectors:
        return {}
    together = np.concatenate(list(vectors.values())).astype(np.float64)
    mean = together.mean(axis=0)
    _, _, directions = np.linalg.svd(together - mean, full_matrices=False)
    common = directions[: min(_COMMON_DIRECTIONS, len(together) - 1)]
    found = {}
    for language, some in vectors.items():
        centred = some - mean
        centred = centred - centred @ common.T @ common
        lengths = np.linalg.norm(centred, axis=1, keepdims=True)
        found[language] = (centred / np.maximum(lengths, 1e-9)).astype(np.float32)
    return found


def _mutual(ours: Vectors, theirs: Vectors) -> dict[int, tuple[int, float]]:
    """Return each of our rows whose nearest of theirs has it as its own nearest: (their row, cosine)."""
    cosines = ours @ theirs.T
    nearest, back = cosines.argmax(axis=1), cosines.argmax(axis=0)
    return {
        row: (int(other), float(cosines[row, other]))
        for row, other in enumerate(nearest.tolist())
        if back[other] == row and cosines[row, other] >= LEAST_COSINE
    }
