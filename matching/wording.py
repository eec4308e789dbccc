"""Wording: the words of a text that an index term stands for, for people to read. Display only."""

from __future__ import annotations

from collections.abc import Mapping

from matching.lexicon import Lexicon
from matching.tokens import NEUTRAL


class Wording:
    """The surface forms of one text; a term that the text does not hold is shown by its lexicon words or its stems."""

    def __init__(self, surfaces: Mapping[tuple[str, str], str], lexicon: Lexicon) -> None:
        self._surfaces = surfaces
        self._neutral = {
            token: surface for (_, token), surface in surfaces.items() if token.startswith(NEUTRAL)
        }
        self._lexicon = lexicon

    def of(self, term: str) -> str:
        """Return the words of a text term."""
        if term[0] == "n":
            return self._token("", NEUTRAL + term[2:]) or term[2:]
        kind, language, stems = term.split(":", 2)
        tokens = stems.split(" ")
        found = [self._token(language, token) for token in tokens]
        if all(found):
            return " ".join(word for word in found if word)
        if kind == "d":
            return self._lexicon.surface_of(term) or stems
        return " ".join(word or token for word, token in zip(found, tokens, strict=True))

    def _token(self, language: str, token: str) -> str | None:
        if token.startswith(NEUTRAL):
            return self._neutral.get(token)
        return self._surfaces.get((language, token))
