"""What is wrong with a profile, beyond its shape: unknown codes, wrong words, dates that contradict.

*What.* Every fault as data: where (a JSON pointer), which rule, what is wrong, what to write instead. *Why.* A
person who is told one fault at a time gives up at the third; so every check runs and all are named at once.
*Never:* read a clock (the day is an argument) or a database, or refuse a profile because it is thin.
"""

from collections.abc import Iterator, Sequence
from datetime import date

from schemas.events.members import Organisation
from schemas.http.members import Offer, OrganisationBody
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
from services.members.rules.standing import first_involvement

OWN_CATEGORIES = frozenset({"prospect", "other_entity"})
"""What an organisation may register itself as; the others follow from its standing to the Union."""


def body_faults(body: OrganisationBody, *, today: date, codebook: Codebook) -> list[Fault]:
    """Return the faults of a profile, in the order of its fields; of very many, the first."""
    return first_faults(
        _place_faults(body, codebook.reference),
        _tag_faults(body, codebook.reference),
        text_faults(_texts(body), codebook.languages),
        _study_group_faults(body),
        _date_faults(body, today=today),
    )


def standing_faults(body: OrganisationBody, *, before: Organisation | None) -> list[Fault]:
    """Return where a profile written by the organisation itself changes what BDT keeps on record.

    How it stands to the Union, since when it takes part, and whether somebody verified that it is small decide labels,
    hard rules and the newcomers' place in the head; so nobody writes them about itself. A body that registers itself
    begins as one of `OWN_CATEGORIES`, without terms.
    """
    kept: dict[str, tuple[object, object]] = {
        "study_group": (body.study_group, before.study_group if before else None),
        "membership": (
            [(one.state, one.start, one.end) for one in body.membership],
            [(one.state, one.start, one.end) for one in before.membership] if before else [],
        ),
        "first_involved_on": (first_involvement(body), before.first_involved_on if before else None),
        "involvements": (
            [(one.kind, one.on, one.source) for one in body.involvements],
            [(one.kind, one.on, one.source) for one in before.involvements] if before else [],
        ),
    }
    changed = [name for name, (now, was) in kept.items() if now != was]
    if body.category != before.category if before else body.category not in OWN_CATEGORIES:
        changed.insert(0, "category")
    sme = None if body.sme is None else (body.sme.flag, body.sme.basis)
    held_sme = None if before is None or before.sme is None else (before.sme.flag, before.sme.basis)
    if sme is not None and sme[1] == "verified" and sme != held_sme:
        changed.append("sme/basis")
    held = "Send what stands on record" if before else "Leave it out (category: prospect or other_entity)"
    return [
        Fault(
            f"/{name}",
            "kept-by-bdt",
            f"{name.partition('/')[0]} is kept on record by BDT; an organisation does not change it about itself.",
            f"{held}, and ask BDT's editors for the change.",
        )
        for name in changed
    ]


def _place_faults(body: OrganisationBody, reference: Reference) -> Iterator[Fault]:
    yield from refused("/hq_country", reference.check_country(body.hq_country))
    yield from country_faults("/operating_countries", body.operating_countries, reference)
    yield from country_faults("/willing_countries", body.willing_countries, reference)
    yield from region_faults("/willing_regions", body.willing_regions, reference)
    for place, item in enumerate(body.evidence):
        yield from country_faults(f"/evidence/{place}/countries", item.countries, reference)


def _tag_faults(body: OrganisationBody, reference: Reference) -> Iterator[Fault]:
    yield from tag_faults("/tags", body.tags, reference)
    for place, item in enumerate(body.evidence):
        yield from tag_faults(f"/evidence/{place}/tags", item.tags, reference)


def _texts(body: OrganisationBody) -> Iterator[tuple[str, str, str]]:
    for name, texts in (("descriptions", body.descriptions), ("expertise", body.expertise)):
        for n, one in enumerate(texts):
            yield f"/{name}/{n}/text", one.language, one.text
    yield from _offer_texts("/offers", body.offers)
    yield from _offer_texts("/seeks", body.seeks)
    for place, item in enumerate(body.evidence):
        for n, words in enumerate(item.texts):
            at = f"/evidence/{place}/texts/{n}"
            if words.title is not None:
                yield f"{at}/title", words.language, words.title
            yield f"{at}/text", words.language, words.text


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
    for place, one in enumerate(body.involvements):
        if one.on > today:
            yield Fault(
                f"/involvements/{place}/on",
                "involvement-in-future",
                f"The involvement is dated {one.on}, which is still to come (today is {today}, UTC).",
                "Record it once it has taken place.",
            )
        elif body.first_involved_on is not None and one.on < body.first_involved_on:
            yield Fault(
                f"/involvements/{place}/on",
                "involvement-before-first",
                f"The involvement on {one.on} is before first_involved_on, {body.first_involved_on}.",
                "Leave first_involved_on out: it is the day of the earliest involvement.",
            )
