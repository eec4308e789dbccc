"""Synthetic index documents, seeded: what the index holds of an organisation, without a text to analyse.

What: terms of a Zipf-Mandelbrot law (10,000 common words and a long tail of 300,000 rare ones), about 80 distinct ones in a
document of some 105 words; BM25 impacts of 8 bits, as `matching.documents` makes them; queries of a few words or of a whole
text. A million texts would measure their analysis. It must not measure anything.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

COMMON = 10_000
RARE = 300_000
WORDS = COMMON + RARE
K1, B = 1.2, 0.75
BUDGET = 1_000_000_000
_SHIFT = 30
_TAIL = 0.1
_REPEATED = 0.3
_CHUNK = 65_536

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Documents behind one another: the distinct terms of each, sorted, with their counts; `offsets` part them."""

    offsets: npt.NDArray[np.int64]
    terms: Ints
    counts: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """How many words each document has."""
        ends = np.concatenate(([0], np.cumsum(self.counts, dtype=np.int64)))
        return ends[self.offsets[1:]] - ends[self.offsets[:-1]]

    @property
    def idf(self) -> npt.NDArray[np.float64]:
        """Inverse document frequencies, log(1 + (N - n + 1/2) / (n + 1/2))."""
        found = np.bincount(self.terms, minlength=WORDS)
        return np.log1p((len(self) - found + 0.5) / (found + 0.5))

    def impacts(self) -> npt.NDArray[np.uint8]:
        """BM25's saturated counts in 255ths, rounded down; none is 0."""
        lengths = self.lengths
        norms = (K1 * (1 - B + B * lengths / lengths.mean())).astype(np.float32)
        found = np.empty(len(self.terms), np.uint8)
        for start in range(0, len(self), _CHUNK):
            chunk = slice(start, min(start + _CHUNK, len(self)))
            part = slice(self.offsets[chunk.start], self.offsets[chunk.stop])
            sizes = np.diff(self.offsets[chunk.start : chunk.stop + 1])
            counts = self.counts[part].astype(np.float32)
            found[part] = np.maximum(255 * counts / (counts + np.repeat(norms[chunk], sizes)), 1)
        return found

    def documents(self, values: npt.NDArray[np.uint8]) -> Iterator[tuple[Ints, npt.NDArray[np.uint8]]]:
        """Yield terms and values of each document."""
        bounds = self.offsets.tolist()
        for start, stop in pairwise(bounds):
            yield self.terms[start:stop], values[start:stop]


def corpus(candidates: int, seed: int = 1) -> Corpus:
    """Make so many documents."""
    rng = np.random.default_rng(seed)
    sizes, terms, counts = [], [], []
    for start in range(0, candidates, _CHUNK):
        drawn = rng.integers(48, 118, min(_CHUNK, candidates - start))
        documents = np.repeat(np.arange(len(drawn)), drawn)
        keys = documents * WORDS + _words(rng, len(documents))
        keys = np.concatenate((keys, keys[rng.random(len(keys)) < _REPEATED]))
        distinct, times = np.unique(keys, return_counts=True)
        sizes.append(np.bincount(distinct // WORDS, minlength=len(drawn)))
        terms.append((distinct % WORDS).astype(np.int32))
        counts.append(np.minimum(times, 255).astype(np.uint8))
    return Corpus(
        offsets=np.concatenate(([0], np.cumsum(np.concatenate(sizes)))).astype(np.int64),
        terms=np.concatenate(terms),
        counts=np.concatenate(counts),
    )


def queries(number: int, words: int, seed: int = 2) -> list[npt.NDArray[np.int64]]:
    """Make queries of so many words each; a word may occur twice."""
    rng = np.random.default_rng(seed)
    return [_words(rng, words) for _ in range(number)]


def weighted(query: npt.NDArray[np.int64], idf: npt.NDArray[np.float64]) -> tuple[Ints, Ints]:
    """Return a query's terms and integer weights: count x idf, normalised to a budget, as a project's are."""
    terms, counts = np.unique(query, return_counts=True)
    shares = (65_536 * idf[terms] * counts).astype(np.int64)
    weights = BUDGET * shares // (255 * shares.sum())
    return terms.astype(np.int32), weights.astype(np.int32)


def _words(rng: np.random.Generator, number: int) -> npt.NDArray[np.int64]:
    """Draw words: a common one of rank r with a chance as 1 / (r + 30), now and then one of the rare."""
    ratio = (COMMON + _SHIFT) / _SHIFT
    common = (_SHIFT * ratio ** rng.random(number) - _SHIFT).astype(np.int64)
    rare = COMMON + rng.integers(0, RARE, number)
    return np.where(rng.random(number) < _TAIL, rare, common)
