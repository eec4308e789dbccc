"""The one catalogue of sentences: what a part, a label or a step says in plain English.

People read these; programs read the codes. Nothing else in the tree words a reason of the ranking.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

PART_SENTENCES: Mapping[str, str] = {
    "word": "The project's word “{asked}” is in the organisation's {fields}.",
    "phrase": "The project's words “{asked}” stand together in the organisation's {fields} too.",
    "name": "The name, number or code “{asked}” is in the organisation's {fields}.",
    "concept": "The subject “{asked}” is in the organisation's {fields}.",
    "bridge": "The organisation speaks of “{found}” in its {fields}; the project calls it “{asked}”.",
    "threshold": "Taken off: an evidence item counts only as far as it is on the subject.",
    "need": "The organisation offers {found}, which the project needs.",
    "country": "The organisation is present in, or willing to work in, {asked}.",
    "region": "The organisation is present in, or willing to work in, the region {asked}.",
    "tag": "Both carry the tag {asked}.",
    "language": "The organisation works in {asked}, a language of the project.",
}
"""By part code; {asked}, {found} and {fields} are filled in."""

GAP_SENTENCES: Mapping[str, str] = {
    "word": "Nothing in the profile speaks of “{asked}”.",
    "phrase": "Nothing in the profile speaks of “{asked}”.",
    "name": "The profile does not name “{asked}”.",
    "concept": "Nothing in the profile speaks of “{asked}”.",
    "need": "The profile offers no {asked}.",
    "country": "The profile names no presence in {asked}.",
    "region": "The profile names no presence in the region {asked}.",
    "tag": "The profile does not carry the tag {asked}.",
    "language": "The profile does not name {asked} among its languages.",
}
"""By part code: what a project asks for and a profile lacks."""

LABEL_SENTENCES: Mapping[str, str] = {
    "newcomer": "By our records it was not involved before this project was published.",
    "sme": "A small or medium-sized enterprise, as declared or verified.",
    "local": "Its headquarters are in a country of the project.",
    "regional": "Its headquarters are in a region of the project, or it operates in one of its countries.",
    "international": "It comes from outside the project's countries and regions.",
    "ldc_entity": "Its headquarters are in a least developed country.",
    "developing_entity": "Its headquarters are in a developing country.",
    "non_member": "It is no member of ITU on the reference date; that is no disadvantage here.",
    "fictional": "This organisation is made up, for demonstration.",
}
"""By label."""

STEP_SENTENCES: Mapping[str, str] = {
    "below_floor": "Text and evidence are below the published floor; the row is kept and marked.",
    "parent_cap": "Placed after the head: its group has as many places there as one group may have. The score is unchanged.",
    "local_minimum": "Placed in the head so that a local organisation is seen. The score is unchanged.",
    "newcomer_minimum": "Placed in the head so that newcomers are seen. The score is unchanged.",
    "made_room": "Left the head to make room for a local organisation or a newcomer. The score is unchanged.",
}
"""By placement step."""

FIELD_NAMES: Mapping[str, str] = {
    "mission": "description",
    "expertise": "expertise",
    "offers": "offers",
    "evidence": "evidence",
}
"""By field of the engine: the word for it in a sentence."""

MOST_LISTED = 5
"""How many words a reason names."""

WORDS_REASON = "Project and profile both speak of {words}."
EVIDENCE_REASON = "Evidence “{title}” is on the subject: {words}."
NOTHING_REASON = "Nothing in the profile answers the project yet."


def listed(words: Sequence[str]) -> str:
    """Write words as a list in quotation marks."""
    return ", ".join(f"“{word}”" for word in words)


def part_sentence(code: str, *, asked: str, found: str, fields: Sequence[str]) -> str:
    """Return a part's sentence."""
    names = " and ".join(FIELD_NAMES.get(field, field) for field in fields) or "profile"
    return PART_SENTENCES[code].format(asked=asked, found=found, fields=names)


def gap_sentence(code: str, asked: str) -> str:
    """Return the sentence for what is missing."""
    return GAP_SENTENCES[code].format(asked=asked)
