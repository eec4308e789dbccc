"""Faults of a body as data, and the checks of codes, tags and texts that every service's bodies share.

*What.* `Fault` (where, which rule, what is wrong, what to write instead), the `Codebook` of published lists, and the
checks that need nothing else. *Why here.* A code that one service accepts and another refuses is lost between them.
*Never:* look on once `MOST_FAULTS` are found: a body of ten thousand wrong codes must not keep others waiting.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from schemas.http.parts import Tag
from services.chassis.reference.catalogue import Reference
from services.chassis.reference.languages import LanguageChecks
from services.chassis.reference.rows import Refusal

MOST_FAULTS = 100
"""How many faults one answer names; whoever mends them is told the rest."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: `pointer` into the body, the `rule` it breaks, a sentence, and the `fix`."""

    pointer: str
    rule: str
    detail: str
    fix: str


@dataclass(frozen=True, slots=True)
class Codebook:
    """The published lists that bodies are held against; loaded once at start."""

    reference: Reference
    languages: LanguageChecks


def first_faults(*checks: Iterable[Fault]) -> list[Fault]:
    """Return the first `MOST_FAULTS` of lazy checks, in their order; what comes after is not looked at."""
    return list(islice(chain(*checks), MOST_FAULTS))


def refused(pointer: str, refusal: Refusal | None) -> Iterator[Fault]:
    """Yield a refusal as a fault at its place, or nothing."""
    if refusal is not None:
        yield Fault(pointer, refusal.rule, refusal.detail, refusal.fix)


def country_faults(pointer: str, codes: Sequence[str], reference: Reference) -> Iterator[Fault]:
    """Yield what is wrong with a list of countries."""
    for place, code in enumerate(codes):
        yield from refused(f"{pointer}/{place}", reference.check_country(code))


def region_faults(pointer: str, codes: Sequence[str], reference: Reference) -> Iterator[Fault]:
    """Yield what is wrong with a list of regions."""
    for place, code in enumerate(codes):
        yield from refused(f"{pointer}/{place}", reference.check_region(code))


def tag_faults(pointer: str, tags: Sequence[Tag], reference: Reference) -> Iterator[Fault]:
    """Yield what is wrong with a list of tags: at the scheme, the version or the code, or one that stands there twice.

    A tag without a version is that of the newest plan, and so it is kept: the list's shape cannot tell such a repeat.
    """
    seen: set[Tag] = set()
    for place, tag in enumerate(tags):
        refusal = reference.check_tag(tag.scheme, tag.code, version=tag.version)
        if refusal is not None:
            yield from refused(f"{pointer}/{place}/{refusal.rule.removeprefix('tag-')}", refusal)
        kept = tag.model_copy(update={"version": tag.version or reference.default_version(tag.scheme)})
        if kept in seen:
            detail = f"The tag {kept} stands here twice: without a version it is the newest plan's."
            yield Fault(f"{pointer}/{place}", "no-repeats", detail, "Keep one of them.")
        seen.add(kept)


def text_faults(texts: Iterable[tuple[str, str, str]], languages: LanguageChecks) -> Iterator[Fault]:
    """Yield which texts, each (pointer, language, text), cannot stand under their language."""
    for pointer, language, text in texts:
        yield from refused(pointer, languages.check(text, language=language))
