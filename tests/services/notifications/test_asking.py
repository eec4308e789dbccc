"""Whether an address wants mails is asked, and so it can say no: once for all, or by not answering."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from services.notifications.mail.letters import LANGUAGES, words_of
from services.notifications.rules.yearly import ANSWER_WITHIN
from services.notifications.worker import retention, unanswered
from tests.services.notifications.hall import Hall, open_hall
from tests.services.notifications.office import (
    ADDRESS,
    Page,
    Sink,
    confirmed,
    crossing,
    link_in,
    mail_to,
    refusal_in,
    sinking,
)
from tests.services.notifications.village import Receiver

BROWSER = {"Accept": "text/html"}


async def moved(hall: Hall, subscription: str, *, revision: int) -> None:
    """Give a subscription another address."""
    body = {"opt_in": True, "channel": "email", "email": "other@ada.example"}
    await hall.call("PUT", f"/v1/subscriptions/{subscription}", body, If_Match=f'"{revision}"')


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


@pytest.mark.parametrize("meanwhile", ["ended", "unanswered", "moved"])
async def test_a_refusal_counts_whatever_has_become_of_what_was_asked_for(
    office: tuple[Hall, Sink], meanwhile: str
) -> None:
    hall, sink = office
    asked = await hall.subscribe(channel="email", email=ADDRESS)
    await hall.dispatch()
    link = refusal_in(sink, hall)
    if meanwhile == "unanswered":
        hall.clock.moment += ANSWER_WITHIN + timedelta(seconds=1)
        assert await unanswered.step(hall.runtime) == 1
    elif meanwhile == "ended":
        await hall.call("DELETE", f"/v1/subscriptions/{asked}", status=204, If_Match='"1"')
    else:
        await moved(hall, asked, revision=1)
    assert (await hall.http.get(link)).json()["done"] is False
    assert words_of("en")["page_refused"] not in (await hall.http.get(link, headers=BROWSER)).text
    answer = await refused(hall, link)
    assert (answer["action"], answer["done"], answer["state"]) == ("refuse", True, "ended")
    assert await refused(hall, link) == answer
    assert words_of("en")["page_refused"] in (await hall.http.post(link, headers=BROWSER)).text
    assert await rule_refused(hall, name="Bea", email=ADDRESS) == "address-suppressed"
    stands = (await hall.call("GET", f"/v1/subscriptions/{asked}"))["state"]
    assert stands == ("unconfirmed" if meanwhile == "moved" else "ended")  # it waits for the other address


async def test_a_contact_that_was_replaced_can_refuse_and_its_successor_stays(
    office: tuple[Hall, Sink], receiver: Receiver
) -> None:
    hall, sink = office
    body = {"url": receiver.url, "contact_email": ADDRESS}
    made = await hall.call("POST", "/v1/endpoints", body, status=201)
    await hall.dispatch()
    path, link = f"/v1/endpoints/{made['id']}", refusal_in(sink, hall)
    etag = {"If_Match": f'"{(await hall.call("GET", path))["revision"]}"'}
    await hall.call("PUT", path, body | {"contact_email": "other@ada.example"}, **etag)
    assert (await refused(hall, link))["state"] == "ended"
    assert (await hall.call("GET", path))["contact_email"] == "other@ada.example"
    assert await rule_refused(hall, name="Bea", email=ADDRESS) == "address-suppressed"


async def test_a_subscription_that_was_confirmed_can_be_changed_when_its_address_wants_no_questions(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    mine = await confirmed(hall, sink, cadence="instant")
    await hall.subscribe("Bea", channel="email", email=ADDRESS)
    await hall.dispatch()
    await refused(hall, refusal_in(sink, hall))
    body = {"opt_in": True, "channel": "email", "email": ADDRESS, "cadence": "monthly"}
    changed = await hall.call("PUT", f"/v1/subscriptions/{mine}", body, If_Match='"2"')
    assert (changed["state"], changed["cadence"]) == ("active", "monthly")


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
    before = Page((await hall.http.get(link, headers=BROWSER)).text)
    assert (before.root["lang"], words["page_refuse"] in before.text) == (language, True)
    after = Page((await hall.http.post(link, headers=BROWSER)).text)
    assert words["page_refused"] in after.text


@pytest.mark.parametrize("language", LANGUAGES)
async def test_what_an_earlier_address_was_sent_does_not_end_the_mails_of_the_one_that_took_its_place(
    office: tuple[Hall, Sink], language: str
) -> None:
    hall, sink = office
    mine = await confirmed(hall, sink, cadence="instant", language=language)
    await crossing(hall)
    old = sink.digests()[-1]["List-Unsubscribe"].strip("<>").removeprefix(hall.runtime.settings.address)
    assert (await hall.http.get(old)).json()["state"] == "active"
    body = {"opt_in": True, "channel": "email", "email": "other@ada.example", "language": language}
    before = await hall.call("PUT", f"/v1/subscriptions/{mine}", body, If_Match='"2"')
    answer = await hall.http.post(old, data={"List-Unsubscribe": "One-Click"})
    assert (answer.status_code, answer.json()["state"]) == (200, "ended")  # for this address
    assert "nothing was changed" in answer.json()["sentence"]
    page = Page((await hall.http.post(old, headers=BROWSER)).text)
    assert words_of(language)["page_not_written_to"] in page.text
    assert await hall.call("GET", f"/v1/subscriptions/{mine}") == before


async def test_a_link_without_an_address_ends_what_it_is_about(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    mine = await confirmed(hall, sink)
    made_before_it_had_one = hall.runtime.state["keys"].link("unsubscribe", mine)
    assert (await hall.http.post(f"/v1/mail-links/{made_before_it_had_one}")).json()["state"] == "ended"
    assert (await hall.call("GET", f"/v1/subscriptions/{mine}"))["state"] == "ended"


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


async def asked_for(hall: Hall, receiver: Receiver) -> tuple[str, str]:
    """Name an address for a subscription, and one for an endpoint; the ids of both."""
    body = {"url": receiver.url, "contact_email": "desk@ada.example"}
    made = await hall.call("POST", "/v1/endpoints", body, status=201)
    return await hall.subscribe(channel="email", email=ADDRESS), str(made["id"])


async def kept(hall: Hall, subscription: str, endpoint: str) -> tuple[str | None, str | None]:
    """The addresses that both have."""
    found = await hall.call("GET", f"/v1/subscriptions/{subscription}")
    contact = await hall.call("GET", f"/v1/endpoints/{endpoint}")
    return found["email"], contact["contact_email"]


async def test_what_was_not_asked_for_want_of_a_mail_server_has_thirty_days_from_when_it_is(
    tmp_path: Path, receiver: Receiver
) -> None:
    async with open_hall(tmp_path) as hall:
        both = await asked_for(hall, receiver)
        hall.clock.moment += 2 * ANSWER_WITHIN
        now = hall.clock.moment
    async with sinking() as (sink, port), open_hall(tmp_path, mail=mail_to(port)) as hall:
        hall.clock.moment = now
        assert await unanswered.step(hall.runtime) == 0
        await hall.dispatch()
        assert {to for to, _ in sink.taken} == {ADDRESS, "desk@ada.example"}
        hall.clock.moment += ANSWER_WITHIN - timedelta(seconds=1)
        assert await unanswered.step(hall.runtime) == 0
        assert None not in await kept(hall, *both)
        hall.clock.moment += timedelta(seconds=2)
        assert await unanswered.step(hall.runtime) == 2
        assert await kept(hall, *both) == (None, None)


async def test_a_question_that_no_server_took_for_weeks_is_asked_when_one_does(
    office: tuple[Hall, Sink], receiver: Receiver
) -> None:
    hall, sink = office
    sink.refuse = "451 4.3.2 the server is being moved"
    both, begun = await asked_for(hall, receiver), hall.clock.moment
    while hall.clock.moment < begun + ANSWER_WITHIN + timedelta(days=1):
        assert await hall.until_due()
        assert await unanswered.step(hall.runtime) == 0
    sink.refuse = ""
    while await hall.until_due():
        pass
    assert sorted(to for to, _ in sink.taken) == ["desk@ada.example", ADDRESS]  # each once
    assert None not in await kept(hall, *both)
    for _, message in sink.taken:
        assert (await hall.http.post(link_in(message, hall))).json()["state"] == "active"


async def test_an_answer_is_waited_for_as_long_where_the_delivery_log_is_kept_for_days(
    tmp_path: Path,
) -> None:
    kept_for = {"delivery_days": 8}
    async with (
        sinking() as (sink, port),
        open_hall(tmp_path, mail=mail_to(port), notifications=kept_for) as hall,
    ):
        await hall.subscribe(channel="email", email=ADDRESS)
        hall.clock.moment += 2 * ANSWER_WITHIN  # nobody dispatched
        await hall.dispatch()
        assert len(sink.taken) == 1
        hall.clock.moment += ANSWER_WITHIN - timedelta(seconds=1)
        await retention.step(hall.runtime)
        assert await unanswered.step(hall.runtime) == 0
        hall.clock.moment += timedelta(seconds=2)
        await retention.step(hall.runtime)
        assert await unanswered.step(hall.runtime) == 1
        assert await hall.rows("SELECT id FROM deliveries") == []


async def test_an_address_that_its_server_does_not_know_is_asked_once_and_forgotten(
    office: tuple[Hall, Sink], receiver: Receiver
) -> None:
    hall, sink = office
    sink.refuse = "550 5.1.1 no such user"
    both = await asked_for(hall, receiver)
    await hall.dispatch()
    assert not await hall.until_due()
    hall.clock.moment += ANSWER_WITHIN + timedelta(seconds=1)
    assert await unanswered.step(hall.runtime) == 2
    assert await kept(hall, *both) == (None, None)


async def test_a_question_that_is_out_when_its_address_changes_is_not_put_to_the_one_that_took_its_place(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    asked = await hall.subscribe(channel="email", email=ADDRESS)

    async def meanwhile() -> str:
        sink.ask = None
        await moved(hall, asked, revision=1)
        return "451 4.3.2 later"

    sink.ask = meanwhile
    await hall.dispatch()
    while await hall.until_due():
        pass
    [(to, question)] = sink.taken
    assert to == "other@ada.example"
    assert (await hall.http.post(link_in(question, hall))).json()["state"] == "active"
