"""The language of sentences that a request asks for by `Accept-Language` (RFC 9110).

*Never:* negotiate what a caller has named in the address; that wins.
"""

from collections.abc import Sequence
from typing import TypeVar

Tag = TypeVar("Tag", bound=str)


def best_language(header: str, known: Sequence[Tag], *, otherwise: Tag) -> Tag:
    """Return the most wanted of the languages spoken here; `fr-CA` is met by `fr`, what nobody speaks by `otherwise`."""
    for tag in preferred_languages(header):
        for language in known:
            if tag == language or tag.startswith(f"{language}-"):
                return language
    return otherwise


def preferred_languages(header: str) -> list[str]:
    """Return the language tags of an `Accept-Language` header, in lower case, the most wanted first."""
    found: list[tuple[float, str]] = []
    for item in header.split(","):
        tag, _, rest = item.strip().partition(";")
        try:
            quality = float(rest.strip().removeprefix("q=")) if rest else 1.0
        except ValueError:
            quality = 0.0
        if tag and quality > 0:
            found.append((quality, tag.strip().lower()))
    return [tag for _, tag in sorted(found, key=lambda one: -one[0])]
