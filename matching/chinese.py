"""Chinese words: how a stretch of characters is cut, and every word that it holds.

What: `cut` lays words one behind the other; so a project asks, a passage counts, and a text is archived. `held` gives each
dictionary word and each character, wherever it stands; so a document answers. Why: the script parts no words, so one character
more may cut all that stood before it anew, and a word inside a longer one is said all the same. Whether a word is held is told
from its own characters alone: what follows takes none away. It must not know an epoch.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby

from matching.stopwords import STOP_WORDS

UNSPACED = "zh"
"""The language that is written without spaces."""

HAN = "㐀-䶿一-鿿豈-﫿"
"""Its characters, as a class of a regular expression names them."""

SILENT = STOP_WORDS[UNSPACED]
"""Function words: they stand in a run, for their characters may be those of a word that straddles a cut, and count nowhere."""

_IS_HAN = re.compile(f"[{HAN}]")


class Dictionary:
    """jieba's dictionary, from its own file, without the cache file and the messages of its `initialize`."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # jieba imports pkg_resources, which announces its own end
            import jieba  # noqa: PLC0415 - its import alone costs 0.2 s, so only who meets Chinese pays

        self._tokenizer = jieba.Tokenizer()
        self._frequencies, total = self._tokenizer.gen_pfdict(self._tokenizer.get_dict_file())
        self._tokenizer.FREQ, self._tokenizer.total = self._frequencies, total
        self._tokenizer.initialized = True

    def cut(self, stretch: str) -> Iterator[str]:
        """Cut a stretch of characters into the likeliest words; one made of words of two characters or more is cut into these.

        What the dictionary lacks is cut into its characters: nothing is guessed that a document could not hold.
        """
        for word in self._tokenizer.lcut(stretch, HMM=False):
            yield from self._parts(word) or (word,)

    def _parts(self, word: str) -> list[str]:
        for length in range(len(word) - 2, 1, -1):
            first, rest = word[:length], word[length:]
            if self._frequencies.get(first):
                behind = self._parts(rest) or ([rest] if self._frequencies.get(rest) else [])
                if behind:
                    return [*(self._parts(first) or [first]), *behind]
        return []

    def within(self, stretch: str) -> Iterator[tuple[int, str]]:
        """Yield each character and each dictionary word of a stretch, with the place where it begins."""
        frequencies = self._frequencies
        for start, character in enumerate(stretch):
            yield start, character
            stop = start + 2
            word = stretch[start:stop]
            while word in frequencies and stop <= len(stretch):  # beginnings of words are in it too, with 0
                if frequencies[word]:
                    yield start, word
                stop += 1
                word = stretch[start:stop]


@cache
def dictionary() -> Dictionary:
    """Load it, once for a process: it takes a second and fifty megabytes, and nothing changes in it."""
    return Dictionary()


def held(tokens: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield every word, name and character that a run holds but its function words, in the order of their beginnings.

    With each its place, counted in characters, so that one word follows another where it begins where that ends.
    """
    place = 0
    for ours, some in groupby(tokens, _is_han):
        for stretch in ("".join(some),) if ours else some:
            words = dictionary().within(stretch) if ours else ((0, stretch),)
            for start, word in words:
                if word not in SILENT:
                    yield place + start, word
            place += len(stretch)


def written(tokens: Sequence[str]) -> str:
    """Join a run as it is written, each word of another script between two spaces."""
    return "".join(token if _is_han(token) else f" {token} " for token in tokens)


def _is_han(token: str) -> bool:
    return _IS_HAN.match(token) is not None
