"""Tokens: a text of one language becomes runs of (surface, token) pairs.

Light normalisation, Snowball stems, jieba for Chinese. A token that starts with `NEUTRAL` is a name in Latin letters
inside another script, an acronym, a number or a code: it carries no language. A run is what bigrams and domain terms may
not cross: a sentence, a line, a keyword. No statistics and no lexicon here: the result of a text never changes while the
analyser's number stays.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Callable, Container, Iterator
from functools import cache

import Stemmer

from matching.stopwords import STOP_WORDS

NEUTRAL = "="
"""First character of a token without a language."""

Pair = tuple[str, str]
"""(surface form as written, token)."""

_STEMMERS = {"ar": "arabic", "en": "english", "es": "spanish", "fr": "french", "ru": "russian"}
_NOT_LATIN = frozenset({"ar", "ru", "zh"})
_RUN_END = re.compile(r"[\n\r!?;:|•·。！？；：؟؛…]+|\.(?=\s|$)|[()\[\]{}«»“”\"]|\s[–—-]\s|、|，(?=\s)")
_TOKEN = re.compile(r"[^\W_]+(?:[-‐‑][^\W_]+)*")
_HYPHEN = re.compile(r"[-‐‑]")
_HAN = re.compile(r"[㐀-䶿一-鿿豈-﫿]+")
_LATIN = re.compile(r"[A-Za-zÀ-ɏ]")
_ARABIC_NOISE = re.compile(r"[ً-ْٰـؐ-ؚ]")
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Marks without width, and those that reorder (Unicode's Default_Ignorable_Code_Point, and marks of annotations): they may
hide no word and part none."""
_STRESS = re.compile("(?<=[\u0400-\u04ff])[\u0300\u0301]")
"""The stress that Russian marks for learners."""
_ARABIC_SHAPES = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ؤ": "و", "ئ": "ي"})
_ARABIC_ARTICLE = re.compile(r"^(?:[وفبك]?ال|و?لل)(?=.{3})")
_LONGEST = 40
_LISTED = re.compile(r"[,/،]")
_LONGEST_ACRONYM = 7  # in capitals throughout
_MEAN_ACRONYM = 5  # of several in a row


class Tokeniser:
    """Cuts texts into tokens. Holds the stemmers and, from the first Chinese text on, jieba's dictionary."""

    def __init__(self) -> None:
        self._stemmers = {language: Stemmer.Stemmer(name) for language, name in _STEMMERS.items()}
        self._segment: Callable[[str], Iterator[str]] | None = None

    def runs(self, language: str, text: str) -> list[list[Pair]]:
        """Cut a text; `language` is a primary subtag (``fr``), and one of the others is treated generically."""
        return [run for _, run in self.pieces(language, text)]

    def pieces(self, language: str, text: str) -> list[tuple[str, list[Pair]]]:
        """Cut a text as `runs` does, each run with the piece of the normalised text that it was made of."""
        text = unicodedata.normalize("NFKC", text)
        text = _STRESS.sub("", _ARABIC_NOISE.sub("", _UNSEEN.sub("", text)))
        found = ((piece, self._run(language, piece)) for piece in _RUN_END.split(text) if piece)
        return [(piece, run) for piece, run in found if run]

    def _run(self, language: str, piece: str) -> list[Pair]:
        stop = STOP_WORDS.get(language, frozenset())
        shouting = _shouts(piece, stop)
        words: list[Pair] = []
        run: list[Pair | None] = []
        for match in _TOKEN.finditer(piece):
            for word in self._words(match.group()):
                pair = self._neutral(language, word, shouting=shouting)
                if pair is not None:
                    run.append(pair)
                    continue
                folded = _fold(language, word)
                if (
                    folded.replace("ة", "ه") in stop
                    or len(folded) > _LONGEST
                    or (len(folded) < 2 and not _HAN.match(folded))
                ):
                    continue
                words.append((word, folded))
                run.append(None)
        stems = iter(self._stems(language, words))
        return [pair if pair is not None else next(stems) for pair in run]

    def _words(self, token: str) -> Iterator[str]:
        """Split a hyphenated token, keeping together what only means something together (e-health, Wi-Fi, COVID-19)."""
        if _HAN.search(token):
            for piece in re.split(r"([㐀-䶿一-鿿豈-﫿]+)", token):
                if _HAN.match(piece):
                    yield from self._cut(piece)
                elif piece:
                    yield from self._words(piece)
            return
        parts = _HYPHEN.split(token)
        held = parts[0]
        for part in parts[1:]:
            short = len(held) == 1 or (len(held) <= 2 and len(part) <= 2)
            code = held.isalpha() and part.isdigit() and len(part) <= 2
            if code or (short and not held.isdigit()):
                held += part
            else:
                yield held
                held = part
        yield held

    def _neutral(self, language: str, word: str, *, shouting: bool) -> Pair | None:
        """Return the pair of a token without a language, or None for a plain word."""
        if not word.isalpha() and any(character.isdigit() for character in word):
            return (word, NEUTRAL + _ascii_digits(word.lower())) if 2 <= len(word) <= _LONGEST else None
        if not _LATIN.match(word):
            return None
        if language in _NOT_LATIN or (not shouting and _is_acronym(word)):
            return (word, NEUTRAL + _bare(_singular(word).lower())) if len(word) >= 2 else None
        return None

    def _stems(self, language: str, words: list[Pair]) -> list[Pair]:
        stemmer = self._stemmers.get(language)
        if stemmer is None:
            return words
        stems = stemmer.stemWords([folded for _, folded in words])
        bare = _bare if language in {"fr", "es"} else _open_teh
        return [(surface, bare(stem) or folded) for (surface, folded), stem in zip(words, stems, strict=True)]

    def _cut(self, run: str) -> Iterator[str]:
        if self._segment is None:
            self._segment = _load_jieba()
        return self._segment(run)


def _fold(language: str, word: str) -> str:
    word = word.lower()
    if language == "ar":
        word = word.translate(_ARABIC_SHAPES)
        return word if word in STOP_WORDS["ar"] else _ARABIC_ARTICLE.sub("", word)
    if language == "ru":
        return word.replace("ё", "е")
    if language == "fr":
        word = word.replace("œ", "oe").replace("æ", "ae")
    if language in {"fr", "es"} and _bare(word) in STOP_WORDS[language]:
        return _bare(word)
    return word


def _ascii_digits(word: str) -> str:
    """Write Arabic-Indic and other decimal digits as 0 to 9."""
    if word.isascii():
        return word
    return "".join(str(unicodedata.decimal(character, character)) for character in word)


def _bare(word: str) -> str:
    """Take the accents off a Latin word."""
    if word.isascii():
        return word
    return "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))


def _is_acronym(word: str) -> bool:
    """Whether a word is written like one: GSMA, IoT, ICTs; a longer word in capitals is only shouted."""
    if word[1:].islower():
        return False
    capitals = sum(character.isupper() for character in word)
    return capitals >= 2 and 2 <= len(word) <= (_LONGEST_ACRONYM if capitals == len(word) else 12)


def _singular(word: str) -> str:
    """Take the plural s off an acronym (ICTs)."""
    return word[:-1] if len(word) > 2 and word[-1] == "s" and word[:-1].isupper() else word


def _open_teh(word: str) -> str:
    """Write a closed teh that a stem kept as most keyboards do."""
    return word.replace("ة", "ه")


def _shouts(piece: str, stop: Container[str]) -> bool:
    """Whether a run is set in capitals throughout, so that capitals mark no acronym.

    A list of acronyms does not shout: its words are short, no stop word is among them, and longer ones are parted by commas.
    """
    capitals = sum(map(str.isupper, piece))
    if capitals <= 8 or not 10 * capitals > 6 * sum(map(str.isalpha, piece)) > 72:
        return False
    words = [word for word in _TOKEN.findall(piece) if word.isupper() and len(word) > 1]
    longest = max(map(len, words), default=0)
    long = sum(map(len, words)) > _MEAN_ACRONYM * len(words) and not _LISTED.search(piece)
    return long or longest > _LONGEST_ACRONYM or any(word.lower() in stop for word in words)


@cache
def _load_jieba() -> Callable[[str], Iterator[str]]:
    """Load jieba's dictionary from its own file, without the cache file and the messages of its `initialize`.

    Once for a process: it takes a second and fifty megabytes, and cutting changes nothing in it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jieba imports pkg_resources, which announces its own end
        import jieba  # noqa: PLC0415 - its import alone costs 0.2 s, so only who meets Chinese pays

    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True

    def segment(run: str) -> Iterator[str]:
        return iter(tokenizer.lcut(run, HMM=True))

    return segment
