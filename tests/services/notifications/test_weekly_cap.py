"""A week has a cap of mails: what is above comes together in the next one, late and never lost, whoever it is about."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from services.notifications.mail.letters import LANGUAGES, words_of
from services.notifications.rules.cadence import CAP_WINDOW, Cadence, next_digest, next_under_cap
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import ADDRESS, Sink, confirmed, crossing

MONDAY = datetime(2026, 3, 23, 8, tzinfo=UTC)


def titles_in(message: Any) -> int:
    return int(message.get_body(("plain",)).get_content().count("* Community networks"))


async def test_what_is_above_the_cap_comes_together_in_the_next_mail_and_none_is_lost(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    begun = hall.clock.moment  # noon
    subscription = await confirmed(hall, sink, cadence="instant", weekly_cap=2)
    for day in range(5):
        hall.clock.moment = begun + timedelta(days=day)
        await crossing(hall, name=f"p{day}")
    assert [titles_in(one) for one in sink.digests()] == [1, 1]
    assert "At most 2 mail(s) in seven days" in sink.digests()[0].get_body(("plain",)).get_content()
    notices = (await hall.call("GET", "/v1/notices"))["items"]
    assert len(notices) == 5  # known at once to who looks
    assert {one["state"] for one in notices[2:]} == {"ready"}
    found = await hall.call("GET", f"/v1/subscriptions/{subscription}")
    free = (begun + timedelta(days=7)).replace(hour=8)
    assert (found["weekly_cap"], found["next_digest_at"][:16]) == (2, free.isoformat()[:16])
    hall.clock.moment = free - timedelta(seconds=1)
    await hall.settle()
    assert len(sink.digests()) == 2
    hall.clock.moment = free
    await hall.settle()
    assert [titles_in(one) for one in sink.digests()] == [1, 1, 3]
    hall.clock.moment += timedelta(days=30)
    await hall.settle()
    assert len(sink.digests()) == 3


async def test_no_seven_days_see_more_mails_than_the_cap_and_every_notice_is_in_exactly_one(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="instant", weekly_cap=3)
    days, told = [], 0
    for hour in range(0, 24 * 24, 9):
        before = len(sink.digests())
        if hour < 24 * 16:
            await crossing(hall, name=f"p{hour}")
        await hall.settle()
        days += [hall.clock.moment.date()] * (len(sink.digests()) - before)
        hall.clock.moment += timedelta(hours=9)
    for first, fourth in zip(days, days[3:], strict=False):
        assert fourth - first >= CAP_WINDOW
    rows = await hall.rows("SELECT state, delivery FROM notices")
    assert {row["state"] for row in rows} == {"sent"}
    told = sum(
        int(row["count"])
        for row in await hall.rows(
            "SELECT count(*) AS count FROM notices JOIN deliveries ON deliveries.id = notices.delivery "
            "WHERE deliveries.state = 'delivered' GROUP BY deliveries.id"
        )
    )
    assert told == len(rows) == len(range(0, 24 * 16, 9))


async def test_who_is_told_in_a_cycle_and_who_waits_depends_on_the_own_cap_alone(
    office: tuple[Hall, Sink],
) -> None:
    """Promise 4: the same news for all in the same cycle; strong or weak, capped alike they wait alike."""
    hall, sink = office
    bands = {"Ada": "strong", "Ben": "weak", "Cyd": "possible", "Dan": "strong"}
    caps = {"Ada": 1, "Ben": 1, "Cyd": 5, "Dan": 1}
    for name, cap in caps.items():
        await hall.member(name, category="sector_member" if name != "Dan" else "academia")
        identifier = await hall.subscribe(
            name, channel="email", email=f"{name.lower()}@x.example", cadence="instant", weekly_cap=cap
        )
        await hall.dispatch()
        token = hall.runtime.state["keys"].link("confirm", identifier, email=f"{name.lower()}@x.example")
        await hall.http.post(f"/v1/mail-links/{token}")
    for name in ("first", "second"):
        project = await hall.open_project(name)
        await hall.rank(project, 1, {uuid_of(one): band for one, band in bands.items()})
        await hall.settle()
        rows = await hall.rows("SELECT organisation FROM notices WHERE project = :p", p=project)
        assert {row["organisation"] for row in rows} == {uuid_of(one) for one in bands}
    sent = [to for to, message in sink.taken if message["List-Unsubscribe"]]
    assert sorted(sent) == [
        "ada@x.example",
        "ben@x.example",
        "cyd@x.example",
        "cyd@x.example",
        "dan@x.example",
    ]
    held = await hall.rows("SELECT next_digest_at FROM subscriptions WHERE next_digest_at IS NOT NULL")
    assert len(held) == 3
    assert len({row["next_digest_at"] for row in held}) == 1


async def test_a_cap_that_is_raised_releases_what_was_held_and_the_settings_cap_who_chose_none(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    subscription = await confirmed(hall, sink, cadence="instant", weekly_cap=1)
    await crossing(hall, name="first")
    await crossing(hall, name="second")
    assert len(sink.digests()) == 1
    path = f"/v1/subscriptions/{subscription}"
    body = {"channel": "email", "email": ADDRESS, "cadence": "instant", "opt_in": True}
    found = await hall.call("PUT", path, body, If_Match='"2"')
    assert found["weekly_cap"] == hall.runtime.settings.notifications.weekly_cap == 7
    await hall.settle()
    assert [titles_in(one) for one in sink.digests()] == [1, 1]


async def test_other_channels_have_no_cap(hall: Hall) -> None:
    body = {"channel": "feed", "opt_in": True, "weekly_cap": 3}
    problem = await hall.call("PUT", f"/v1/subscriptions/{uuid_of('s')}", body, status=422)
    assert problem["errors"][0]["rule"] == "channel-cap"
    subscription = await hall.subscribe(channel="feed")
    assert (await hall.call("GET", f"/v1/subscriptions/{subscription}"))["weekly_cap"] is None


@pytest.mark.parametrize(("cadence", "cap"), [("daily", 7), ("weekly", 1), ("monthly", 1)])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "Pacific/Auckland", "America/New_York"])
def test_a_cap_as_wide_as_the_cadence_holds_nothing_not_even_where_clocks_change(
    cadence: Cadence, cap: int, zone: str
) -> None:
    due = [MONDAY]
    for _ in range(60):
        due.append(next_digest(due[-1], cadence, None, zone))
        late = due[-1] + timedelta(seconds=0.7)
        assert next_under_cap(due[1:-1], cap=cap, now=late, cadence=cadence, quiet=None, zone=zone) is None


def test_a_slower_cadence_waits_for_its_own_hour() -> None:
    sent = [MONDAY + timedelta(days=day) for day in range(3)]
    now = MONDAY + timedelta(days=3)
    later = next_under_cap(sent, cap=3, now=now, cadence="daily", quiet=None, zone="UTC")
    assert later == MONDAY + timedelta(days=7)
    assert all(one < other for one, other in pairwise([now, later]))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_names_the_cap(language: str) -> None:
    assert "12" in words_of(language)["cap"].format(cap=12)
