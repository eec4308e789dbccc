"""What a cycle says to one subscription of one pair: a word, or nothing.

*What.* One question decides: does the subscriber know this project as open, asked for, and in a band that was asked for? Every word says
whether it is so from then on (`fits`), so the last one answers. Who does not know it so is told once it is; who does, once it is not
any more, or is in another band than that word named. *Why of what was told, and not of what was.* A project may fall, leave and come back in any order, and be
looked at by nobody in between. *Why an occasion.* A log read anew shows older states, which are no news. *Never:* read a table, or look
at a rank.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from schemas.webhooks.notifications import (
    MATCH_PROPOSED,
    MATCH_RESCORED,
    MATCH_WITHDRAWN,
    OPPORTUNITY_UPDATED,
    Rule,
)
from services.notifications.commands.dismissals import UNDISMISSED
from services.notifications.commands.leaving import OVER
from services.notifications.rules.conditions import BAND_ORDER, BEST_BAND, Asked

ENDS = OVER | {MATCH_WITHDRAWN}
"""Types of news after which a subscriber takes a project for over: it has ended, or its pair fell. What comes after does not undo them."""
FIRST: Final = "above-floor"
"""The rule of the first word of a pair that stands."""
PROJECT_CHANGED: Final = "project-changed"
"""The rule of news that the needs or countries of a project are others."""
ROSE: Final = "band-rose"
"""The rule of a rise to a higher band than the reader knows."""
FELL: Final = "band-fell"
"""The rule of a fall to a lower band: the last word, if that is none of those that were asked for, until it is one again."""
LEFT: Final = "left-conditions"
"""The rule of the word that a project is not what a subscription asks for any more: the last, but for its end or its fall, until it is again."""
MEETS: Final = "meets-conditions"
"""The rule of the word that it is what is asked for now, by anything but its needs and countries, or after a message that may not have been read."""


class Last(NamedTuple):
    """What a subscription was told last of a project, or is about to be, reminders apart."""

    type: str
    fits: bool
    band: str | None = None
    """The band that it named; None: none, it waits for its figures, or its message may not have arrived."""
    facts: str | None = None
    """The hash of the needs and countries that it was made of; None: as above."""
    notice: str = ""
    """The id of that word."""
    sure: bool = True
    """It has arrived or is to be sent; not sure: it was tried, and taken back or given up."""


class Word(NamedTuple):
    """What a subscription is told: the type of the news, its rule, and whether the project is open, asked for and fitting by it."""

    type: str
    rule: Rule
    fits: bool = True


def knows(last: Last | None) -> bool:
    """Whether a subscriber knows the project as open, asked for, and in a band that was asked for."""
    return last is not None and last.fits


def leaves(pair: Mapping[str, Any], last: Last | None, *, asked: Asked, revised: bool) -> bool:
    """Whether a pair stands whose project a subscriber knows as fitting, or is about to, and it is that no more: what has not arrived is taken back."""
    occasion = revised or _moved(pair, last) or _crossed(pair)
    return bool(pair["standing"] and occasion and knows(last) and not _fits(pair, asked))


def word_of(
    pair: Mapping[str, Any],
    last: Last | None,
    *,
    asked: Asked,
    asked_before: Asked,
    changed: bool,
    revised: bool,
    facts: str | None = None,
) -> Word | None:
    """Return what is told of a pair; None: nothing. `asked_before` is of what conditions saw last.

    `changed`: the project's needs or countries are others than those told; `revised`: they are, or something else that
    conditions look at is; `facts`: their hash, if they are no older than those told. A pair that stands where the last cycle left
    it is no news, however often its record was read meanwhile, and under whatever number.
    """
    if not pair["standing"]:
        fell = pair["fresh"] and pair["told_band"] is not None and last is not None and last.type not in ENDS
        return Word(MATCH_WITHDRAWN, "fell-below-floor", fits=False) if fell else None
    if leaves(pair, last, asked=asked, revised=revised):
        return _of_leaving(pair, last, asked)
    if not _fits(pair, asked):
        return None
    if last is not None and last.fits:
        return _of_known(pair, last, changed=changed, facts=facts)
    if last is None or last.type in ENDS:
        came = last is not None or not asked_before(bytes(pair["conditions"]), pair["band"])
        return _of_unknown(pair, first=last is None, changed=changed, came=revised and came)
    return _of_left(pair, last, changed=changed, revised=revised)


def _of_leaving(pair: Mapping[str, Any], last: Last | None, asked: Asked) -> Word:
    if _moved(pair, last) and _rise(pair, last) < 0 and asked(bytes(pair["conditions"]), BEST_BAND):
        return Word(MATCH_RESCORED, FELL, fits=False)
    return Word(OPPORTUNITY_UPDATED, LEFT, fits=False)


def _of_known(pair: Mapping[str, Any], last: Last, *, changed: bool, facts: str | None) -> Word | None:
    if _crossed(pair) and not last.sure:
        return Word(MATCH_PROPOSED, MEETS)  # so it is, whether it is the first that its reader hears or not
    rise = _rise(pair, last) if pair["fresh"] else 0
    if rise:
        return Word(MATCH_RESCORED, ROSE if rise > 0 else FELL)
    untold = _crossed(pair) and facts is not None and last.facts not in {None, facts}
    return Word(OPPORTUNITY_UPDATED, PROJECT_CHANGED) if changed or untold else None


def _of_unknown(pair: Mapping[str, Any], *, first: bool, changed: bool, came: bool) -> Word | None:
    if _crossed(pair):
        return Word(MATCH_PROPOSED, FIRST if first else "above-floor-again")
    if changed or came:
        return Word(MATCH_PROPOSED, PROJECT_CHANGED if changed else MEETS)
    return None


def _of_left(pair: Mapping[str, Any], last: Last, *, changed: bool, revised: bool) -> Word | None:
    if changed:
        return Word(OPPORTUNITY_UPDATED, PROJECT_CHANGED)
    if _crossed(pair) and _rise(pair, last) > 0 and not revised:
        return Word(MATCH_RESCORED, ROSE)
    if _crossed(pair) or revised:
        return Word(OPPORTUNITY_UPDATED, MEETS)
    return None


def _fits(pair: Mapping[str, Any], asked: Asked) -> bool:
    return asked(bytes(pair["conditions"]), pair["band"])


def _crossed(pair: Mapping[str, Any]) -> bool:
    """Whether a pair that stands does not as it did at the last cycle, or is to be looked at again."""
    return bool(pair["fresh"]) and pair["told_band"] != pair["band"]


def _moved(pair: Mapping[str, Any], last: Last | None) -> bool:
    """Whether a pair that crossed is in another band than the last word of it named, or, where that named none, than at the last cycle."""
    if last is not None and last.band is not None:
        return bool(pair["fresh"]) and last.band != pair["band"]
    return _crossed(pair) and pair["told_band"] != UNDISMISSED


def _rise(pair: Mapping[str, Any], last: Last | None) -> int:
    """Return by how many bands a pair has risen since the last word of it, or the last cycle; 0 where neither has one."""
    before = pair["told_band"] if last is None or last.band is None else last.band
    return BAND_ORDER[pair["band"]] - BAND_ORDER[before] if before in BAND_ORDER else 0
