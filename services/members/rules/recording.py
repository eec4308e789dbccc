"""Since when texts are on record: decided here at every write, because an organisation's own dates prove nothing.

*What.* `recorded` gives the day of the first revision, those of the profile's texts and of each evidence item, and the words
that were added to a profile that stood before, by day. *Why.* A text that was on record before a project was published can be no
copy of it, and words of the project that are added after it say little (`matching.quoting`). *Why days.* Two runs of the
same writes on a day give the same records, in whatever order they came. *Never:* give a day to a text that stood before
anybody noted days, or call a word of a first revision an addition.
"""

from collections.abc import Iterator
from datetime import date

from schemas.events.members import Addition, Evidence, Organisation, Recorded
from schemas.events.parts import LocalisedText
from services.members.rules.additions import Said, additions


def recorded(record: Organisation, *, held: Organisation | None, today: date) -> Recorded | None:
    """Return since when the texts of a record are there, given the revision before; None if nothing is known.

    The profile's texts keep their day while none is new, an evidence item while all its texts stood in one item.
    """
    if held is None:
        return Recorded(
            since=today, texts=today, evidence=dict.fromkeys((item.id for item in record.evidence), today)
        )
    known = held.recorded or Recorded()
    kept = {text for _, text in _texts(record)} <= {text for _, text in _texts(held)}
    texts = known.texts if kept else today
    days = {item.id: _day(item, held.evidence, known, today=today) for item in record.evidence}
    evidence = {name: day for name, day in days.items() if day is not None}
    added = _added(record, held, known, today=today)
    since = known.since or (known.texts if held.revision == 1 else None)
    if not (since or texts or evidence or added):
        return None
    return Recorded(since=since, texts=texts, evidence=evidence, added=added)


def _texts(record: Organisation) -> Iterator[tuple[str, LocalisedText]]:
    """The texts that a profile is matched by, each with the name of the list that it stands in."""
    yield from (("descriptions", text) for text in record.descriptions)
    yield from (("expertise", text) for text in record.expertise)
    yield from (("offers", text) for offer in record.offers for text in offer.texts)


def _said(record: Organisation) -> list[Said]:
    return [(name, text.language, text.text) for name, text in _texts(record)]


def _added(
    record: Organisation, held: Organisation, known: Recorded, *, today: date
) -> tuple[Addition, ...] | None:
    """What came into the profile after its first revision; None where nothing did."""
    before = ((one.on.isoformat(), (one.field, one.language, one.text)) for one in known.added or ())
    found = additions(_said(record), held=_said(held), known=before, today=today.isoformat())
    bodies = (
        {"field": name, "language": language, "on": day, "text": text}
        for day, (name, language, text) in found
    )
    return tuple(Addition.model_validate(body) for body in bodies) or None


def _day(item: Evidence, held: tuple[Evidence, ...], known: Recorded, *, today: date) -> date | None:
    """The earliest known day of the items that said all of this before; today if none did."""
    same = [one.id for one in held if set(item.texts) <= set(one.texts)]
    days = [known.evidence[name] for name in same if name in known.evidence]
    return min(days, default=None if same else today)
