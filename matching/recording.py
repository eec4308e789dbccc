"""Recording: what an edited copy of an organisation would have on record, as its service would write it down.

What: a text that stands keeps its day, an evidence item too while all its texts stood in it, and words that the standing
profile lacks are additions of a day. Why: a what-if must give the points that the edit would have, and rules ask since
when a text is there. It must not know points.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from matching.additions import Said, additions
from matching.records import Addition, Member, Recorded, Text


def as_recorded(edited: Member, held: Member | None, *, on: str | None) -> Member:
    """Return an edited copy as it would be recorded in place of `held` (the record that stands; None: a first one) on a day.

    Without a day its texts are new, and what of them was added is not asked.
    """
    before = held or Member(id=edited.id)
    kept = {text for _, text in _texts(edited)} <= {text for _, text in _texts(before)}
    texts = {item.id: set(item.texts) for item in before.evidence}
    evidence = tuple(
        (item.id, day)
        for item in edited.evidence
        if set(item.texts) <= texts.get(item.id, set())
        for day in (before.recorded.of(item.id),)
        if day
    )
    added = before.recorded.added
    if held is not None and on is not None:
        known = ((one.on, (one.field, one.language, one.text)) for one in added)
        added = tuple(
            Addition(field=name, language=language, on=day, text=text)
            for day, (name, language, text) in additions(
                _said(edited), held=_said(held), known=known, today=on
            )
        )
    recorded = Recorded(
        since=before.recorded.since,
        texts=before.recorded.texts if kept else None,
        evidence=tuple(sorted(evidence)),
        added=added,
    )
    return replace(edited, recorded=recorded)


def _texts(member: Member) -> Iterator[tuple[str, Text]]:
    """The texts that a profile is matched by, each with the name of the list that it stands in."""
    yield from (("descriptions", text) for text in member.descriptions)
    yield from (("expertise", text) for text in member.expertise)
    yield from (("offers", text) for offer in member.offers for text in offer.texts)


def _said(member: Member) -> list[Said]:
    return [(name, text.language, text.text) for name, text in _texts(member)]
