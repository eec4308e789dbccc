"""What the function words of a text say: that it names no subject, or that it is in another language than declared.

*What.* Two questions about the small words ("the", "pour", "для") that every sentence needs and no subject consists of.
*Why.* Where two languages share their letters, these words tell them apart, and a handful of them is proof enough.
*Never:* guess. Only words that one of the two languages has and the other has not are counted; names, titles and a
borrowed phrase pass, and so does every language whose function words are not listed: the six of the United Nations are,
and four more that many profiles are written in, so that a text in one of the six is not taken for one of these.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.chassis.reference.files import read_rows

FEWEST_WORDS = 12
"""A shorter text decides nothing: it may be a name, such as that of a ministry, in the middle of another language."""

FEWEST_IN_A_SENTENCE = 6
"""Unless it ends as a sentence does, which no name does; then so many are enough, if no function word is its language's."""

FEWEST_FOREIGN = 3
"""So many different function words of another language must stand in a text before it is held to be in that one."""

FOR_EACH_OWN = 3
"""And so many more for each different function word of the declared language."""

SHOWN = 5
"""How many of the words that gave a text away are named."""

_STOPS = (".", "!", "?", "…", "。", "！", "？", "؟")

_WORD = re.compile(r"[\u3400-\u9fff]|[^\W\d_\u3400-\u9fff]+")
"""Letters up to the next sign, digit or space; every ideograph is a word of its own."""


@dataclass(frozen=True, slots=True)
class StopWords:
    """The function words of a language; they carry no subject."""

    language: str
    words: tuple[str, ...]
    source: str
    status: str


@dataclass(frozen=True, slots=True)
class Foreign:
    """A text is in `language`, as these of its words show, in the order of the text."""

    language: str
    words: Sequence[str]


@dataclass(frozen=True, slots=True)
class FunctionWords:
    """The function words by language (ISO 639-1)."""

    lists: Mapping[str, frozenset[str]]

    def are_all(self, words: Iterable[str], *, language: str | None) -> bool:
        """Whether a text consists of nothing but function words of its language; of any one, where it declares none."""
        lists = self.lists.values() if language is None else (self._of(language),)
        return any(known and known.issuperset(words) for known in lists)

    def foreign(self, text: str, words: Sequence[str], *, language: str) -> Foreign | None:
        """Return the other language that a text of these words is certainly in; None if it may be in the declared one."""
        own = self._of(language)
        if not own:
            return None
        here = set(words)  # what is said twice proves no more
        mine = here & own
        if len(words) < FEWEST_WORDS:
            whole = text.rstrip().endswith(_STOPS) and len(words) >= FEWEST_IN_A_SENTENCE
            if mine or not whole:
                return None
        found: str | None = None
        most = 0
        for other, theirs in self.lists.items():
            # The text's few words first: the lists are long, and this runs for every text that is written.
            common = here & theirs
            against = len(common - own)
            proper = len(mine - theirs)
            if against >= FEWEST_FOREIGN + FOR_EACH_OWN * proper and against > most:
                found, most = other, against
        if found is None:
            return None
        telling = self.lists[found] - own
        return Foreign(found, [word for word in dict.fromkeys(words) if word in telling])

    def _of(self, language: str) -> frozenset[str]:
        return self.lists.get(language.split("-", maxsplit=1)[0].lower(), frozenset())


def words_of(text: str) -> list[str]:
    """Return the words of a text in their order, without regard to case."""
    return _WORD.findall(text.casefold())


def load_function_words() -> FunctionWords:
    """Read the function words that ship with Comity."""
    return FunctionWords(
        {row.language: frozenset(row.words) for row in read_rows(StopWords, "stop_words.csv")}
    )
