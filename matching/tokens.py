"""Tokens: a text of one language becomes runs of (surface, token) pairs.

Light normalisation, Snowball stems, a dictionary for Chinese. A token that starts with `NEUTRAL` is a name in Latin letters
inside another script, an acronym, a number or a code: it carries no language. A run is what bigrams and domain terms may
not cross: a sentence, a line, a keyword. What a word is taken for is told from itself and what stands before it, so a word
more at the end takes nothing back (in Chinese this holds of what `chinese.held` says of a run). No statistics and no
lexicon here: the result of a text never changes while the analyser's number stays.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterator

import Stemmer

from matching.chinese import HAN, UNSPACED, dictionary
from matching.stopwords import STOP_WORDS

NEUTRAL = "="
"""First character of a token without a language."""

Pair = tuple[str, str]
"""(surface form as written, token)."""

_STEMMERS = {"ar": "arabic", "en": "english", "es": "spanish", "fr": "french", "ru": "russian"}
_NOT_LATIN = frozenset({"ar", "ru", "zh"})
_RUN_END = re.compile(
    r"[\n\r!?;:|•·。！？；：؟؛…]+|\.(?=\s|$)|[()\[\]{}«»“”\"]|\s[–—-]\s|、" + f"|(?<=[{HAN}]),"
)
_TOKEN = re.compile(r"[^\W_]+(?:[-‐‑][^\W_]+)*")
_HYPHEN = re.compile(r"[-‐‑]")
_HAN = re.compile(f"([{HAN}]+)")
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
_FEW_CAPITALS = 8


class Tokeniser:
    """Cuts texts into tokens. Holds the stemmers."""

    def __init__(self) -> None:
        self._stemmers = {language: Stemmer.Stemmer(name) for language, name in _STEMMERS.items()}

    def runs(self, language: str, text: str) -> list[list[Pair]]:
        """Cut a text; `language` is a primary subtag (``fr``), and one of the others is treated generically."""
        return [run for _, run in self.pieces(language, text)]

    def pieces(self, language: str, text: str, *, whole: bool = False) -> list[tuple[str, list[Pair]]]:
        """Cut a text as `runs` does, each run with the piece of the normalised text that it was made of.

        `whole`: nothing is going to be added to the text, as a project's: then each run is known to shout or not from its first word on.
        """
        text = unicodedata.normalize("NFKC", text)
        text = _STRESS.sub("", _ARABIC_NOISE.sub("", _UNSEEN.sub("", text)))
        pieces = filter(None, _RUN_END.split(text))
        return [
            (piece, run) for piece in pieces for run in self._runs_of(language, piece, whole=whole) if run
        ]

    def _runs_of(self, language: str, piece: str, *, whole: bool) -> tuple[list[Pair], list[Pair]]:
        """Return the run that a piece is, and that of the names which it may mean where it shouts."""
        # Chinese function words stand in the run: their characters may be those of a word that straddles a cut.
        stop = STOP_WORDS.get(language, frozenset()) if language != UNSPACED else frozenset()
        words: list[Pair] = []
        run: list[Pair | None] = []
        names: list[Pair] = []
        for word, pair in self._said(language, piece, stop, names, whole=whole):
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
        return [pair if pair is not None else next(stems) for pair in run], names

    def _said(
        self, language: str, piece: str, stop: Container[str], names: list[Pair], *, whole: bool
    ) -> Iterator[tuple[str, Pair | None]]:
        """Yield the words of a run, each with its pair where it has no language.

        A short word in capitals is a name until its run is known to shout. What follows may not take that back: then it is said
        again, as a word, and those that follow are words in the run and `names` beside it. Where the `whole` is known they are one of
        the two from the start.
        """
        loud = _shouting(piece, stop) if language not in _NOT_LATIN else []
        doubtful: list[str] = []
        for place, match in enumerate(_TOKEN.finditer(piece)):
            shouting = bool(loud) and loud[-1 if whole else place]
            if shouting:
                yield from ((word, None) for word in doubtful)
                doubtful.clear()
            for word in self._words(language, match.group()):
                pair = self._neutral(language, word)
                if pair is None or not (loud and word.isupper() and word.isalpha()):
                    yield word, pair
                elif shouting:
                    yield word, None
                    names += [pair] if not whole and word.lower() not in stop else []
                else:
                    doubtful.append(word)
                    yield word, pair

    def _words(self, language: str, token: str) -> Iterator[str]:
        """Split a hyphenated token, keeping together what only means something together (e-health, Wi-Fi, COVID-19)."""
        if _HAN.search(token):
            for piece in _HAN.split(token):
                if _HAN.match(piece):  # in another language no dictionary says which characters are a word
                    yield from dictionary().cut(piece) if language == UNSPACED else piece
                elif piece:
                    yield from self._words(language, piece)
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

    def _neutral(self, language: str, word: str) -> Pair | None:
        """Return the pair of a token without a language, or None for a plain word."""
        if not word.isalpha() and any(character.isdigit() for character in word):
            return (word, NEUTRAL + _ascii_digits(word.lower())) if 2 <= len(word) <= _LONGEST else None
        if not _LATIN.match(word):
            return None
        if language in _NOT_LATIN or _is_acronym(word):
            return (word, NEUTRAL + _bare(_singular(word).lower())) if len(word) >= 2 else None
        return None

    def _stems(self, language: str, words: list[Pair]) -> list[Pair]:
        stemmer = self._stemmers.get(language)
        if stemmer is None:
            return words
        stems = stemmer.stemWords([folded for _, folded in words])
        bare = _bare if language in {"fr", "es"} else _open_teh
        return [(surface, bare(stem) or folded) for (surface, folded), stem in zip(words, stems, strict=True)]


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


def _shouting(piece: str, stop: Container[str]) -> list[bool]:
    """Tell of each word of a run whether the run is set in capitals up to there, so that they mark no acronym for sure.

    A list of acronyms does not shout: its words are short, no stop word is among them, and longer ones are parted by commas.
    Empty where no word can be so, which is nearly everywhere.
    """
    if sum(map(str.isupper, piece)) <= _FEW_CAPITALS:
        return []
    found: list[bool] = []
    read = capitals = letters = words = in_words = 0
    listed = certain = False
    for match in _TOKEN.finditer(piece):
        new, word, read = piece[read : match.end()], match.group(), match.end()
        capitals += sum(map(str.isupper, new))
        letters += sum(map(str.isalpha, new))
        listed = listed or _LISTED.search(new) is not None
        if len(word) > 1 and word.isupper():
            words += 1
            in_words += len(word)
            certain = certain or len(word) > _LONGEST_ACRONYM or word.lower() in stop
        many = capitals > _FEW_CAPITALS and 10 * capitals > 6 * letters > 72
        found.append(many and (certain or (not listed and in_words > _MEAN_ACRONYM * words)))
    return found
