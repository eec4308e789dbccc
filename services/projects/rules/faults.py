"""What is wrong with a project, and what it lacks before it may be published.

*What.* Every fault as data: where (a JSON pointer), which rule, what is wrong, what to write instead. *Why.* A
person who is told one fault at a time gives up at the third; so every check runs and all faults are named at
once. *Never:* read a clock (the day is an argument), a database, or who is asking.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import chain

from schemas.http.projects import FlagshipBody, ProjectBody
from schemas.http.texts import LocalisedName, LocalisedText
from services.chassis.reference import Reference
from services.chassis.reference.faults import (
    Codebook,
    Fault,
    country_faults,
    first_faults,
    refused,
    region_faults,
    tag_faults,
    text_faults,
)
from services.chassis.reference.languages import LanguageChecks


def body_faults(body: ProjectBody, *, today: date, codebook: Codebook) -> list[Fault]:
    """Return every fault that even a draft may not have: unknown codes, wrong words, dates that contradict."""
    return first_faults(
        _code_faults(body, codebook.reference),
        text_faults(_texts(body), codebook.languages),
        _date_faults(body, today=today),
        _presence_faults(body, codebook.languages),
    )


def publication_faults(body: ProjectBody, *, today: date, codebook: Codebook) -> list[Fault]:
    """Return everything that stands between this project and the public: what it lacks, then what is wrong."""
    return first_faults(
        _lacks(body), body_faults(body, today=today, codebook=codebook), _period_faults(body, today=today)
    )


def flagship_faults(
    body: FlagshipBody, *, today: date, codebook: Codebook, ended_on: date | None = None
) -> list[Fault]:
    """Return every fault of a flagship's declaration; `ended_on` is the last day that it has already, which may be past."""
    texts = chain(
        [("/reason/text", body.reason.language, body.reason.text)],
        _indexed("/titles", body.titles),
        _indexed("/summaries", body.summaries),
    )
    return first_faults(
        _place_faults(body.regions, body.countries, codebook.reference),
        tag_faults("/tags", body.tags, codebook.reference),
        _geography_faults(body.level, regions=body.regions, countries=body.countries),
        text_faults(texts, codebook.languages),
        () if body.ends_on == ended_on else _past_faults("ends_on", body.ends_on, today=today),
    )


def _lacks(body: ProjectBody) -> Iterator[Fault]:
    if not body.titles:
        yield Fault(
            "/titles", "title-required", "The project has no title.", "Give a title in at least one language."
        )
    if not body.needs:
        yield Fault(
            "/needs",
            "need-required",
            "The project names no need, so nobody can know what to offer.",
            "Name at least one need with its kind.",
        )
    if body.level is None:
        yield Fault(
            "/level",
            "level-required",
            "The project has no level.",
            "Set level to global, regional or national.",
        )
    yield from _geography_faults(body.level, regions=body.regions, countries=body.countries)
    if body.deadline is None and body.review_by is None:
        yield Fault(
            "/deadline",
            "deadline-or-review",
            "The project has neither a deadline for interest nor, being open-ended, a day of review.",
            "Set deadline, or review_by for an open-ended project.",
        )
    if body.presence_required.required and not (body.regions or body.countries):
        yield Fault(
            "/presence_required/required",
            "presence-needs-place",
            "Presence is required, but the project names no place to be present in.",
            "Name the countries or regions, or set required to false.",
        )


def _geography_faults(
    level: str | None, *, regions: Sequence[str], countries: Sequence[str]
) -> Iterator[Fault]:
    """Hold the places against the level; a global one has no limit and needs no place."""
    if level == "regional" and not regions:
        yield Fault(
            "/regions",
            "regional-needs-region",
            "A regional project names at least one ITU region.",
            "Add a region (AFR, AMS, ARB, ASP, CIS or EUR), or set another level.",
        )
    if level == "national" and not countries:
        yield Fault(
            "/countries",
            "national-needs-country",
            "A national project names at least one country.",
            "Add the country's alpha-3 code, or set another level.",
        )


def _past_faults(name: str, day: date | None, *, today: date) -> Iterator[Fault]:
    if day is not None and day < today:
        yield Fault(
            f"/{name}",
            f"{name.replace('_', '-')}-past",
            f"{name} is {day}, which is past (today is {today}, UTC).",
            "Set today or a later day.",
        )


def _date_faults(body: ProjectBody, *, today: date) -> Iterator[Fault]:
    period = body.period
    if period is not None and period.end < period.start:
        yield Fault(
            "/period/end",
            "period-order",
            f"The period ends on {period.end}, before its start on {period.start}.",
            "Let the end be the start or a later day.",
        )
    yield from _past_faults("deadline", body.deadline, today=today)
    yield from _past_faults("review_by", body.review_by, today=today)
    if body.deadline is not None and period is not None and body.deadline < period.start:
        yield Fault(
            "/deadline",
            "deadline-before-period",
            f"The deadline for interest is {body.deadline}, before the period starts on {period.start}.",
            "Set a deadline on or after the first day of the period, or let the period start earlier.",
        )


def _period_faults(body: ProjectBody, *, today: date) -> Iterator[Fault]:
    """Hold the period of what is to be open against the day and the deadline: who joins now takes part in it."""
    period = body.period
    if period is None or period.end < period.start:
        return
    if period.end < today:
        yield Fault(
            "/period/end",
            "period-past",
            f"The period ended on {period.end}, which is past (today is {today}, UTC).",
            "Set an end that is still to come, or leave the period out.",
        )
    elif body.deadline is not None and body.deadline > period.end:
        yield Fault(
            "/deadline",
            "deadline-after-period",
            f"The deadline for interest is {body.deadline}, after the period ends on {period.end}.",
            "Set a deadline on or before the last day of the period, or let the period end later.",
        )


def reason_faults(pointer: str, reason: str, languages: LanguageChecks) -> Iterator[Fault]:
    """Yield what is wrong with a reason that is published and declares no language."""
    yield from refused(pointer, languages.check_reason(reason))


def _presence_faults(body: ProjectBody, languages: LanguageChecks) -> Iterator[Fault]:
    presence = body.presence_required
    if presence.reason is not None:
        yield from reason_faults("/presence_required/reason", presence.reason, languages)
    if presence.required and presence.reason is None:
        yield Fault(
            "/presence_required/reason",
            "presence-needs-reason",
            "Presence is required without a reason; this rule excludes candidates, who are shown why.",
            "Give the reason in one sentence, or set required to false.",
        )


def _code_faults(body: ProjectBody, reference: Reference) -> Iterator[Fault]:
    yield from _place_faults(body.regions, body.countries, reference)
    yield from tag_faults("/tags", body.tags, reference)
    if body.office is not None:
        yield from refused("/office", reference.check_office(body.office))


def _place_faults(regions: Sequence[str], countries: Sequence[str], reference: Reference) -> Iterator[Fault]:
    yield from region_faults("/regions", regions, reference)
    yield from country_faults("/countries", countries, reference)


def _texts(body: ProjectBody) -> Iterator[tuple[str, str, str]]:
    yield from _indexed("/titles", body.titles)
    yield from _indexed("/summaries", body.summaries)
    yield from _indexed("/objectives", body.objectives)
    for index, need in enumerate(body.needs):
        yield from _indexed(f"/needs/{index}/texts", need.texts)


def _indexed(pointer: str, texts: Sequence[LocalisedName | LocalisedText]) -> Iterator[tuple[str, str, str]]:
    for index, one in enumerate(texts):
        yield f"{pointer}/{index}/text", one.language, one.text
