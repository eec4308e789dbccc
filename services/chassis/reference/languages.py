"""Says whether a text can be in the language that it is declared to be in, and whether it says anything.

A text under the wrong tag is stemmed by the wrong rules and found by nobody, so it is refused while its author
is still there. Only what is certain is refused: another script, the function words of another language, or no word
beside function words.
"""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from babel.core import get_global

from services.chassis.reference.function_words import SHOWN, FunctionWords, load_function_words, words_of
from services.chassis.reference.rows import Refusal

CERTAIN_LETTERS = 12
"""Fewer (weighted) letters than this decide nothing: a name such as "Giga" stands in any language."""

SHARE = 0.25
"""The least share of its letters that a text has in the script of its language; the rest is names and acronyms."""

IDEOGRAPH_WEIGHT = 3
"""One ideograph says about as much as three letters."""

_SCRIPTS: Mapping[str, tuple[str, ...]] = {
    "Arab": ("ARABIC",),
    "Armn": ("ARMENIAN",),
    "Beng": ("BENGALI",),
    "Cyrl": ("CYRILLIC",),
    "Deva": ("DEVANAGARI",),
    "Ethi": ("ETHIOPIC",),
    "Geor": ("GEORGIAN",),
    "Grek": ("GREEK",),
    "Hans": ("CJK",),
    "Hant": ("CJK",),
    "Hebr": ("HEBREW",),
    "Jpan": ("CJK", "HIRAGANA", "KATAKANA"),
    "Khmr": ("KHMER",),
    "Kore": ("HANGUL", "CJK"),
    "Laoo": ("LAO",),
    "Latn": ("LATIN",),
    "Mong": ("MONGOLIAN",),
    "Mymr": ("MYANMAR",),
    "Sinh": ("SINHALA",),
    "Taml": ("TAMIL",),
    "Thaa": ("THAANA",),
    "Thai": ("THAI",),
    "Tibt": ("TIBETAN",),
}
"""ISO 15924 script → first word of the Unicode names of its letters."""


_NO_SUBJECT = Refusal(
    "text-stop-words-only",
    "The text holds function words only (such as 'the' and 'of'), so it names no subject.",
    "Say in at least one sentence what is meant.",
)


@dataclass(frozen=True, slots=True)
class LanguageChecks:
    """The checks of texts against their language; built once by ``load_language_checks``."""

    function_words: FunctionWords

    def check(self, text: str, *, language: str) -> Refusal | None:
        """Return why a text cannot stand under a BCP 47 tag, or None."""
        words = words_of(text)
        scripts = _letters(text, words)
        if not scripts:
            return Refusal(
                "text-without-words",
                "The text has no letter: only white space, digits or signs.",
                "Write at least one sentence, or leave the text out.",
            )
        return self._script(scripts, language) or self._words(text, words, language)

    def check_reason(self, text: str) -> Refusal | None:
        """Return why a published reason, which declares no language, says nothing, or None."""
        return _NO_SUBJECT if self.function_words.are_all(words_of(text), language=None) else None

    def _script(self, scripts: Mapping[str, int], language: str) -> Refusal | None:
        expected = _SCRIPTS.get(script_of(language))
        total = sum(scripts.values())
        if expected is None or total < CERTAIN_LETTERS:
            return None
        if sum(scripts.get(name, 0) for name in expected) >= SHARE * total:
            return None
        found = max(scripts, key=scripts.__getitem__).capitalize()
        return _elsewhere(f"The text is declared as {language!r}, but its letters are {found}.")

    def _words(self, text: str, words: Sequence[str], language: str) -> Refusal | None:
        if self.function_words.are_all(words, language=language):
            return _NO_SUBJECT
        foreign = self.function_words.foreign(text, words, language=language)
        if foreign is None:
            return None
        named = ", ".join(f"“{word}”" for word in foreign.words[:SHOWN])
        return _elsewhere(
            f"The text is declared as {language!r}, but its function words ({named}) are those of {foreign.language!r}."
        )


def _letters(text: str, words: Sequence[str]) -> dict[str, int]:
    """Return how many (weighted) letters a text has of each script."""
    if text.isascii():  # then its letters are Latin, and its words are its letters
        letters = sum(map(len, words))
        return {"LATIN": letters} if letters else {}
    scripts: dict[str, int] = {}
    for character, count in Counter(text).items():
        script = _named_script(character)
        if script:
            weight = IDEOGRAPH_WEIGHT if script == "CJK" else 1
            scripts[script] = scripts.get(script, 0) + count * weight
    return scripts


@lru_cache(maxsize=8_192)
def _named_script(character: str) -> str:
    """Return the first word of a letter's Unicode name; empty for what is no letter."""
    if not character.isalpha():
        return ""
    return unicodedata.name(character, "UNKNOWN").split()[0].split("-")[0]


def _elsewhere(detail: str) -> Refusal:
    return Refusal(
        "text-language",
        detail,
        "Set `language` to the language that the text is written in, or write it in the declared one.",
    )


@lru_cache(maxsize=512)
def script_of(language: str) -> str:
    """Return the ISO 15924 script a language is usually written in; empty if CLDR does not say.

    A script inside the tag (``sr-Latn``) decides before anything else.
    """
    parts = language.replace("_", "-").split("-")
    for part in parts[1:]:
        if len(part) == 4 and part.isalpha():
            return part.title()
    likely: Mapping[str, str] = get_global("likely_subtags")
    for tag in ("_".join([parts[0].lower(), *(part.upper() for part in parts[1:2])]), parts[0].lower()):
        if tag in likely:
            return next((part for part in likely[tag].split("_")[1:] if len(part) == 4), "")
    return ""


def load_language_checks() -> LanguageChecks:
    """Read the function words that ship with Comity."""
    return LanguageChecks(load_function_words())
