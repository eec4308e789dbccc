"""What people ask to hear, what they are shown before, and what they need not hear again."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.notifications.commands.subscriptions import MOST_SUBSCRIPTIONS
from services.notifications.worker import cycles, readying
from services.notifications.worker.reasons import ListsAway
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import Sink, crossing
from tests.services.notifications.test_metrics import measured
from tests.services.notifications.village import Receiver


async def notices(hall: Hall, name: str = "Ada") -> list[Any]:
    return list((await hall.call("GET", "/v1/notices", name=name))["items"])


@pytest.mark.parametrize(
    ("conditions", "told"),
    [
        ({}, True),
        ({"countries": ["KEN", "TZA"]}, True),
        ({"countries": ["TZA"]}, False),
        ({"regions": ["AFR"]}, True),
        ({"regions": ["EUR"]}, False),
        ({"levels": ["national"]}, True),
        ({"levels": ["global"]}, False),
        ({"need_kinds": ["training"]}, True),
        ({"need_kinds": ["funding"]}, False),
        ({"themes": [{"scheme": "sdg", "code": "4"}]}, True),
        ({"themes": [{"scheme": "sdg", "code": "9"}]}, False),
        ({"flagships": [uuid_of("flagship")]}, True),
        ({"flagships": [uuid_of("another")]}, False),
        ({"ldc_only": True}, False),  # Kenya is none
        ({"minimum_band": "good"}, True),
        ({"minimum_band": "strong"}, False),
        ({"minimum_confidence": 500}, True),
        ({"minimum_confidence": 501}, False),
        ({"countries": ["KEN"], "levels": ["global"]}, False),
    ],
)
async def test_every_condition_says_yes_and_no(hall: Hall, conditions: Any, told: bool) -> None:
    await hall.subscribe(channel="feed", conditions=conditions)
    ada = await hall.member("Ada")
    tags = [{"scheme": "sdg", "code": "4"}]
    project = await hall.open_project(flagship=uuid_of("flagship"), tags=tags)
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    assert len(await notices(hall)) == int(told)


async def test_hours_that_end_when_they_begin_are_refused_for_nobody_knows_what_they_mean(hall: Hall) -> None:
    body = {"channel": "feed", "quiet_hours": {"from": "21:00", "until": "21:00"}}
    problem = await hall.call("PUT", f"/v1/subscriptions/{uuid_of('new')}", body, status=422)
    assert [(one["pointer"], one["rule"]) for one in problem["errors"]] == [
        ("/quiet_hours/until", "quiet-hours")
    ]


@pytest.mark.parametrize(
    ("body", "pointer", "rule"),
    [
        ({"channel": "webhook"}, "/endpoint", "channel-target"),
        (
            {"channel": "email", "email": "a@example.org", "endpoint": str(UUID(int=1))},
            "/endpoint",
            "channel-target",
        ),
        ({"channel": "email"}, "/email", "channel-target"),
        ({"channel": "feed", "email": "a@example.org"}, "/email", "channel-target"),
        ({"channel": "feed", "cadence": "weekly"}, "/cadence", "channel-cadence"),
        ({"channel": "feed", "weekly_cap": 3}, "/weekly_cap", "channel-cap"),
        (
            {"channel": "feed", "quiet_hours": {"from": "21:00", "until": "07:00"}},
            "/quiet_hours",
            "channel-quiet-hours",
        ),
    ],
)
async def test_of_fields_that_do_not_go_together_the_one_to_mend_is_named(
    hall: Hall, body: Any, pointer: str, rule: str
) -> None:
    problem = await hall.call("PUT", f"/v1/subscriptions/{uuid_of('new')}", body, status=422)
    assert [(one["pointer"], one["rule"]) for one in problem["errors"]] == [(pointer, rule)]
    assert problem["detail"].startswith(f"{pointer}: ")


async def test_the_feed_is_told_at_once_and_may_say_so(hall: Hall) -> None:
    neutral = {"cadence": "instant", "quiet_hours": None, "weekly_cap": None, "time_zone": "Africa/Dakar"}
    subscription = await hall.subscribe(channel="feed", **neutral)
    saved = await hall.call("GET", f"/v1/subscriptions/{subscription}")
    assert {name: saved[name] for name in neutral} == neutral
    again = {name: saved[name] for name in ("channel", *neutral)} | {"opt_in": True}
    await hall.call("PUT", f"/v1/subscriptions/{subscription}", again, If_Match='"1"')


async def test_a_preview_counts_the_month_and_names_what_excludes_most(hall: Hall) -> None:
    ada = await hall.member("Ada")
    for number in range(14):
        country = "KEN" if number < 9 else "TZA"
        level = "national" if number < 12 else "global"
        project = await hall.open_project(f"p{number}", countries=[country], level=level)
        await hall.rank(project, 1, {ada: "good"})
    preview = {"conditions": {}}
    answer = await hall.call("POST", "/v1/subscription-previews", preview)
    assert (answer["considered"], answer["matching"], answer["excludes_most"]) == (14, 14, None)
    preview = {"conditions": {"countries": ["KEN"], "levels": ["global"]}}
    answer = await hall.call("POST", "/v1/subscription-previews", preview)
    assert (answer["matching"], answer["excludes_most"]) == (0, "levels")
    assert answer["excluding"] == [
        {"condition": "levels", "excluded": 12, "would_match_without": 9},
        {"condition": "countries", "excluded": 5, "would_match_without": 2},
    ]
    hall.clock.moment += timedelta(days=31)
    assert (await hall.call("POST", "/v1/subscription-previews", preview))["considered"] == 0
    await hall.say_again(rebuilding=True)  # read today, crossed a month ago
    assert (await hall.call("POST", "/v1/subscription-previews", preview))["considered"] == 0


async def test_a_preview_counts_no_crossing_of_long_ago_that_a_new_life_of_the_lists_says_again(
    post: tuple[Hall, Sink, Receiver],
) -> None:
    hall, _, _ = post
    ada, project = await hall.member("Ada"), await hall.open_project()
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    hall.clock.moment += timedelta(days=60)
    considered = []
    for incarnation, band in enumerate(("good", "strong", "strong"), 1):
        hall.incarnation = incarnation
        await hall.say(hall.crossing(project, ada, band, 1))
        await hall.herald()
        found = await hall.call("POST", "/v1/subscription-previews", {"conditions": {}})
        considered.append(found["considered"])
        hall.clock.moment += timedelta(days=20)
    assert considered == [0, 1, 1]
    found = await hall.call("POST", "/v1/subscription-previews", {"conditions": {}})
    assert found["considered"] == 0  # forty days after it crossed


async def test_a_preview_leaves_out_what_was_dismissed_until_it_changes(hall: Hall) -> None:
    ada, project = await hall.member("Ada"), await hall.open_project()
    await hall.rank(project, 1, {ada: "good"})
    considered = []
    for step in ("crossed", "dismissed", "changed"):
        if step == "dismissed":
            await hall.call("PUT", f"/v1/dismissals/{project}", {"reason": "timing"}, status=201)
        if step == "changed":
            await hall.open_project(countries=["KEN", "TZA"])
        found = await hall.call("POST", "/v1/subscription-previews", {"conditions": {}})
        considered.append((found["considered"], found["matching"]))
    assert considered == [(1, 1), (0, 0), (1, 1)]


async def test_a_band_that_rises_a_floor_that_is_lost_and_a_project_that_changes_are_told(hall: Hall) -> None:
    await hall.subscribe(channel="feed")
    ada, project = await hall.member("Ada"), await hall.open_project()
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    await hall.rank(project, 2, {ada: "strong"})
    await hall.settle()
    await hall.open_project(countries=["KEN", "TZA"])
    await hall.rank(project, 3, {}, above=1, reasons=("project",))
    await hall.settle()
    await hall.rank(project, 4, {}, lost=[ada])
    await hall.settle()
    assert [(one["type"], one["rule"]) for one in await notices(hall)] == [
        ("org.comity.match.proposed.v1", "above-floor"),
        ("org.comity.match.rescored.v1", "band-rose"),
        ("org.comity.opportunity.updated.v1", "project-changed"),
        ("org.comity.match.withdrawn.v1", "fell-below-floor"),
    ]


@pytest.mark.parametrize(
    ("conditions", "revision"),
    [
        ({"levels": ["global"]}, {"level": "global"}),
        ({"themes": [{"scheme": "sdg", "code": "9"}]}, {"tags": [{"scheme": "sdg", "code": "9"}]}),
        ({"flagships": [uuid_of("another")]}, {"flagship": uuid_of("another")}),
        ({"regions": ["ASP"]}, {"regions": ["ASP"]}),
    ],
)
async def test_a_project_that_comes_to_be_what_was_asked_for_is_told_to_who_stands(
    hall: Hall, conditions: Any, revision: Any
) -> None:
    await hall.subscribe(channel="feed", conditions=conditions)
    ada, project = await hall.member("Ada"), await hall.open_project()
    await hall.rank(project, 1, {ada: "good", await hall.member("Ben"): "good"})
    await hall.settle()
    await hall.subscribe("Ben", channel="feed")  # asks for any, and came later than the crossing
    assert await notices(hall) == []
    for number in (2, 3):
        await hall.open_project(**revision)
        await hall.rank(project, number, {}, above=2, reasons=("project",))
        await hall.settle()
        told = [(one["type"], one["rule"]) for one in await notices(hall)]
        assert told == [("org.comity.match.proposed.v1", "meets-conditions")]
        assert await notices(hall, "Ben") == []  # no condition of theirs has come to hold
    await hall.open_project()  # what it was before: who was told hears so, once
    for number, band in ((4, "strong"), (5, "good")):
        await hall.rank(project, number, {ada: band}, above=2)
        await hall.settle()
    told.append(("org.comity.opportunity.updated.v1", "left-conditions"))
    assert [(one["type"], one["rule"]) for one in await notices(hall)] == told


async def test_nobody_is_told_before_every_pair_of_the_version_is_here(hall: Hall) -> None:
    for name in ("Ada", "Ben"):
        await hall.member(name)
        await hall.subscribe(name, channel="feed")
    project = await hall.open_project()
    await hall.rank(project, 1, {uuid_of("Ada"): "good"}, above=2)
    await hall.settle()
    assert await notices(hall) == []
    await hall.rank(project, 1, {uuid_of("Ben"): "good"}, above=2)
    await hall.settle()
    assert len(await notices(hall)) == len(await notices(hall, "Ben")) == 1


@pytest.mark.parametrize("held", ["no record", "the draft"])
async def test_news_waits_for_the_record_of_its_project_as_long_as_it_takes(hall: Hall, held: str) -> None:
    await hall.subscribe(channel="feed")
    ada, project = await hall.member("Ada"), uuid_of("schools")
    if held == "the draft":
        await hall.open_project(state="draft")
    before = hall.versions.get(project, 0)
    hall.versions[project] = before + 1
    await hall.rank(project, 1, {ada: "good"})
    hall.clock.moment += timedelta(days=3)
    await hall.settle()
    assert await notices(hall) == []
    assert (await measured(hall))["comity_news_oldest_seconds"] == 3 * 86400
    hall.versions[project] = before
    await hall.open_project()
    await hall.settle()
    assert [one["rule"] for one in await notices(hall)] == ["above-floor"]


async def test_reasons_that_cannot_be_had_hold_the_news_and_lose_none(hall: Hall) -> None:
    await hall.subscribe(channel="feed")
    ada, project = await hall.member("Ada"), await hall.open_project()
    hall.lists.away = True
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    assert await notices(hall) == []
    hall.lists.away = False
    await hall.settle()
    [notice] = await notices(hall)
    assert notice["data"]["why"]["shared_terms"] == ["school"]


async def test_notices_are_followed_from_page_to_page_and_from_day_to_day(hall: Hall) -> None:
    await hall.subscribe(channel="feed")
    ada = await hall.member("Ada")
    first, late, last = [await hall.open_project(name) for name in ("first", "late", "last")]
    path = "/v1/notices?limit=1"
    page = await hall.call("GET", path)
    assert (page["items"], page["next"]) == ([], None)
    read: list[str] = []

    async def follow(behind: str) -> str:
        while True:
            page = await hall.call("GET", f"{path}&cursor={behind}")
            read.extend(one["project"] for one in page["items"])
            behind = page["behind"]
            if page["next"] is None:
                return behind
            assert page["next"] == behind

    hall.lists.away = True
    await hall.rank(late, 1, {ada: "good"})
    await hall.herald()  # made first, and waits for its reasons
    hall.lists.away = False
    reasons = hall.lists.rows

    async def all_but_one(project: str, *asked: Any, **more: Any) -> Any:
        if project == late:
            raise ListsAway("that list is away")
        return await reasons(project, *asked, **more)

    hall.lists.rows = all_but_one  # type: ignore[method-assign]
    await hall.rank(first, 1, {ada: "good"})
    await hall.rank(last, 1, {ada: "good"})
    assert await cycles.step(hall.runtime) == 2
    await readying.step(hall.runtime)
    behind = await follow(page["behind"])
    assert sorted(read) == sorted([first, last])
    hall.lists.rows = reasons  # type: ignore[method-assign]
    await hall.settle()
    behind = await follow(behind)
    assert read[2:] == [late]
    assert await follow(behind) == behind
    assert len(read) == 3


async def test_reminders_come_five_days_and_one_day_before_and_once_each(hall: Hall) -> None:
    await hall.subscribe(channel="feed")
    await crossing(hall, deadline="2026-12-20")
    days = []
    while hall.clock.moment.date().isoformat() <= "2026-12-21":
        before = len(await notices(hall))
        await hall.remind()
        await hall.remind()
        days += [hall.clock.moment.date().isoformat()] * (len(await notices(hall)) - before)
        hall.clock.moment += timedelta(days=1)
    assert days == ["2026-12-15", "2026-12-19"]
    assert (await notices(hall))[-1]["type"] == "org.comity.opportunity.closing-soon.v1"


async def test_who_was_just_told_of_a_deadline_is_not_reminded_of_it_before_the_day(hall: Hall) -> None:
    await hall.subscribe(channel="feed")
    await crossing(hall, deadline="2026-11-27")
    while hall.clock.moment.date().isoformat() < "2026-11-26":
        await hall.remind()
        assert len(await notices(hall)) == 1
        hall.clock.moment += timedelta(days=1)
    await hall.remind()
    assert (await notices(hall))[-1]["type"] == "org.comity.opportunity.closing-soon.v1"


async def test_a_fall_out_of_the_bands_that_were_asked_for_is_told_and_what_moves_below_is_not(
    hall: Hall,
) -> None:
    await hall.subscribe(channel="feed", conditions={"minimum_band": "strong"})
    ada, project = await hall.member("Ada"), await hall.open_project()
    said = []
    for number, band in enumerate(["good", "strong", "good", "possible", "good", "strong"], start=1):
        before = len(await notices(hall))
        await hall.rank(project, number, {ada: band})
        await hall.settle()
        said.append([one["rule"] for one in (await notices(hall))[before:]])
    assert said == [[], ["above-floor"], ["band-fell"], [], [], ["band-rose"]]


async def test_every_notice_shares_the_terms_and_says_what_is_newer(hall: Hall) -> None:
    await hall.subscribe(channel="feed")
    ada, project = await hall.member("Ada"), await hall.open_project(deadline="2026-12-20")
    await hall.rank(project, 4, {ada: "good"})
    await hall.settle()
    hall.lists.rows_of[ada] = {"shared_terms": ["of another day"]}
    hall.clock.moment = datetime(2026, 12, 19, tzinfo=UTC)
    await hall.remind()
    await hall.rank(project, 5, {}, lost=[ada])
    await hall.settle()
    await hall.rank(project, 6, {ada: "good"})
    await hall.settle()
    await hall.open_project(state="closed")
    await hall.settle()
    said = [
        (one["rule"], one["list_version"], one["data"]["list_version"], one["data"]["why"]["shared_terms"])
        for one in await notices(hall)
    ]
    assert said == [
        ("above-floor", 4, 4, ["school"]),
        ("deadline-near", 4, 4, ["school"]),
        ("fell-below-floor", 5, 5, ["school"]),
        ("above-floor-again", 6, 6, ["of another day"]),
        ("project-closed", 6, 6, ["of another day"]),
    ]


async def test_what_is_paused_or_ended_is_silent_and_what_was_waiting_is_dropped(
    hall: Hall, receiver: Receiver
) -> None:
    endpoint = await hall.endpoint(receiver)
    subscription = await hall.subscribe(channel="webhook", endpoint=endpoint)
    ada, project = await hall.member("Ada"), await hall.open_project()
    await hall.rank(project, 1, {ada: "good"})
    await hall.herald()  # queued, not sent
    path = f"/v1/subscriptions/{subscription}"
    body = {"channel": "webhook", "endpoint": endpoint, "opt_in": True, "paused": True}
    await hall.call("PUT", path, body, If_Match='"1"')
    await hall.dispatch()
    assert receiver.events() == []
    await hall.call("DELETE", path, If_Match='"2"', status=204)
    await hall.rank(project, 2, {ada: "strong"})
    await hall.settle()
    assert receiver.events() == []


async def test_one_that_has_ended_comes_back_only_where_there_is_room(hall: Hall) -> None:
    old = await hall.subscribe(channel="feed")
    await hall.call("DELETE", f"/v1/subscriptions/{old}", status=204, If_Match='"1"')
    for _ in range(MOST_SUBSCRIPTIONS):
        await hall.subscribe(channel="feed")
    again = {"channel": "feed", "opt_in": True}
    refused = await hall.call("PUT", f"/v1/subscriptions/{old}", again, status=409, If_Match='"2"')
    assert refused["code"] == "too-many-endpoints"
