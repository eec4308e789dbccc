"""What the match feed keeps and lets go, and that every reader, however little is for it, can begin and go on."""

from datetime import timedelta
from typing import Any

from services.matches.worker.feeding import prune_once
from tests.services.matches.test_feeds import CURRENT, FEED, as_fed, as_read, busy, compacted, read
from tests.services.matches.town import Town, uuid_of

LATER = {"deadline": "2029-06-30", "period": {"start": "2026-12-01", "end": "2030-12-31"}}
"""The time that entries are kept for passes, and the project is open still."""


async def followed(town: Town, path: str, *, who: Any = "bdt_admin") -> tuple[list[dict[str, Any]], str]:
    """Follow the links `next` to an empty batch of the feed; the entries, and where it goes on."""
    found: list[dict[str, Any]] = []
    while True:
        answer = await town.call("GET", path, who=who)
        assert answer.status_code == 200, answer.text
        found += answer.json()
        ended = path.startswith(FEED) and not path.startswith(CURRENT) and not answer.json()
        path = answer.links["next"]["url"]
        if ended:
            return found, path


async def long_ago(town: Town) -> None:
    """Let more time pass than entries are kept for."""
    town.clock.moment += timedelta(days=town.runtimes["matches"].settings.matches.feed_days + 1)


async def pruned(town: Town) -> None:
    runtime = town.runtimes["matches"]
    assert await prune_once(runtime) > 0
    assert await prune_once(runtime) == 0


async def test_what_is_superseded_goes_in_time_and_nobody_misses_it(town: Town) -> None:
    await town.organisation("One")
    await town.organisation("Two")
    project = await town.published("schools", **LATER)
    await town.settle()
    await town.draft("schools", **LATER, countries=["UGA"])
    await town.settle()
    whole = await read(town, FEED)
    assert await prune_once(town.runtimes["matches"]) == 0
    await long_ago(town)
    await town.organisation("Three")
    await town.settle()
    await pruned(town)
    told = await as_read(town, [project])
    gone = {entry["id"] for entry in whole} - {entry["id"] for entry in await read(town, FEED)}
    assert gone
    assert as_fed(compacted(await read(town, FEED))) == told
    for place, entry in enumerate(whole):  # whoever was away since any entry, one that has gone too
        rest = await read(town, f"{FEED}?lastEventId={entry['id']}")
        assert as_fed(compacted([*whole[: place + 1], *rest])) == told


async def test_who_was_away_while_a_deletion_went_is_told_and_begins_anew(town: Town) -> None:
    projects = await busy(town)
    whole = await read(town, FEED)
    await long_ago(town)
    await town.organisation("One 9", languages=["fr"])
    await town.settle()
    await pruned(town)
    [*_, deletion] = [place for place, entry in enumerate(whole) if entry.get("method") == "DELETE"]
    for place in (0, deletion - 1):
        problem = await town.get(f"{FEED}?lastEventId={whole[place]['id']}", status=410)
        assert problem["code"] == "feed-place-gone"
    told = await as_read(town, projects)
    for begin in (CURRENT, FEED):  # who has nothing misses nothing, wherever it begins
        assert as_fed(compacted((await followed(town, begin))[0])) == told
    rest = await read(town, f"{FEED}?lastEventId={whole[deletion]['id']}")
    assert as_fed(compacted([*whole[: deletion + 1], *rest])) == told
    for unknown in ("1-999999", "2-1", whole[-1]["id"].replace("1-", "7-", 1)):
        assert (await town.get(f"{FEED}?lastEventId={unknown}", status=410))["code"] == "feed-place-gone"
    assert (await town.get(f"{FEED}?lastEventId=nonsense", status=400))["code"] == "invalid-parameter"


async def test_a_reader_of_little_or_nothing_begins_anew_and_goes_on(town: Town) -> None:
    await town.organisation("One")
    quiet = await town.published("quiet", **LATER)
    await town.settle()
    await town.organisation("Leaving")
    await town.settle()
    await town.withdraw(uuid_of("Leaving"))
    await town.settle()
    await long_ago(town)
    await town.organisation("Three")
    await town.settle()
    await pruned(town)
    own = town.bearer("organisation_reader", organisation=uuid_of("One"))
    other = town.bearer("organisation_reader", organisation=uuid_of("somebody else"))
    for who, asked, subjects in (
        (own, "", {f"{quiet}/{uuid_of('One')}"}),
        ("bdt_analyst", f"?type=org.comity.standing.crossed.v1&project={quiet}", None),
        (other, "", set()),
        ("bdt_analyst", "?region=ARB", set()),
    ):
        entries, onward = await followed(town, CURRENT + asked, who=who)
        assert subjects is None or {entry["subject"] for entry in entries} == subjects
        assert "current" not in onward
        for _ in range(2):  # and again from where it goes on then
            again, onward = await followed(town, onward, who=who)
            assert again == []


async def test_an_empty_feed_leads_on_as_well(town: Town) -> None:
    assert await followed(town, CURRENT) == ([], FEED)
    assert await followed(town, f"{CURRENT}?region=AFR") == ([], f"{FEED}?region=AFR")
