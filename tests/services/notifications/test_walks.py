"""Random walks of one project, one pair and one subscriber: what was heard last is what is so, each word is true beside the one before it, and none says what was known.

Two things are as the guide has them: what a receiver refused may have been read, and is told to its end; and an organisation that was
away hears of where it stands still, and of nothing that it had missed.
"""

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.notifications.rules.conditions import BAND_ORDER, reaches_band
from tests.services.notifications.hall import Hall, open_hall, uuid_of
from tests.services.notifications.test_coming_back import SDG_4, SDG_9, Story
from tests.services.notifications.test_other_conditions import saved
from tests.services.notifications.test_what_is_over import by_webhook, dismissed
from tests.services.notifications.village import receiving

WALKS = 6
"""Of each kind; by hand some hundreds."""
MOST_STEPS = 9
COUNTRIES = ("KEN", "TZA", "UGA", "RWA")
EVERYWHERE = ("weak", "possible", "good", "strong", "lost", "left", "back", "changed", "away", "here")
KINDS = {
    "of a receiver that fails and a project that rests": ("instant", ("down", "up", "dormant", "open", "fr", "en")),
    "of a project that is dismissed": ("instant", ("dismissed", "undismissed")),
    "of an organisation that withdraws": ("instant", ("withdrawn", "member")),
    "of what waits for its week": ("weekly", ("a day", "fr", "en")),
}  # fmt: skip


class Walker:
    """The world as it is, and the steps that change it."""

    def __init__(self, hall: Hall, receiver: Any, chance: random.Random) -> None:
        self.hall, self.receiver, self.chance = hall, receiver, chance
        self.story = Story(hall)
        self.minimum = chance.choice([None, "good"])
        self.conditions: dict[str, Any] = {"themes": SDG_9} | (
            {"minimum_band": self.minimum} if self.minimum else {}
        )
        self.band: str | None = "good"
        self.state, self.language, self.silent = "published", "en", False

    async def begins(self, cadence: str) -> None:
        self.subscription = await by_webhook(
            self.hall, self.receiver, conditions=self.conditions, cadence=cadence
        )
        await self.story.begins()

    async def step(self, name: str) -> None:
        self.hall.clock.moment += timedelta(days=1) if name == "a day" else timedelta(seconds=5)
        below = self.hall.lists.below
        if name in BAND_ORDER:
            self.band = name
            below.discard(uuid_of("Ada"))
            await self.story.ranked(name)
        elif name == "lost" and self.band is not None:
            self.band = None
            below.add(uuid_of("Ada"))
            await self.story.ranked(lost=True)
        elif name in {"left", "back", "changed", "dormant", "open"}:
            await self._revised(name)
        elif name in {"withdrawn", "member"}:
            await self.hall.member("Ada", **({"state": "withdrawn"} if name == "withdrawn" else {}))
        elif name in {"fr", "en"}:
            self.language = name
            await saved(self.hall, self.subscription, self.conditions, language=name)
        elif name in {"dismissed", "undismissed"}:
            await self._dismissed(silent=name == "dismissed")
        elif name in {"away", "here"}:
            self.hall.lists.away = name == "away"
        elif name in {"down", "up"}:
            self.receiver.status = 503 if name == "down" else 204
        await self.hall.settle()

    async def ends(self) -> None:
        """Undo what only holds things up, and wait until nothing is due any more."""
        for name in ("member", "undismissed", "here", "up", "open"):
            await self.step(name)
        for _ in range(3):
            self.hall.clock.moment += timedelta(minutes=6)
            await self.hall.settle()
        while await self.hall.until_due():
            await self.hall.settle()

    async def _revised(self, name: str) -> None:
        changes = self.story.changes
        if name == "changed":
            changes["countries"] = [self.chance.choice(COUNTRIES)]
        elif name in {"left", "back"}:
            changes["tags"] = SDG_9 if name == "back" else SDG_4
        else:
            self.state = "dormant" if name == "dormant" else "published"
        await self.hall.open_project(**changes, state=self.state)
        await self.story.ranked()

    async def _dismissed(self, *, silent: bool) -> None:
        standing = (await self.hall.call("GET", "/v1/dismissals"))["items"]
        if silent and not standing:
            await dismissed(self.hall, self.story.project)
        elif not silent and standing:
            match = f'"{standing[0]["revision"]}"'
            path = f"/v1/dismissals/{self.story.project}"
            await self.hall.call("DELETE", path, If_Match=match, status=204)


def faults(words: list[dict[str, Any]]) -> list[str]:
    """Return which words are not true beside the one before, or say nothing new."""
    found, before = [], None
    for word in words:
        band, rule = word["band"], word["rule"]
        if before is not None and before["fits"] and rule in {"band-rose", "band-fell"}:
            risen = BAND_ORDER[band] - BAND_ORDER[before["band"]]
            if risen == 0 or (risen > 0) != (rule == "band-rose"):
                found.append(f"{rule} from {before['band']} to {band}")
        if before is not None and before["fits"] and word["fits"]:
            same = (before["band"], before["facts"]) == (band, word["facts"])
            found += [f"{rule}: {band} was known"] if same else []
        before = word
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(WALKS))
async def test_what_was_heard_last_is_so(tmp_path: Path, kind: str, seed: int) -> None:
    chance = random.Random(f"{kind} {seed}")
    cadence, more = KINDS[kind]
    async with receiving() as receiver, open_hall(tmp_path) as hall:
        walker = Walker(hall, receiver, chance)
        await walker.begins(cadence)
        trail = [chance.choice(EVERYWHERE + more) for _ in range(chance.randint(3, MOST_STEPS))]
        for name in trail:
            await walker.step(name)
        await walker.ends()
        rows = await hall.rows(
            "SELECT n.rule, n.fits, n.band, n.facts FROM notices n JOIN deliveries d ON d.id = n.delivery"
            " WHERE n.state = 'sent' AND n.fits IS NOT NULL AND d.state = 'delivered' ORDER BY n.id"
        )
        [project] = await hall.rows("SELECT facts_hash FROM projects")
        waiting = await hall.rows("SELECT type, rule FROM notices WHERE state = 'waiting'")
        tags = walker.story.changes["tags"]
    words = [dict(one) for one in rows]
    said = (trail, [(one["rule"], one["band"]) for one in words])
    assert waiting == [], said
    assert "down" in trail or faults(words) == [], said
    fits = tags == SDG_9 and walker.band is not None and reaches_band(walker.band, walker.minimum)
    last = words[-1] if words else None
    knows = last is not None and bool(last["fits"])
    assert knows == fits or (knows and "withdrawn" in trail), said
    if fits and last is not None:
        assert (last["band"], last["facts"]) == (walker.band, project["facts_hash"]), said
