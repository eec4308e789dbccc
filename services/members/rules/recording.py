"""Since when texts are on record: decided here at every write, because an organisation's own dates prove nothing.

*What.* `recorded` gives the day of the profile's texts and of each evidence item. *Why.* A text that was on record before a
project was published can be no copy of it (`matching.quoting`). *Why days.* Two runs of the same writes on a day give the
same records, in whatever order they came. *Never:* give a day to a text that stood before anybody noted days.
"""

from datetime import date

from schemas.events.members import Evidence, Organisation, Recorded
from schemas.events.parts import LocalisedText


def recorded(record: Organisation, *, held: Organisation | None, today: date) -> Recorded | None:
    """Return since when the texts of a record are there, given the revision before; None if nothing is known.

    The profile's texts keep their day while none is new, an evidence item while all its texts stood in one item.
    """
    if held is None:
        return Recorded(texts=today, evidence=dict.fromkeys((item.id for item in record.evidence), today))
    known = held.recorded or Recorded()
    texts = known.texts if _texts(record) <= _texts(held) else today
    days = {item.id: _day(item, held.evidence, known, today=today) for item in record.evidence}
    evidence = {name: day for name, day in days.items() if day is not None}
    return Recorded(texts=texts, evidence=evidence) if texts or evidence else None


def _texts(record: Organisation) -> set[LocalisedText]:
    offered = (text for offer in record.offers for text in offer.texts)
    return {*record.descriptions, *record.expertise, *offered}


def _day(item: Evidence, held: tuple[Evidence, ...], known: Recorded, *, today: date) -> date | None:
    """The earliest known day of the items that said all of this before; today if none did."""
    same = [one.id for one in held if set(item.texts) <= set(one.texts)]
    days = [known.evidence[name] for name in same if name in known.evidence]
    return min(days, default=None if same else today)
