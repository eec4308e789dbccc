"""What a cycle says to one subscription of one pair: a word, or nothing.

*What.* One question decides: does the subscriber know this project as open, asked for, and in a band that was asked for? Every word says
whether it is so from then on (`fits`), so the last one answers. Who does not know it so is told once it is; who does, once it is not
any more. *Why of what was told, and not of what was.* A project may fall, leave and come back in any order, and be
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
"""Types of news after which a subscriber takes a project for over."""
PROJECT_CHANGED: Final = "project-changed"
"""The rule of news that the needs or countries of a project are others."""
ROSE: Final = "band-rose"
"""The rule of a rise to a higher band than the reader knows."""
FELL: Final = "band-fell"
"""The rule of a fall to a lower band: the last word, if that is none of those that were asked for, until it is one again."""
LEFT: Final = "left-conditions"
"""The rule of the word that a project is not what a subscription asks for any more: the last, but for its end or its fall, until it is again."""
MEETS: Final = "meets-conditions"
"""The rule of the word that it is what is asked for now, by anything but its needs and countries."""


class Last(NamedTuple):
    """What a subscription was told last of a project, reminders apart."""

    type: str
    fits: bool


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
    occasion = revised or _moved(pair)
    return bool(pair["standing"] and occasion and knows(last) and not _fits(pair, asked))


def word_of(
    pair: Mapping[str, Any],
    last: Last | None,
    *,
    asked: Asked,
    asked_before: Asked,
    changed: bool,
    revised: bool,
) -> Word | None:
    """Return what is told of a pair; None: nothing. `asked_before` is of what conditions saw last.

    `changed`: the project's needs or countries are others than those told; `revised`: they are, or something else that
    conditions look at is. A pair that stands where the last cycle left it is no news, however often its record was read
    meanwhile, and under whatever number.
    """
    if not pair["standing"]:
        fell = pair["fresh"] and pair["told_band"] is not None and last is not None and last.type not in ENDS
        return Word(MATCH_WITHDRAWN, "fell-below-floor", fits=False) if fell else None
    if leaves(pair, last, asked=asked, revised=revised):
        return _of_leaving(pair, asked)
    if not _fits(pair, asked):
        return None
    if knows(last):
        return _of_known(pair, changed=changed)
    if last is None or last.type in ENDS:
        came = last is not None or not asked_before(bytes(pair["conditions"]), pair["band"])
        return _of_unknown(pair, first=last is None, changed=changed, came=revised and came)
    return _of_left(pair, changed=changed, revised=revised)


def _of_leaving(pair: Mapping[str, Any], asked: Asked) -> Word:
    if _moved(pair) and _rise(pair) < 0 and asked(bytes(pair["conditions"]), BEST_BAND):
        return Word(MATCH_RESCORED, FELL, fits=False)
    return Word(OPPORTUNITY_UPDATED, LEFT, fits=False)


def _of_known(pair: Mapping[str, Any], *, changed: bool) -> Word | None:
    if _moved(pair):
        if pair["told_band"] not in BAND_ORDER:
            return Word(MATCH_PROPOSED, "above-floor-again")
        return Word(MATCH_RESCORED, ROSE if _rise(pair) > 0 else FELL)
    return Word(OPPORTUNITY_UPDATED, PROJECT_CHANGED) if changed else None


def _of_unknown(pair: Mapping[str, Any], *, first: bool, changed: bool, came: bool) -> Word | None:
    if _moved(pair) or _looked_at_again(pair):
        return Word(MATCH_PROPOSED, "above-floor" if first else "above-floor-again")
    if changed or came:
        return Word(MATCH_PROPOSED, PROJECT_CHANGED if changed else MEETS)
    return None


def _of_left(pair: Mapping[str, Any], *, changed: bool, revised: bool) -> Word | None:
    if changed:
        return Word(OPPORTUNITY_UPDATED, PROJECT_CHANGED)
    if _moved(pair) and _rise(pair) > 0 and not revised:
        return Word(MATCH_RESCORED, ROSE)
    if _moved(pair) or _looked_at_again(pair) or revised:
        return Word(OPPORTUNITY_UPDATED, MEETS)
    return None


def _fits(pair: Mapping[str, Any], asked: Asked) -> bool:
    return asked(bytes(pair["conditions"]), pair["band"])


def _moved(pair: Mapping[str, Any]) -> bool:
    """Whether a pair that stands is in another band than at the last cycle, or was below the floor then."""
    return bool(pair["fresh"]) and pair["told_band"] not in {pair["band"], UNDISMISSED}


def _looked_at_again(pair: Mapping[str, Any]) -> bool:
    return bool(pair["fresh"]) and pair["told_band"] == UNDISMISSED


def _rise(pair: Mapping[str, Any]) -> int:
    """Return by how many bands a pair has risen; 0 where it stood in none."""
    before = pair["told_band"] if pair["told_band"] in BAND_ORDER else pair["band"]
    return BAND_ORDER[pair["band"]] - BAND_ORDER[before]
