"""Says why a code is refused and what to write instead.

A refusal that only says "invalid" sends people to the manual; these name the nearest right code. Pure functions
over the tables of ``catalogue.Reference``, which is their only caller.
"""

import difflib
from collections.abc import Mapping, Sequence

from services.chassis.reference.names import spelt
from services.chassis.reference.rows import Code, Country, Refusal, Scheme

CODE = 3  # letters of the longest code; what is like a code may be any
SHOWN = 60  # characters of a wrong value that an error repeats


def country(countries: Mapping[str, Country], spellings: Mapping[str, str], value: str) -> Refusal | None:
    """Check an alpha-3 code; other spellings of a known country (``names.spelt``) are told the right one."""
    if value in countries:
        return None
    written = spelt(value)
    known = spellings.get(written)
    if known is not None:
        return Refusal(
            "country-code",
            f"{shorten(value)} is not an ISO 3166-1 alpha-3 code in capitals.",
            f"Use alpha-3 {known} for {countries[known].name}.",
        )
    names = [spelling for spelling in spellings if len(spelling) > CODE]
    near = difflib.get_close_matches(written, names, n=1, cutoff=0.8)
    return Refusal(
        "country-code",
        f"No country or territory has the code {shorten(value)}.",
        f"Use alpha-3 {spellings[near[0]]} if you mean {countries[spellings[near[0]]].name}."
        if near
        else "Use an ISO 3166-1 alpha-3 code such as KEN or LAO.",
    )


def one_of(noun: str, value: str, known: Sequence[str]) -> Refusal | None:
    """Check a code against a short list, which the refusal names in full."""
    if value in known:
        return None
    rule = f"{noun.replace(' ', '-')}-code"
    return Refusal(rule, f"{shorten(value)} is no {noun} that Comity knows.", _advice(value, known))


def tag(
    schemes: Sequence[Scheme],
    codes: Mapping[tuple[str, str | None], Mapping[str, Code]],
    *,
    scheme: str,
    version: str | None,
    code: str,
) -> Refusal | None:
    """Check a tag; in order: its scheme, its version, its code."""
    rows = [row for row in schemes if row.scheme == scheme]
    if not rows:
        unknown = f"{shorten(scheme)} is no tag scheme that Comity knows."
        return Refusal("tag-scheme", unknown, _advice(scheme, sorted({row.scheme for row in schemes})))
    if rows[0].free:
        return None
    versions = [row.version for row in rows if row.version is not None]
    if version is not None and version not in versions:
        held = (
            f"Use {' or '.join(versions)}, or leave the version out."
            if versions
            else "Leave the version out."
        )
        return Refusal("tag-version", f"The scheme {scheme} has no version {shorten(version)}.", held)
    listed = codes[scheme, version or max(versions, default=None)]
    if code in listed:
        return None
    return Refusal(
        "tag-code", f"The scheme {scheme} has no code {shorten(code)}.", _advice(code, list(listed))
    )


def shorten(value: str) -> str:
    """Return a value in quotes, cut so that an error stays readable, control characters escaped."""
    text = value if len(value) <= SHOWN else value[: SHOWN - 1] + "…"
    return "'" + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text) + "'"


def _advice(value: str, known: Sequence[str]) -> str:
    folded = {code.casefold(): code for code in known}
    near = difflib.get_close_matches(value.casefold(), list(folded), n=1, cutoff=0.75)
    guess = f"Did you mean {folded[near[0]]}? " if near else ""
    shown = ", ".join(known[:40]) + (" …" if len(known) > 40 else "")
    return f"{guess}Use one of: {shown}."
