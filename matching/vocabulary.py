"""Term numbers: a process's own names for index terms. They differ between runs and decide nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from matching.chinese import SILENT, UNSPACED
from matching.tokens import NEUTRAL


class Vocabulary:
    """Gives each term a number on first sight; numbers are never taken back. One thread gives them, any may ask for terms."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._terms: list[str] = []
        self._tokens: list[
            str
        ] = []  # by number, as long as the terms; empty where none was read as a word of a text
        self._words: dict[str, dict[str, int]] = {}  # by language and token

    def __len__(self) -> int:
        return len(self._terms)

    def since(self, number: int) -> list[str]:
        """Return the terms that were numbered from `number` on, in that order."""
        return self._terms[number:]

    def number(self, term: str) -> int:
        """Return a term's number."""
        found = self._numbers.get(term)
        if found is None:
            found = self._numbers[term] = len(self._terms)
            self._terms.append(term)
            self._tokens.append("")
        return found

    def number_again(self, term: str) -> int:
        """Return the number of a term that a document of before holds; where it is a word's, texts can be said again by it."""
        number = self.number(term)
        kind, _, rest = term.partition(":")
        if kind == "n":
            self._tokens[number] = NEUTRAL + rest
        elif kind in {"s", "w"}:
            self._tokens[number] = rest.partition(":")[2]
        return number

    def words(self, language: str, runs: Iterable[str]) -> list[int]:
        """Return the numbers of the words of runs in a language, in order."""
        tokens = " ".join(runs).split(" ")
        if tokens == [""]:
            return []
        known = self._words.setdefault(language, {})
        try:
            return list(
                map(known.__getitem__, tokens)
            )  # nearly every word is known: no Python for each of them
        except KeyError:
            for token in tokens:
                if token not in known:
                    known[token] = number = self.number(token_term(language, token))
                    self._tokens[number] = token
            return list(map(known.__getitem__, tokens))

    def tokens(self, numbers: Iterable[int]) -> Iterator[str]:
        """Return the tokens that `words` gave these numbers for."""
        return map(self._tokens.__getitem__, numbers)

    def term(self, number: int) -> str:
        """Return the term of a number."""
        return self._terms[number]

    def interned(
        self, values: Mapping[str, int], dtype: type[np.generic]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[Any]]:
        """Return term numbers and values as arrays of one length; terms without a value are left out."""
        if not all(values.values()):
            return self.interned({term: value for term, value in values.items() if value}, dtype)
        try:
            terms = list(map(self._numbers.__getitem__, values))
        except KeyError:
            terms = [self.number(term) for term in values]
        return np.array(terms, np.int32), np.fromiter(values.values(), dtype, len(values))


def token_term(language: str, token: str) -> str:
    """Return the index term of one token of a run in a language; that of a silent word is asked and held by nobody."""
    if token[0] == NEUTRAL:
        return f"n:{token[1:]}"
    return f"{'s' if language == UNSPACED and token in SILENT else 'w'}:{language}:{token}"


def silent(term: str) -> bool:
    """Whether a term is that of a word which stands in a run and counts nowhere."""
    return term[0] == "s"


SILENT_TERMS = tuple(sorted(token_term(UNSPACED, word) for word in SILENT))
