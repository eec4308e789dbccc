"""Wording: the words and the passage of a text that an index term stands for, for people to read. Display only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from matching.analysis import ToldRun
from matching.chinese import HAN, UNSPACED, written
from matching.lexicon import Lexicon
from matching.tokens import NEUTRAL

LONGEST_PASSAGE = 160
"""Characters of a passage; a longer sentence is cut around the words."""

Slice = tuple[int, int]
"""Where something stands in a text: its first character, and the one behind its last."""

_HYPHENS = frozenset("-‐‑")
_HAN = re.compile(f"[{HAN}]")


class Wording:
    """The runs of one text; a term that the text does not hold is shown by its lexicon words or its stems."""

    def __init__(self, runs: Iterable[ToldRun], lexicon: Lexicon) -> None:
        self._runs = tuple(runs)
        self._lexicon = lexicon
        self._told: dict[str, str] = {}  # what was asked for; a project's words are, for every pair
        self._slices: dict[int, list[Slice]] = {}  # of each word of a run, by the run's number
        self._places: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for number, run in enumerate(self._runs):
            for place, (_, token) in enumerate(run.pairs):
                self._places.setdefault((_language(run.language, token), token), []).append((number, place))

    def of(self, term: str) -> str:
        """Return the words of a text term."""
        found = self._told.get(term)
        if found is None:
            found = self._told[term] = self._words_of(term)
        return found

    def _words_of(self, term: str) -> str:
        language, tokens = _tokens(term)
        met = self._met(language, tokens)
        if met is not None:
            return self._written(*met, len(tokens))
        if term[0] == "d":
            return self._lexicon.surface_of(term) or " ".join(tokens)
        words = [self._word(language, token) for token in tokens]
        return written(words).strip() if language == UNSPACED else " ".join(words)

    def passage(self, term: str) -> str:
        """Return the sentence in which a text first holds a term, cut around it if it is long; empty if it does not."""
        language, tokens = _tokens(term)
        met = self._met(language, tokens)
        if met is None:
            return self._holding(tokens) if language == UNSPACED else ""
        number, place = met
        slices = self._slices_of(number)[place : place + len(tokens)]
        return _cut(self._runs[number].text, slices[0][0], max(stop for _, stop in slices))

    def _holding(self, tokens: Sequence[str]) -> str:
        """The sentence that holds words which its text was not cut into."""
        words = written(tokens)
        for number, run in enumerate(self._runs):
            at = written([token for _, token in run.pairs]).find(words)
            if at >= 0:
                characters = list(_characters(run, self._slices_of(number)))[at : at + len(words)]
                return _cut(run.text, characters[0][0], characters[-1][1])
        return ""

    def _met(self, language: str, tokens: Sequence[str]) -> tuple[int, int] | None:
        """Return run and place where the tokens first stand together."""
        for number, place in self._places.get((_language(language, tokens[0]), tokens[0]), ()):
            pairs = self._runs[number].pairs[place : place + len(tokens)]
            if len(pairs) == len(tokens) and all(
                pair[1] == token for pair, token in zip(pairs, tokens, strict=True)
            ):
                return number, place
        return None

    def _word(self, language: str, token: str) -> str:
        for number, place in self._places.get((_language(language, token), token), ())[:1]:
            return self._written(number, place, 1)
        return token.removeprefix(NEUTRAL)

    def _written(self, number: int, first: int, count: int) -> str:
        """Return words of a run as its text writes them, with the small words that stand between."""
        text, slices = self._runs[number].text, self._slices_of(number)[first : first + count]
        start, stop = slices[0][0], slices[-1][1]
        if start < stop:
            return " ".join(text[start:stop].split())
        return " ".join(text[one:other] for one, other in slices)  # of capitals that were read twice

    def _slices_of(self, number: int) -> list[Slice]:
        found = self._slices.get(number)
        if found is None:
            found = self._slices[number] = list(slices_of(self._runs[number]))
        return found


def slices_of(run: ToldRun) -> Iterator[Slice]:
    """Yield where each word of a run stands in its text, whole, with the hyphens that parted it there.

    One word follows another, but where a run in capitals says words again: these are looked for from the beginning.
    """
    kept = [place for place, character in enumerate(run.text) if character not in _HYPHENS]
    bare = "".join(run.text[place] for place in kept)
    end = 0
    for number, (word, _) in enumerate((*run.before, *run.pairs)):
        at = _whole(run.text, bare, kept, word, end)
        if at < 0:
            at = max(0, _whole(run.text, bare, kept, word, 0))
        end = at + len(word)
        if number >= len(run.before):
            yield kept[at], kept[end - 1] + 1


def left_of(run: ToldRun, counted: Sequence[bool]) -> Iterator[ToldRun]:
    """Yield what is left of a run where some of its words are not counted: words on both sides of those stand together no more."""
    start = 0
    for counts, some in groupby(counted):
        stop = start + len(list(some))
        if counts:
            yield replace(run, before=run.pairs[:start], pairs=run.pairs[start:stop])
        start = stop


def _whole(text: str, bare: str, kept: Sequence[int], word: str, start: int) -> int:
    """Return the first place from `start` on where a word stands in the bare text and is no part of a longer one; or -1."""
    at = bare.find(word, start)
    while at >= 0 and (_inside(text, kept[at]) or _inside(text, kept[at + len(word) - 1] + 1)):
        at = bare.find(word, at + 1)
    return at


def _inside(text: str, place: int) -> bool:
    """Whether a place of a text lies inside a word; between characters that are written without spaces it never does."""
    around = text[place - 1 : place + 1] if 0 < place < len(text) else ""
    return around.isalnum() and not _HAN.search(around)


def _characters(run: ToldRun, slices: Iterable[Slice]) -> Iterator[Slice]:
    """Yield where each character stands of what `written` joins of a run's tokens; a word between spaces stands as a whole."""
    for (_, token), (start, stop) in zip(run.pairs, slices, strict=True):
        if _HAN.match(token):
            yield from ((place, place + 1) for place in range(start, stop))
        else:
            yield from [(start, stop)] * len(written([token]))


def _tokens(term: str) -> tuple[str, list[str]]:
    """Return the language and the tokens of a text term."""
    if term[0] == "n":
        return "", [NEUTRAL + term[2:]]
    _, language, stems = term.split(":", 2)
    return language, stems.split(" ")


def _language(language: str, token: str) -> str:
    return "" if token.startswith(NEUTRAL) else language


def _cut(text: str, start: int, stop: int) -> str:
    """Return a text, cut around what stands at a slice of it if it is long."""
    before = len(" ".join(f"{text[:start]}x".split())) - 1
    length = len(" ".join(text[start:stop].split()))
    text = " ".join(text.split())
    if len(text) <= LONGEST_PASSAGE:
        return text
    first = max(0, before - min(LONGEST_PASSAGE // 2, max(0, LONGEST_PASSAGE - length)))
    last = min(len(text), first + LONGEST_PASSAGE)
    return f"{'…' if first else ''}{text[first:last].strip()}{'…' if last < len(text) else ''}"
