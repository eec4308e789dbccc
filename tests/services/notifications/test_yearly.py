"""A yes to mails is good for a year: then the address is asked, and silence pauses the subscription."""

from datetime import timedelta
from typing import Any

import pytest

from services.notifications.mail.letters import LANGUAGES, words_of
from services.notifications.rules.yearly import ANSWER_WITHIN, ASK_AFTER
from services.notifications.worker import yearly
from tests.services.notifications.hall import Hall
from tests.services.notifications.office import ADDRESS, Page, Sink, confirmed, crossing, link_in


def questions(sink: Sink, language: str = "en") -> list[Any]:
    return [one for _, one in sink.taken if one["Subject"] == words_of(language)["yearly_subject"]]


async def pass_time(hall: Hall, days: float) -> None:
    hall.clock.moment += timedelta(days=days)
    await yearly.step(hall.runtime)
    await hall.settle()


async def shown(hall: Hall, subscription: str) -> Any:
    return await hall.call("GET", f"/v1/subscriptions/{subscription}")


async def asked(hall: Hall, sink: Sink, **body: Any) -> str:
    """A subscription whose year is over and whose address has been asked; its id."""
    subscription = await confirmed(hall, sink, cadence="instant", **body)
    await pass_time(hall, ASK_AFTER.days)
    return subscription


async def test_it_is_asked_once_after_a_year_and_a_yes_is_good_for_another(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    subscription = await confirmed(hall, sink, cadence="instant")
    await pass_time(hall, ASK_AFTER.days - 0.01)
    assert questions(sink) == []
    assert (await shown(hall, subscription))["confirm_by"] is None
    await pass_time(hall, 0.01)
    found = await shown(hall, subscription)
    assert found["confirm_by"][:19] == (hall.clock.moment + ANSWER_WITHIN).isoformat()[:19]
    assert (found["state"], found["lapsed_at"]) == ("active", None)
    await crossing(hall, name="meanwhile")
    assert len(sink.digests()) == 1  # mails go on while the answer is waited for
    await pass_time(hall, 20)
    [question] = questions(sink)
    assert question["List-Unsubscribe"] is None  # about the subscription, not of it
    link = link_in(question, hall)
    page = await hall.http.get(link, headers={"Accept": "text/html"})
    assert '<form method="post">' in page.text
    assert (await shown(hall, subscription))["confirm_by"] is not None  # looking is no answer
    assert (await hall.http.post(link)).json()["state"] == "active"
    page = await hall.http.get(link, headers={"Accept": "text/html"})
    assert "<form" not in page.text
    found = await shown(hall, subscription)
    assert found["confirm_by"] is None
    assert found["confirmed_at"][:19] == hall.clock.moment.isoformat()[:19]
    await pass_time(hall, ASK_AFTER.days - 1)
    assert (await shown(hall, subscription))["state"] == "active"
    assert len(questions(sink)) == 1
    await pass_time(hall, 1)
    assert len(questions(sink)) == 2


async def test_silence_pauses_it_and_one_click_takes_it_up_again(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    subscription = await asked(hall, sink)
    await pass_time(hall, ANSWER_WITHIN.days - 0.01)
    assert (await shown(hall, subscription))["state"] == "active"
    await pass_time(hall, 0.02)
    found = await shown(hall, subscription)
    assert (found["state"], found["confirm_by"], found["confirmed_at"]) == ("paused", None, None)
    assert found["lapsed_at"][:19] == hall.clock.moment.isoformat()[:19]
    await crossing(hall, name="unheard")
    await pass_time(hall, 400)
    assert (sink.digests(), len(questions(sink))) == ([], 1)
    await hall.http.post(link_in(questions(sink)[0], hall))
    found = await shown(hall, subscription)
    assert (found["state"], found["lapsed_at"]) == ("active", None)
    await crossing(hall, name="heard")
    assert len(sink.digests()) == 1


async def test_saving_a_lapsed_subscription_anew_asks_the_address_before_anything_is_sent(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    subscription = await asked(hall, sink)
    await pass_time(hall, ANSWER_WITHIN.days + 1)
    revision = (await shown(hall, subscription))["revision"]
    body = {"channel": "email", "email": ADDRESS, "cadence": "instant", "opt_in": True}
    path = f"/v1/subscriptions/{subscription}"
    found = await hall.call("PUT", path, body, If_Match=f'"{revision}"')
    assert (found["state"], found["lapsed_at"]) == ("unconfirmed", None)
    await hall.dispatch()
    await hall.http.post(link_in(sink.taken[-1][1], hall))
    assert (await shown(hall, subscription))["state"] == "active"


async def test_nobody_is_paused_whose_question_has_not_left_or_left_late(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    subscription = await confirmed(hall, sink, cadence="instant")
    hall.clock.moment += ASK_AFTER
    await yearly.step(hall.runtime)  # the question is queued, and nothing leaves
    hall.clock.moment += ANSWER_WITHIN * 2
    assert await yearly.step(hall.runtime) == 0
    assert (await shown(hall, subscription))["state"] == "active"
    await hall.dispatch()
    assert len(questions(sink)) == 1
    await pass_time(hall, ANSWER_WITHIN.days - 1)
    assert (await shown(hall, subscription))["state"] == "active"
    await pass_time(hall, 2)
    assert (await shown(hall, subscription))["state"] == "paused"


async def test_a_question_that_no_server_took_is_asked_anew_and_nobody_is_paused_for_it(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    subscription = await confirmed(hall, sink)
    sink.refuse = "451 4.3.2 the server is being moved"
    await pass_time(hall, ASK_AFTER.days)
    while await hall.until_due():
        pass
    sink.refuse = ""
    await pass_time(hall, ANSWER_WITHIN.days + 1)
    assert len(questions(sink)) == 1
    found = await shown(hall, subscription)
    assert found["state"] == "active"
    assert found["confirm_by"][:19] == (hall.clock.moment + ANSWER_WITHIN).isoformat()[:19]


async def test_without_a_mail_server_nobody_is_asked_and_other_channels_never_are(hall: Hall) -> None:
    feed = await hall.subscribe(channel="feed")
    mail = await hall.subscribe(channel="email", email=ADDRESS)
    await hall.http.post(f"/v1/mail-links/{hall.runtime.state['keys'].link('confirm', mail, email=ADDRESS)}")
    await pass_time(hall, 1_000)
    assert {(await shown(hall, one))["state"] for one in (feed, mail)} == {"active"}
    assert await hall.rows("SELECT id FROM deliveries WHERE type = :kind", kind=yearly.YEARLY) == []


async def test_the_question_may_be_answered_with_no(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    subscription = await asked(hall, sink)
    text = questions(sink)[0].get_body(("plain",)).get_content()
    leave = text.split(words_of("en")["leave_link"] + ": ")[1].split()[0]
    await hall.http.post(leave.removeprefix(hall.runtime.settings.address))
    assert (await shown(hall, subscription))["state"] == "ended"


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_question_is_asked_in_every_language(office: tuple[Hall, Sink], language: str) -> None:
    hall, sink = office
    await hall.member("Ada")
    await asked(hall, sink, language=language)
    [question] = questions(sink, language)
    page = Page(question.get_body(("html",)).get_content())
    assert page.root == {"lang": language, "dir": "rtl" if language == "ar" else "ltr"}
    assert len(page.links) == 2
    assert "Ada" in page.text
    assert "{" not in page.text
