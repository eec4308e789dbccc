"""What is wrong with a profile, beyond its shape: unknown codes, wrong words, dates that contradict.

*What.* Every fault as data: where (a JSON pointer), which rule, what is wrong, what to write instead. *Why.* A
person who is told one fault at a time gives up at the third; so every check runs and all are named at once.
*Never:* read a clock (the day is an argument) or a database, or refuse a profile because it is thin.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from schemas.http.members import Offer, OrganisationBody
from schemas.http.parts import Tag
from services.chassis.reference import Reference, Refusal
from services.chassis.reference.languages import LanguageChecks


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: `pointer` into the body, the `rule` it breaks, a sentence, and the `fix`."""

    pointer: str
    rule: str
    detail: str
    fix: str


@dataclass(frozen=True, slots=True)
class Codebook:
    """The published lists that profiles are held against; loaded once at start."""

    reference: Reference
    languages: LanguageChecks


def body_faults(body: OrganisationBody, *, today: date, codebook: Codebook) -> list[Fault]:
    """Return every fault of a profile, in the order of its fields."""
    return [
        *_place_faults(body, codebook.reference),
        *_tag_faults(body, codebook.reference),
        *_text_faults(body, codebook.languages),
        *_study_group_faults(body),
        *_date_faults(body, today=today),
    ]


def _at(pointer: str, refusal: Refusal | None) -> Iterator[Fault]:
    if refusal is not None:
        yield Fault(pointer, refusal.rule, refusal.detail, refusal.fix)


def _place_faults(body: OrganisationBody, reference: Reference) -> Iterator[Fault]:
    yield from _at("/hq_country", reference.check_country(body.hq_country))
    yield from _countries("/operating_countries", body.operating_countries, reference)
    yield from _countries("/willing_countries", body.willing_countries, reference)
    for place, region in enumerate(body.willing_regions):
        yield from _at(f"/willing_regions/{place}", reference.check_region(region))
    for place, item in enumerate(body.evidence):
        yield from _countries(f"/evidence/{place}/countries", item.countries, reference)


def _countries(pointer: str, codes: Sequence[str], reference: Reference) -> Iterator[Fault]:
    for place, code in enumerate(codes):
        yield from _at(f"{pointer}/{place}", reference.check_country(code))


def _tag_faults(body: OrganisationBody, reference: Reference) -> Iterator[Fault]:
    yield from _tags("/tags", body.tags, reference)
    for place, item in enumerate(body.evidence):
        yield from _tags(f"/evidence/{place}/tags", item.tags, reference)


def _tags(pointer: str, tags: Sequence[Tag], reference: Reference) -> Iterator[Fault]:
    for place, tag in enumerate(tags):
        refusal = reference.check_tag(tag.scheme, tag.code, version=tag.version)
        part = refusal.rule.removeprefix("tag-") if refusal is not None else ""
        yield from _at(f"{pointer}/{place}/{part}", refusal)


def _text_faults(body: OrganisationBody, languages: LanguageChecks) -> Iterator[Fault]:
    texts = [(f"/descriptions/{n}/text", one.language, one.text) for n, one in enumerate(body.descriptions)]
    texts += [(f"/expertise/{n}/text", one.language, one.text) for n, one in enumerate(body.expertise)]
    texts += [*_offer_texts("/offers", body.offers), *_offer_texts("/seeks", body.seeks)]
    for place, item in enumerate(body.evidence):
        texts += [
            (f"/evidence/{place}/texts/{n}/text", one.language, one.text) for n, one in enumerate(item.texts)
        ]
    for pointer, language, text in texts:
        yield from _at(pointer, languages.check(text, language=language))


def _offer_texts(pointer: str, offers: Sequence[Offer]) -> Iterator[tuple[str, str, str]]:
    for place, offer in enumerate(offers):
        for n, one in enumerate(offer.texts):
            yield f"{pointer}/{place}/texts/{n}/text", one.language, one.text


def _study_group_faults(body: OrganisationBody) -> Iterator[Fault]:
    if body.study_group is not None and body.category != "associate":
        yield Fault(
            "/study_group",
            "study-group-of-associates",
            "Only an Associate is bound to one study group; other categories name none.",
            "Leave study_group out, or set category to associate.",
        )


def _date_faults(body: OrganisationBody, *, today: date) -> Iterator[Fault]:
    if body.review_by is not None and body.review_by < today:
        yield Fault(
            "/review_by",
            "review-by-past",
            f"review_by is {body.review_by}, which is past (today is {today}, UTC).",
            "Set today or a later day, or leave it out.",
        )
    if body.first_involved_on is not None and body.first_involved_on > today:
        yield Fault(
            "/first_involved_on",
            "first-involved-in-future",
            f"first_involved_on is {body.first_involved_on}, which is still to come (today is {today}, UTC).",
            "Set the day of the first involvement on record, or leave it out.",
        )
