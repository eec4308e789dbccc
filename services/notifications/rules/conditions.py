"""Whether a project is what a subscription asks for, and which condition says no.

*What.* Conditions as people saved them against a project's facts; each condition is a name, so that a preview can say
which one excludes most. Within one condition any value will do; all conditions must hold. *Why no rank.* Who is told
depends on the floor and on the subscriber's own choice, never on the place in a list. *Never:* read a table or a clock.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import orjson

from services.chassis.reference import Reference
from services.chassis.web.problems import ErrorEntry

Facts = Mapping[str, Any]
"""What is known of a project: titles, level, regions, countries, flagship, need_kinds, tags, deadline."""

ASKED_ABOUT = ("level", "regions", "countries", "flagship", "need_kinds", "tags")
"""The facts that a condition may look at."""

BAND_ORDER = {"weak": 0, "possible": 1, "good": 2, "strong": 3}
BEST_BAND = max(BAND_ORDER, key=lambda band: BAND_ORDER[band])
"""Reaches whatever band is asked for."""

Asked = Callable[[bytes, str | None], bool]
"""Whether conditions (JSON) ask for a project on whose list the organisation has this band."""


def facts_of(record: Mapping[str, Any], *, region_of: Callable[[str], str | None]) -> dict[str, Any]:
    """Return what subscriptions ask about of a project's record; a country stands for its region too."""
    countries = list(record.get("countries", ()))
    regions = set(record.get("regions", ())) | {region_of(country) for country in countries}
    return {
        "titles": list(record.get("titles", ())),
        "level": record.get("level"),
        "regions": sorted(region for region in regions if region),
        "countries": countries,
        "flagship": record.get("flagship"),
        "need_kinds": list(dict.fromkeys(need["kind"] for need in record.get("needs", ()))),
        "tags": [[tag["scheme"], tag.get("version"), tag["code"]] for tag in record.get("tags", ())],
        "deadline": record.get("deadline"),
        "fictional": bool(record.get("fictional")),
    }


def facts_hash(record: Mapping[str, Any]) -> str:
    """Return the digest of needs and countries, in whatever order: what of a project, once changed, lifts a dismissal and is news."""
    needs = [
        need | {"texts": sorted(need.get("texts", ()), key=lambda text: text["language"])}
        for need in sorted(record.get("needs", ()), key=lambda need: need["id"])
    ]
    return _digest(needs, record)


def facts_hash_as_listed(record: Mapping[str, Any]) -> str:
    """Return the digest of the same facts as it used to be kept: of the needs in the order in which the record has them."""
    return _digest(record.get("needs", []), record)


def _digest(needs: Sequence[Mapping[str, Any]], record: Mapping[str, Any]) -> str:
    told = [needs, sorted(record.get("countries", ()))]
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def asked_about(facts: Facts) -> bytes:
    """Return the facts that conditions look at, as JSON: while they stand, who asks for the project stays the same."""
    return orjson.dumps({name: facts[name] for name in ASKED_ABOUT})


def failed(
    conditions: Mapping[str, Any], facts: Facts, *, least_developed: Callable[[str], bool]
) -> tuple[str, ...]:
    """Return the names of the conditions that the project does not meet; none: it is asked for."""
    return tuple(
        name for name, holds in _checks(conditions, facts, least_developed=least_developed) if not holds
    )


def reaches_band(band: str | None, least: str | None) -> bool:
    """Whether a band is at least the one asked for; every band is, where none is."""
    return least is None or (band is not None and BAND_ORDER[band] >= BAND_ORDER[least])


def asked_of(reference: Reference, facts: Facts, *, day: date) -> Asked:
    """Return the question whether conditions ask for such a project on a day; each distinct set of them is looked at once."""
    answers: dict[bytes, tuple[bool, str | None]] = {}

    def asked(conditions: bytes, band: str | None) -> bool:
        if conditions not in answers:
            read = orjson.loads(conditions)
            missing = failed(read, facts, least_developed=lambda one: reference.in_group(one, "ldc", day))
            answers[conditions] = (not missing, read.get("minimum_band"))
        meets, least = answers[conditions]
        return meets and reaches_band(band, least)

    return asked


def day_told(told: str | None, today: date) -> date:
    """Return the reference date by which conditions saw a list last: as it is kept, else today's."""
    return date.fromisoformat(told) if told else today


def regrouped(reference: Reference, countries: Iterable[str], *, since: date, day: date) -> bool:
    """Whether any of these countries has come into a group that conditions look at, or has left it, since a day."""
    return any(
        reference.in_group(one, "ldc", since) != reference.in_group(one, "ldc", day) for one in countries
    )


def unknown_codes(conditions: Mapping[str, Any], reference: Reference) -> list[ErrorEntry]:
    """Return every code in the conditions that the published lists do not know."""
    faults: list[ErrorEntry] = []
    checks = [
        (f"/conditions/countries/{place}", reference.check_country(code))
        for place, code in enumerate(conditions["countries"])
    ]
    checks += [
        (f"/conditions/regions/{place}", reference.check_region(code))
        for place, code in enumerate(conditions["regions"])
    ]
    for place, tag in enumerate(conditions["themes"]):
        refusal = reference.check_tag(tag["scheme"], tag["code"], version=tag["version"])
        part = refusal.rule.removeprefix("tag-") if refusal is not None else ""
        checks.append((f"/conditions/themes/{place}/{part}", refusal))
    for pointer, found in checks:
        if found is not None:
            faults.append({"pointer": pointer, "rule": found.rule, "detail": found.detail, "fix": found.fix})
    return faults


def _checks(
    conditions: Mapping[str, Any], facts: Facts, *, least_developed: Callable[[str], bool]
) -> Iterator[tuple[str, bool]]:
    if conditions.get("themes"):
        asked = {(tag["scheme"], tag.get("version"), tag["code"]) for tag in conditions["themes"]}
        held = {(scheme, version, code) for scheme, version, code in facts["tags"]}
        held |= {(scheme, None, code) for scheme, _, code in facts["tags"]}
        yield "themes", bool(asked & held)
    for name in ("countries", "regions", "need_kinds"):
        if conditions.get(name):
            yield name, bool(set(conditions[name]) & set(facts[name]))
    if conditions.get("levels"):
        yield "levels", facts["level"] in conditions["levels"]
    if conditions.get("flagships"):
        yield "flagships", facts["flagship"] in conditions["flagships"]
    if conditions.get("ldc_only"):
        yield "ldc_only", any(least_developed(country) for country in facts["countries"])
