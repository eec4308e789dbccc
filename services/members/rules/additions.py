"""Additions: which words came into a profile after its first revision, and on which day each.

*What.* The words of the new texts are held against those of the revision before, list by list and language by language: as
often as a word stood there it keeps its day. *Why words.* A sentence that is mended is new as a whole, and what it said
before would be taken for an addition. *Why counts and no alignment.* They take one pass, and give the same whatever order
the sentences stand in. `matching.additions` has the same lines, because the engine imports nothing and nothing here imports
it; a test holds the two against each other. *Never:* know who reads it.
"""

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator

_HAN = "㐀-䶿一-鿿豈-﫿"
_WORD = re.compile(f"[{_HAN}]|[^\\W_{_HAN}]+")
"""A word; in Chinese, which parts none, a character."""

Said = tuple[str, str, str]
"""A text of a profile: the list that it stands in, its language, and what it says."""

_Word = tuple[str, str, str]


def additions(
    texts: Iterable[Said], *, held: Iterable[Said], known: Iterable[tuple[str, Said]], today: str
) -> list[tuple[str, Said]]:
    """Return what came into a profile after its first revision, by day and list: the words as they stand, a line for each row.

    `held` are the texts of the revision before, `known` what had come into them; days are ISO dates. As often as a list
    had a word in a language it keeps its days, the oldest first; further ones are of `today`.
    """
    stood = _days(held, known)
    found: dict[_Word, list[str]] = {}
    for name, language, text in texts:
        start, row = 0, ""
        for match in _WORD.finditer(text):
            days = stood.get((name, language, match.group().casefold()))
            day = days.popleft() if days else today
            if day:
                rows = found.setdefault((day, name, language), [])
                if day == row:
                    rows.pop()
                else:
                    start = match.start()
                rows.append(text[start : match.end()])
            row = day
    return [(day, (name, language, "\n".join(rows))) for (day, name, language), rows in sorted(found.items())]


def _days(held: Iterable[Said], known: Iterable[tuple[str, Said]]) -> dict[_Word, deque[str]]:
    """The days of each word that stood, the oldest first; empty where it stood in the first revision."""
    later: dict[_Word, list[str]] = {}
    for day, said in sorted(known):
        for word in _words([said]):
            later.setdefault(word, []).append(day)
    days: dict[_Word, deque[str]] = {}
    for word, count in Counter(_words(held)).items():
        dated = later.get(word, [])[-count:]
        days[word] = deque([""] * (count - len(dated)) + dated)
    return days


def _words(texts: Iterable[Said]) -> Iterator[_Word]:
    for name, language, text in texts:
        for match in _WORD.finditer(text):
            yield name, language, match.group().casefold()
