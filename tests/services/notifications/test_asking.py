"""Whether an address wants mails is asked, and so it can say no: once for all, or by not answering."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.notifications.mail.letters import LANGUAGES, words_of
from services.notifications.rules.yearly import ANSWER_WITHIN
from services.notifications.worker import unanswered
from tests.services.notifications.hall import Hall
from tests.services.notifications.office import ADDRESS, Page, Sink, confirmed, crossing
from tests.services.notifications.village import Receiver


def refusal_in(sink: Sink, hall: Hall, *, language: str = "en") -> str:
    """The link of the last mail that has its address asked no more, as its text names it."""
    plain = sink.taken[-1][1].get_body(("plain",)).get_content()
    _, _, rest = plain.partition(f"{words_of(language)['refuse_link']}: {hall.runtime.settings.address}")
    return str(rest.split()[0])


async def refused(hall: Hall, link: str) -> Any:
    answer = await hall.http.post(link)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def rule_refused(hall: Hall, *, name: str, email: str) -> str:
    """Subscribe with an address that may not be asked; the rule that says so."""
    body = {"channel": "email", "email": email, "opt_in": True}
    answer = await hall.call("PUT", f"/v1/subscriptions/{uuid4()}", body, name=name, status=422)
    return str(answer["errors"][0]["rule"])


async def test_who_wants_no_questions_is_asked_no_more_by_anybody(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    asked = await hall.subscribe(channel="email", email=ADDRESS)
    await hall.dispatch()
    link = refusal_in(sink, hall)
    assert (await hall.http.get(link)).json()["done"] is False  # scanners open links
    assert (await hall.call("GET", f"/v1/subscriptions/{asked}"))["state"] == "unconfirmed"
    answer = await refused(hall, link)
    assert (answer["action"], answer["done"], answer["state"]) == ("refuse", True, "ended")
    assert await refused(hall, link) == answer  # again changes nothing
    found = await hall.call("GET", f"/v1/subscriptions/{asked}")
    assert (found["state"], found["email"]) == ("ended", None)
    assert await rule_refused(hall, name="Bea", email=ADDRESS.upper()) == "address-suppressed"
    await hall.dispatch()
    assert len(sink.taken) == 1


async def test_what_an_address_has_said_yes_to_goes_on_when_it_wants_no_questions(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="instant")
    await hall.subscribe("Bea", channel="email", email=ADDRESS)
    await hall.dispatch()
    await refused(hall, refusal_in(sink, hall))
    await crossing(hall)
    assert len(sink.digests()) == 1


async def test_a_contact_of_an_endpoint_can_refuse_too(office: tuple[Hall, Sink], receiver: Receiver) -> None:
    hall, sink = office
    body = {"url": receiver.url, "contact_email": ADDRESS}
    made = await hall.call("POST", "/v1/endpoints", body, status=201)
    await hall.dispatch()
    answer = await refused(hall, refusal_in(sink, hall))
    assert (answer["endpoint"], answer["state"]) == (made["id"], "ended")
    found = await hall.call("GET", f"/v1/endpoints/{made['id']}")
    assert (found["contact_email"], found["state"]) == (None, "active")
    assert await rule_refused(hall, name="Ada", email=ADDRESS) == "address-suppressed"


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_page_of_a_refusal_speaks_the_language_of_the_question(
    office: tuple[Hall, Sink], language: str
) -> None:
    hall, sink = office
    await hall.subscribe(channel="email", email=ADDRESS, language=language)
    await hall.dispatch()
    link, words = refusal_in(sink, hall, language=language), words_of(language)
    browser = {"Accept": "text/html"}
    before = Page((await hall.http.get(link, headers=browser)).text)
    assert (before.root["lang"], words["page_refuse"] in before.text) == (language, True)
    after = Page((await hall.http.post(link, headers=browser)).text)
    assert words["page_refused"] in after.text


@pytest.mark.parametrize("answered", [False, True])
async def test_an_address_that_never_said_yes_is_forgotten_after_thirty_days(
    office: tuple[Hall, Sink], receiver: Receiver, *, answered: bool
) -> None:
    hall, sink = office
    body = {"url": receiver.url, "contact_email": "desk@ada.example"}
    made = await hall.call("POST", "/v1/endpoints", body, status=201)
    subscription = await (
        confirmed(hall, sink) if answered else hall.subscribe(channel="email", email=ADDRESS)
    )
    await hall.dispatch()
    hall.clock.moment += ANSWER_WITHIN - timedelta(seconds=1)
    assert await unanswered.step(hall.runtime) == 0
    hall.clock.moment += timedelta(seconds=2)
    assert await unanswered.step(hall.runtime) == 2 - answered
    assert await unanswered.step(hall.runtime) == 0
    found = await hall.call("GET", f"/v1/subscriptions/{subscription}")
    assert (found["state"], found["email"]) == (("active", ADDRESS) if answered else ("ended", None))
    kept = await hall.call("GET", f"/v1/endpoints/{made['id']}")
    assert (kept["contact_email"], kept["state"]) == (None, "active")
