"""Wording: the words and the passage of a text that an index term stands for, for people to read. Display only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from matching.analysis import ToldRun
from matching.chinese import UNSPACED, written
from matching.lexicon import Lexicon
from matching.tokens import NEUTRAL

LONGEST_PASSAGE = 160
"""Characters of a passage; a longer sentence is cut around the words."""


class Wording:
    """The runs of one text; a term that the text does not hold is shown by its lexicon words or its stems."""

    def __init__(self, runs: Iterable[ToldRun], lexicon: Lexicon) -> None:
        self._runs = tuple(runs)
        self._lexicon = lexicon
        self._told: dict[str, str] = {}  # what was asked for; a project's words are, for every pair
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
            number, place = met
            return _written(self._runs[number], place, place + len(tokens))
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
        run = self._runs[met[0]]
        return _cut(run.text, run.pairs[met[1]][0])

    def _holding(self, tokens: Sequence[str]) -> str:
        """The sentence that holds words which its text was not cut into."""
        words = written(tokens)
        texts = (run.text for run in self._runs if words in written([token for _, token in run.pairs]))
        return next((_cut(text, written(tokens[:1]).strip()) for text in texts), "")

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
            return self._runs[number].pairs[place][0]
        return token.removeprefix(NEUTRAL)


def _tokens(term: str) -> tuple[str, list[str]]:
    """Return the language and the tokens of a text term."""
    if term[0] == "n":
        return "", [NEUTRAL + term[2:]]
    _, language, stems = term.split(":", 2)
    return language, stems.split(" ")


def _language(language: str, token: str) -> str:
    return "" if token.startswith(NEUTRAL) else language


def _written(run: ToldRun, first: int, stop: int) -> str:
    """Return the words of a run as its text writes them, with the small words that stand between."""
    words = [word for word, _ in run.pairs[:stop]]
    start = end = 0
    for place, word in enumerate(words):
        found = run.text.find(word, end)
        if found < 0:  # a word that the text parts by a hyphen
            if place >= first:
                return " ".join(words[first:])
            continue
        start, end = (found if place == first else start), found + len(word)
    return " ".join(run.text[start:end].split())


def _cut(text: str, word: str) -> str:
    text = " ".join(text.split())
    if len(text) <= LONGEST_PASSAGE:
        return text
    start = max(0, text.find(word) - LONGEST_PASSAGE // 2)
    stop = min(len(text), start + LONGEST_PASSAGE)
    return f"{'…' if start else ''}{text[start:stop].strip()}{'…' if stop < len(text) else ''}"
