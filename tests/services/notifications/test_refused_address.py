"""An address that its server refuses: the subscription says so, and its news waits until that is lifted or the address changed."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete

from services.notifications.mail.letters import words_of
from services.notifications.rules.yearly import ANSWER_WITHIN, ASK_AFTER
from services.notifications.tables import SUPPRESSIONS
from services.notifications.worker import yearly
from tests.services.notifications.hall import Hall
from tests.services.notifications.office import ADDRESS, Sink, confirmed, crossing, link_in
from tests.services.notifications.village import Receiver

NOBODY = "550 5.1.1 no such user"


async def shown(hall: Hall, subscription: str, name: str = "Ada") -> Any:
    return await hall.call("GET", f"/v1/subscriptions/{subscription}", name=name)


async def lift(hall: Hall) -> None:
    headers = hall.bearer("bdt_admin")
    answer = await hall.http.post("/v1/suppressions/lift", json={"email": ADDRESS}, headers=headers)
    assert answer.status_code == 204


def projects_in(sink: Sink) -> list[int]:
    """How many projects each digest that was taken told of."""
    return [one.get_body(("plain",)).get_content().count("* Community networks") for one in sink.digests()]


@pytest.mark.parametrize("cadence", ["instant", "weekly"])
async def test_news_for_a_refused_address_waits_and_comes_once_that_is_lifted(
    office: tuple[Hall, Sink], cadence: str
) -> None:
    hall, sink = office
    subscription = await confirmed(hall, sink, cadence=cadence)
    before = await shown(hall, subscription)
    sink.refuse = NOBODY
    await crossing(hall)
    hall.clock.moment += timedelta(days=7)
    refused = hall.clock.moment
    await hall.settle()
    found = await shown(hall, subscription)
    assert before["refused_at"] is None
    assert (found["state"], found["next_digest_at"]) == ("active", None)
    assert found["revision"] == before["revision"] + 1
    assert (
        found["refused_at"][:10] == (refused - timedelta(days=7 * (cadence == "instant"))).date().isoformat()
    )
    sink.refuse = ""
    await crossing(hall, name="another")
    hall.clock.moment += timedelta(days=14)
    await hall.settle()
    assert {one["state"] for one in await hall.rows("SELECT state FROM notices")} == {"ready"}
    assert len(await hall.rows("SELECT id FROM deliveries WHERE type = 'digest'")) == 1
    await lift(hall)
    found = await shown(hall, subscription)
    assert (found["refused_at"], found["next_digest_at"] is not None) == (None, True)
    hall.clock.moment += timedelta(days=7 * (cadence == "weekly"))
    await hall.settle()
    assert projects_in(sink) == [2]
    hall.clock.moment += timedelta(days=14)
    await hall.settle()
    assert projects_in(sink) == [2]


async def test_news_for_a_refused_address_goes_to_the_one_that_takes_its_place(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    subscription = await confirmed(hall, sink, cadence="instant")
    sink.refuse = NOBODY
    await crossing(hall)
    sink.refuse = ""
    found = await shown(hall, subscription)
    body = {"channel": "email", "email": "desk@ada.example", "cadence": "instant", "opt_in": True}
    tag = f'"{found["revision"]}"'
    saved = await hall.call("PUT", f"/v1/subscriptions/{subscription}", body, If_Match=tag)
    assert (saved["state"], saved["refused_at"]) == ("unconfirmed", None)
    await hall.dispatch()
    await hall.http.post(link_in(sink.taken[-1][1], hall))
    await hall.settle()
    assert projects_in(sink) == [1]


async def test_saved_anew_with_a_refused_address_it_is_refused_still(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    subscription = await confirmed(hall, sink, cadence="daily")
    sink.refuse = NOBODY
    await crossing(hall)
    hall.clock.moment += timedelta(days=1)
    await hall.settle()
    found = await shown(hall, subscription)
    body = {"channel": "email", "email": ADDRESS, "cadence": "weekly", "opt_in": True}
    tag = f'"{found["revision"]}"'
    saved = await hall.call("PUT", f"/v1/subscriptions/{subscription}", body, If_Match=tag)
    assert (saved["state"], saved["refused_at"]) == ("active", found["refused_at"])
    assert saved["next_digest_at"] is None


async def test_every_subscription_of_a_refused_address_keeps_its_news(
    post: tuple[Hall, Sink, Receiver],
) -> None:
    hall, sink, _ = post
    first = await confirmed(hall, sink, cadence="instant")
    second = await confirmed(hall, sink, cadence="daily")
    sink.refuse = NOBODY
    await crossing(hall)
    sink.refuse = ""
    hall.clock.moment += timedelta(days=1)
    await hall.settle()
    assert [(await shown(hall, one))["refused_at"] is None for one in (first, second)] == [False, False]
    assert sink.digests() == []
    await lift(hall)
    hall.clock.moment += timedelta(days=1)
    await hall.settle()
    assert projects_in(sink) == [1, 1]


async def test_a_refused_address_is_not_asked_after_a_year_before_that_is_lifted(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    subscription = await confirmed(hall, sink, cadence="monthly")
    hall.clock.moment += ASK_AFTER
    sink.refuse = NOBODY
    await yearly.step(hall.runtime)
    await hall.dispatch()
    hall.clock.moment += ANSWER_WITHIN - timedelta(days=1)
    for _ in range(2):
        await yearly.step(hall.runtime)
        await hall.dispatch()
    found = await shown(hall, subscription)
    assert (found["state"], found["confirm_by"]) == ("active", None)
    assert len(await hall.rows("SELECT id FROM deliveries WHERE type = 'yearly-confirmation'")) == 1
    sink.refuse = ""
    await lift(hall)
    await yearly.step(hall.runtime)
    await hall.dispatch()
    assert sink.taken[-1][1]["Subject"] == words_of("en")["yearly_subject"]
    assert (await shown(hall, subscription))["confirm_by"] is not None


@pytest.mark.parametrize("late", [0, 40])
async def test_a_refused_address_is_paused_once_its_year_and_the_time_for_an_answer_are_over(
    office: tuple[Hall, Sink], late: int
) -> None:
    hall, sink = office
    subscription = await confirmed(hall, sink, cadence="instant")
    hall.clock.moment += timedelta(days=late and ASK_AFTER.days + late)
    sink.refuse = NOBODY
    await crossing(hall)
    hall.clock.moment += ANSWER_WITHIN + timedelta(days=0 if late else ASK_AFTER.days, minutes=-1)
    await yearly.step(hall.runtime)
    assert (await shown(hall, subscription))["state"] == "active"
    hall.clock.moment += timedelta(minutes=1)
    await yearly.step(hall.runtime)
    found = await shown(hall, subscription)
    assert (found["state"], found["confirmed_at"], found["lapsed_at"] is not None) == ("paused", None, True)
    sink.refuse = ""
    await lift(hall)
    await crossing(hall, name="another")
    hall.clock.moment += timedelta(days=2)
    await hall.settle()
    assert sink.digests() == []


async def test_a_mail_that_found_the_entry_while_it_was_lifted_leaves_nobody_refused_for_ever(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    subscription = await confirmed(hall, sink, cadence="instant")
    sink.refuse = NOBODY
    await crossing(hall)
    sink.refuse = ""
    async with hall.runtime.database.write() as connection:
        await connection.execute(delete(SUPPRESSIONS))
    await lift(hall)
    assert (await shown(hall, subscription))["refused_at"] is None
    await hall.settle()
    assert projects_in(sink) == [1]


async def test_a_subscription_says_that_its_question_was_refused(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    sink.refuse = NOBODY
    subscription = await hall.subscribe(channel="email", email=ADDRESS)
    await hall.dispatch()
    found = await shown(hall, subscription)
    assert (found["state"], found["refused_at"] is not None) == ("unconfirmed", True)


async def test_an_address_that_became_another_while_the_refused_mail_was_out_has_the_news(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    subscription = await confirmed(hall, sink, cadence="instant")

    async def refused() -> str:
        sink.ask = None
        etag = f'"{(await shown(hall, subscription))["revision"]}"'
        body = {"channel": "email", "email": "desk@ada.example", "cadence": "instant", "opt_in": True}
        await hall.call("PUT", f"/v1/subscriptions/{subscription}", body, If_Match=etag)
        return NOBODY

    sink.ask = refused
    await crossing(hall)
    await hall.http.post(link_in(sink.taken[-1][1], hall))
    hall.clock.moment += timedelta(days=2)
    await hall.settle()
    found = await shown(hall, subscription)
    assert (found["state"], found["refused_at"]) == ("active", None)
    assert projects_in(sink) == [1]
