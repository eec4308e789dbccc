"""The types of people's words: names, titles, long texts, and the language each is written in.

*What.* Pydantic types that every service's bodies share, and the check of their characters. *Why here.* A name
that one service accepts and another refuses is lost between them. *Never:* change a text. What was sent is
stored and shown as it was sent, or it is refused with the rule it breaks and the way to mend it.
"""

import re
import unicodedata
from typing import Annotated, Any

from babel import Locale
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictStr
from pydantic_core import PydanticCustomError

LETTER = r"[^\W\d_]"
"""The pattern of one letter of any script: a text without one says nothing."""

LANGUAGE_PATTERN = r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$"
"""BCP 47 as we use it: language, then perhaps script and region, in their usual letter case."""

OVERRIDES = frozenset("\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that reorder what stands around them: an address or a name can be made to read as another."""

MARKS = frozenset("\u200e\u200f")
"""Unseen marks of a direction, which reorder the digits and signs beside them: a name and a title hold none."""

MISLEADING = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Inside of a character class: control characters and all that Unicode calls Bidi_Control. No address holds them."""

LINE_BREAKS = frozenset("\u2028\u2029")
"""Characters that end a line unseen: one line holds none. (A zero-width space parts words in Khmer, Lao and Thai.)"""

SUSPECT = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""All that `check_characters` can refuse: only these are looked at one by one, so that long texts cost little."""

LAYOUT = frozenset("\n\r\t")
"""The control characters that a long text may hold; a name or a title holds none."""


def refuse(rule: str, sentence: str, fix: str, *, field: str = "") -> PydanticCustomError:
    """Return an error that names the rule, says what is wrong in one sentence, and what to write instead.

    `field` is the one to mend, where several are checked together and the error would only name what holds them.
    """
    return PydanticCustomError(rule, "{sentence}", {"sentence": sentence, "fix": fix, "field": field})


def formed(pattern: str, sentence: str, fix: str) -> tuple[Any, AfterValidator]:
    """Return what holds a text to a pattern: the schema has the pattern, who breaks it is told in words.

    Unpack it into `Annotated`. The pattern is read as ASCII and as a whole.
    """
    form = re.compile(pattern, re.ASCII)

    def check(text: str) -> str:
        if form.fullmatch(text) is None:
            raise refuse("string_pattern_mismatch", sentence, fix)
        return text

    return Field(json_schema_extra={"pattern": pattern}), AfterValidator(check)


def check_characters(text: str, *, multiline: bool) -> str:
    """Return the text unchanged. Raises `refuse(...)` naming the first character that no text may hold."""
    for found in SUSPECT.finditer(text):
        place, character = found.start(), found[0]
        if character in OVERRIDES or (not multiline and character in MARKS):
            rule, noun = "no-bidi-controls", "a character that reorders the text around it"
            fix = "Remove it; right-to-left text needs no such marks here."
        elif not multiline and character in LINE_BREAKS:
            rule, noun, fix = "one-line", "an unseen break of the line", "Write one line."
        elif "\ud800" <= character <= "\udfff":
            rule, noun, fix = "no-lone-surrogates", "half of a surrogate pair", "Send the whole character."
        elif unicodedata.category(character) == "Cc" and not (multiline and character in LAYOUT):
            rule, noun = "no-control-characters", "a control character"
            fix = "Write one line." if character in LAYOUT else "Remove it."
        else:
            continue
        raise refuse(
            rule,
            f"Character {place + 1} is {noun} (U+{ord(character):04X}).",
            fix,
        )
    return text


def _line(text: str) -> str:
    return check_characters(text, multiline=False)


def _prose(text: str) -> str:
    return check_characters(text, multiline=True)


KNOWN_LANGUAGES = frozenset(tag for tag in map(str, Locale("en").languages) if "_" not in tag) - {
    "und",
    "mul",
    "zxx",
    "mis",
}
"""The primary subtags that CLDR knows by name, without those for "undetermined" and "multiple"."""


def check_language(tag: str) -> str:
    """Return the tag. Raises `refuse(...)` if it is no tag of a language that CLDR knows."""
    if not re.match(LANGUAGE_PATTERN, tag):
        raise refuse(
            "language-tag",
            f"{tag[:40]!r} is no BCP 47 language tag.",
            "Use a tag such as ar, en, es, fr, ru, zh or pt-BR.",
        )
    if tag.partition("-")[0] not in KNOWN_LANGUAGES:
        raise refuse(
            "language-tag",
            f"No language has the tag {tag!r}.",
            "Use a tag such as ar, en, es, fr, ru, zh or pt-BR.",
        )
    return tag


Language = Annotated[
    StrictStr,
    Field(min_length=2, max_length=11, json_schema_extra={"pattern": LANGUAGE_PATTERN}, examples=["en"]),
    AfterValidator(check_language),
]
"""The language of a text (BCP 47)."""


_BLANK = str.maketrans("", "", "\u115f\u1160\u3164\uffa0")
"""The fillers of Hangul: letters to Unicode, blanks to the eye."""


def check_letters(text: str) -> str:
    """Return the text. Raises `refuse(...)` if it has no letter of any script."""
    if re.search(LETTER, text.translate(_BLANK)) is None:
        raise refuse(
            "text-without-words",
            "The text has no letter: only white space, digits or signs.",
            "Write at least one word.",
        )
    return text


_LETTERED = (Field(json_schema_extra={"pattern": LETTER}), AfterValidator(check_letters))

Name = Annotated[StrictStr, Field(min_length=1, max_length=300), *_LETTERED, AfterValidator(_line)]
"""A name: one line of 1 to 300 characters with at least one letter."""

LongText = Annotated[StrictStr, Field(min_length=1, max_length=20_000), *_LETTERED, AfterValidator(_prose)]
"""A text of 1 to 20,000 characters with at least one letter."""

ShortText = Annotated[StrictStr, Field(min_length=1, max_length=2_000), *_LETTERED, AfterValidator(_prose)]
"""A text of 1 to 2,000 characters with at least one letter."""

Label = Annotated[StrictStr, Field(min_length=1, max_length=200), AfterValidator(_line)]
"""A code or an identifier of somebody else's: one line of 1 to 200 characters."""


class Shape(BaseModel):
    """A body: unknown members are refused, and nothing is changed once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LocalisedName(Shape):
    """A name or a title in one language."""

    language: Language
    text: Name


class LocalisedText(Shape):
    """A text in one language."""

    language: Language
    text: LongText
