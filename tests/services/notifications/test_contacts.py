"""Who has webhooks alone hears by mail when they fail: at an address that was asked first, and that one click forgets."""

from collections.abc import MutableMapping
from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from services.chassis.runtime import timestamp
from services.notifications.mail.letters import LANGUAGES, words_of
from services.notifications.rules.redaction import shortened
from services.notifications.rules.yearly import ASKED_WITHIN, MOST_QUESTIONS
from services.notifications.worker import endpoints
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import Page, Sink, confirmed, link_in, unmarked
from tests.services.notifications.village import Receiver, receiving

DESK = "desk@ada.example"
FAILING, DISABLED = "endpoint_failing_subject", "endpoint_disabled_subject"


async def endpoint(hall: Hall, receiver: Receiver, **contact: Any) -> str:
    """An active endpoint with a contact; its id."""
    body = {"url": receiver.url, "contact_email": DESK} | contact
    made = await hall.call("POST", "/v1/endpoints", body, status=201)
    await hall.dispatch()
    return str(made["id"])


async def shown(hall: Hall, identifier: str) -> Any:
    return await hall.call("GET", f"/v1/endpoints/{identifier}")


async def put(hall: Hall, identifier: str, status: int = 200, **body: Any) -> Any:
    now = await shown(hall, identifier)
    whole = {"url": now["url"], "contact_email": now["contact_email"]} | body
    saved = await hall.call(
        "PUT", f"/v1/endpoints/{identifier}", whole, status=status, If_Match=f'"{now["revision"]}"'
    )
    await hall.dispatch()
    return saved


async def agreed(hall: Hall, sink: Sink, receiver: Receiver, **contact: Any) -> str:
    """An endpoint whose contact has said yes; its id."""
    identifier = await endpoint(hall, receiver, **contact)
    answer = await hall.http.post(link_in(sink.taken[-1][1], hall))
    assert (answer.json()["state"], answer.json()["endpoint"]) == ("active", identifier)
    return identifier


async def fail(hall: Hall, identifier: str, *, days: float) -> None:
    """A message every six hours, and what is due between, for so long."""
    for _ in range(int(days * 4)):
        if (await shown(hall, identifier))["state"] == "active":
            await hall.call("POST", f"/v1/endpoints/{identifier}/test", status=202)
        await hall.dispatch()
        hall.clock.moment += timedelta(hours=6)


def about_endpoints(sink: Sink, language: str = "en") -> list[tuple[str, str]]:
    """To whom mails about endpoints went, in order, and which."""
    names = {words_of(language)[name]: name for name in (FAILING, DISABLED)}
    return [(to, names[one["Subject"]]) for to, one in sink.taken if one["Subject"] in names]


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_contact_hears_after_a_day_and_when_it_is_disabled_after_five_in_its_language(
    office: tuple[Hall, Sink], receiver: Receiver, language: str
) -> None:
    hall, sink = office
    identifier = await agreed(hall, sink, receiver, contact_language=language)
    words, begun = words_of(language), hall.clock.moment
    assert sink.taken[0][1]["Subject"] == words["contact_subject"]
    receiver.status = 503
    await fail(hall, identifier, days=1)
    assert about_endpoints(sink, language) == []
    await fail(hall, identifier, days=0.3)
    assert about_endpoints(sink, language) == [(DESK, FAILING)]
    assert hall.clock.moment - begun < timedelta(days=1.5)
    await fail(hall, identifier, days=4.5)
    assert (await shown(hall, identifier))["state"] == "disabled"
    await fail(hall, identifier, days=9)
    assert about_endpoints(sink, language) == [(DESK, FAILING), (DESK, DISABLED)]
    for _, message in sink.taken[-2:]:
        plain = unmarked(message)
        page = Page(message.get_body(("html",)).get_content())
        assert (page.root["lang"], message["Content-Language"]) == (language, language)
        assert page.root["dir"] == ("rtl" if language == "ar" else "ltr")
        reason = words["endpoint_leave"].format(organisation=uuid_of("Ada"))
        for said in (shortened(receiver.url), identifier, reason):
            assert said in plain
            assert said in page.text
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert link_in(message, hall) in message["List-Unsubscribe"]


async def test_a_day_of_failures_is_told_then_and_once_though_the_next_try_is_hours_away(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, sink, _ = post
    identifier = await agreed(hall, sink, receiver)
    receiver.status = 503
    await hall.call("POST", f"/v1/endpoints/{identifier}/test", status=202)
    begun = hall.clock.moment
    [row] = await hall.rows("SELECT id, due_at FROM deliveries WHERE type LIKE '%tested%'")
    while row["due_at"] < timestamp(begun + timedelta(days=1)):
        await hall.until_due()
        [row] = await hall.rows("SELECT id, due_at FROM deliveries WHERE type LIKE '%tested%'")
    assert row["due_at"] > timestamp(begun + timedelta(hours=30))
    hall.clock.moment = begun + timedelta(days=1) - timedelta(seconds=1)
    assert await endpoints.step(hall.runtime) == 0
    hall.clock.moment = begun + timedelta(days=1, seconds=60)
    assert [await endpoints.step(hall.runtime) for _ in range(2)] == [1, 0]
    await hall.dispatch()
    assert about_endpoints(sink) == [(DESK, FAILING)]
    while await hall.until_due():
        await endpoints.step(hall.runtime)
    assert about_endpoints(sink) == [(DESK, FAILING)]
    receiver.status = 204
    await hall.call("POST", f"/v1/endpoints/{identifier}/ping", status=202)
    await hall.dispatch()
    hall.clock.moment += timedelta(days=2)
    assert await endpoints.step(hall.runtime) == 0  # it does not fail any more


async def test_no_mail_goes_to_a_contact_that_has_not_said_yes_and_it_is_asked_once(
    office: tuple[Hall, Sink], receiver: Receiver
) -> None:
    hall, sink = office
    identifier = await endpoint(hall, receiver)
    link = link_in(sink.taken[-1][1], hall)
    looked = await hall.http.get(link)
    assert (looked.json()["done"], looked.json()["state"]) == (False, "unconfirmed")
    await put(hall, identifier, description="CRM")
    receiver.status = 503
    await fail(hall, identifier, days=6)
    assert (await shown(hall, identifier))["state"] == "disabled"
    assert (await shown(hall, identifier))["contact_confirmed_at"] is None
    assert [to for to, _ in sink.taken] == [DESK]
    mails = await hall.rows("SELECT type FROM deliveries WHERE channel = 'email'")
    assert [one["type"] for one in mails] == ["confirmation"]
    await put(hall, identifier)  # a week after the question, which may be lost by now
    assert [one["Subject"] for _, one in sink.taken] == [words_of("en")["contact_subject"]] * 2


async def test_another_address_is_asked_anew_and_only_its_own_yes_counts(
    office: tuple[Hall, Sink], receiver: Receiver
) -> None:
    hall, sink = office
    identifier = await agreed(hall, sink, receiver)
    old = link_in(sink.taken[-1][1], hall)
    sink.refuse = "451 later"
    await put(hall, identifier, contact_email="other@ada.example")
    sink.refuse = ""
    assert (await shown(hall, identifier))["contact_confirmed_at"] is None
    assert (await hall.http.post(old)).json()["code"] == "link-invalid"
    await put(hall, identifier, contact_email="third@ada.example")  # the question to the other is still to go
    while await hall.until_due():
        pass
    assert [to for to, _ in sink.taken] == [DESK, "third@ada.example"]
    await hall.http.post(link_in(sink.taken[-1][1], hall))
    receiver.status = 503
    await fail(hall, identifier, days=1.3)
    assert about_endpoints(sink) == [("third@ada.example", FAILING)]


async def test_one_click_forgets_the_contact_and_looking_does_not(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, sink, _ = post
    identifier = await agreed(hall, sink, receiver)
    receiver.status = 503
    await fail(hall, identifier, days=1.3)
    link = link_in(sink.taken[-1][1], hall)
    browser = {"Accept": "text/html"}
    words = words_of("en")
    page = (await hall.http.get(link, headers=browser)).text
    assert words["page_unsubscribe_contact"] in page
    assert '<form method="post">' in page
    assert (await shown(hall, identifier))["contact_email"] == DESK
    page = (await hall.http.post(link, headers=browser)).text
    assert words["page_unsubscribed_contact"] in page
    found = await shown(hall, identifier)
    assert (found["contact_email"], found["contact_confirmed_at"], found["state"]) == (None, None, "active")
    assert (await hall.http.post(link)).json()["state"] == "ended"  # again changes nothing
    await fail(hall, identifier, days=5)
    assert about_endpoints(sink) == [(DESK, FAILING)]
    actions = await hall.rows("SELECT action, details, why FROM audit ORDER BY position")
    assert [one["action"] for one in actions if "contact" in one["action"]] == [
        "endpoint.contact_confirmed",
        "endpoint.contact_left",
    ]
    assert DESK not in str(actions)


@pytest.mark.parametrize("way", ["leaves", "is replaced", "is deleted", "is erased"])
async def test_a_mail_that_waits_for_a_server_does_not_go_to_a_contact_that_is_gone(
    office: tuple[Hall, Sink], receiver: Receiver, way: str
) -> None:
    hall, sink = office
    identifier = await agreed(hall, sink, receiver)
    leave = hall.runtime.state["keys"].link("unsubscribe-contact", identifier, email=DESK)
    receiver.status = 410
    await hall.call("POST", f"/v1/endpoints/{identifier}/test", status=202)

    async def gone() -> str:
        sink.ask = None
        if way == "leaves":
            await hall.http.post(f"/v1/mail-links/{leave}")
        elif way == "is replaced":
            now = await shown(hall, identifier)
            body = {"url": now["url"], "contact_email": "other@ada.example"}
            await hall.call("PUT", f"/v1/endpoints/{identifier}", body, If_Match=f'"{now["revision"]}"')
        elif way == "is deleted":
            now = await shown(hall, identifier)
            path = f"/v1/endpoints/{identifier}"
            await hall.call("DELETE", path, If_Match=f'"{now["revision"]}"', status=204)
        else:
            await hall.member("Ada")
            await hall.say(
                hall.event("members.v1", "org.comity.organisation.erased.v1", uuid_of("Ada"), None)
            )
        return "451 later"

    sink.ask = gone  # while the mail is out
    sink.taken.clear()
    await hall.dispatch()
    while await hall.until_due():
        pass
    assert [to for to, _ in sink.taken] == (["other@ada.example"] if way == "is replaced" else [])
    assert about_endpoints(sink) == []
    rows = await hall.rows("SELECT * FROM endpoints") + await hall.rows("SELECT * FROM deliveries")
    assert DESK not in str(rows)


async def test_a_question_that_is_out_when_its_address_is_replaced_does_not_go_to_the_other(
    office: tuple[Hall, Sink], receiver: Receiver
) -> None:
    hall, sink = office
    identifier = (
        await hall.call("POST", "/v1/endpoints", {"url": receiver.url, "contact_email": DESK}, status=201)
    )["id"]

    async def replaced() -> str:
        sink.ask = None
        now = await shown(hall, identifier)
        body = {"url": now["url"], "contact_email": "other@ada.example"}
        await hall.call("PUT", f"/v1/endpoints/{identifier}", body, If_Match=f'"{now["revision"]}"')
        return "451 later"

    sink.ask = replaced
    await hall.dispatch()
    while await hall.until_due():
        pass
    [(to, question)] = sink.taken
    assert to == "other@ada.example"
    assert (await hall.http.post(link_in(question, hall))).json()["state"] == "active"


async def test_what_a_row_says_when_a_mail_leaves_decides_whether_its_contact_has_said_yes(
    office: tuple[Hall, Sink], receiver: Receiver
) -> None:
    hall, sink = office
    identifier = await agreed(hall, sink, receiver)
    sink.refuse = "451 later"
    receiver.status = 410
    await hall.call("POST", f"/v1/endpoints/{identifier}/test", status=202)
    await hall.dispatch()
    sink.refuse = ""
    async with hall.runtime.database.write() as connection:
        await connection.execute(text("UPDATE endpoints SET contact_confirmed_at = NULL"))
    while await hall.until_due():
        pass
    assert about_endpoints(sink) == []


async def test_a_suppressed_address_is_no_contact_and_one_that_is_refused_becomes_suppressed(
    office: tuple[Hall, Sink], receiver: Receiver
) -> None:
    hall, sink = office
    sink.refuse = "550 5.1.1 no such user"
    identifier = await endpoint(hall, receiver)
    sink.refuse = ""
    hall.clock.moment += ASKED_WITHIN
    problem = await put(hall, identifier, 422)
    assert [(one["pointer"], one["rule"]) for one in problem["errors"]] == [
        ("/contact_email", "address-suppressed")
    ]
    body = {"url": receiver.url, "contact_email": DESK.upper()}
    problem = await hall.call("POST", "/v1/endpoints", body, status=422)
    assert problem["errors"][0]["rule"] == "address-suppressed"
    assert sink.taken == []


async def test_endpoints_and_subscriptions_ask_an_address_so_often_a_day_together(
    office: tuple[Hall, Sink], receiver: Receiver
) -> None:
    hall, sink = office
    await hall.subscribe(channel="email", email=DESK)
    for _ in range(MOST_QUESTIONS - 1):
        await endpoint(hall, receiver)
    body = {"url": receiver.url, "contact_email": DESK}
    problem = await hall.call("POST", "/v1/endpoints", body, status=422)
    assert [(one["pointer"], one["rule"]) for one in problem["errors"]] == [
        ("/contact_email", "address-asked-enough")
    ]
    assert [to for to, _ in sink.taken] == [DESK] * (MOST_QUESTIONS - 1 + 1)


async def test_an_address_that_is_contact_and_subscribed_hears_once_and_events_name_none(
    office: tuple[Hall, Sink], receiver: Receiver
) -> None:
    hall, sink = office
    await confirmed(hall, sink)  # another address
    subscription = await hall.subscribe(channel="email", email=DESK)
    await hall.dispatch()
    await hall.http.post(link_in(sink.taken[-1][1], hall))
    identifier = await agreed(hall, sink, receiver, contact_email=DESK.title())
    async with receiving() as other:
        await hall.endpoint(other)
        receiver.status = 503
        await fail(hall, identifier, days=1.5)
        assert [one["type"] for one in other.events()] == ["org.comity.endpoint.failing.v1"]
    assert sorted(to for to, _ in about_endpoints(sink)) == [DESK.title(), "news@ada.example"]
    assert (await hall.call("GET", f"/v1/subscriptions/{subscription}"))["state"] == "active"
    bodies = [one["body"] for one in await hall.rows("SELECT body FROM deliveries WHERE channel = 'webhook'")]
    assert all(b"@" not in body for body in bodies)
    letters = await hall.rows("SELECT body FROM deliveries WHERE channel = 'email'")
    assert all("@ada" not in orjson.loads(one["body"])["text"].lower() for one in letters if one["body"])


@pytest.mark.parametrize(
    ("role", "sees"),
    [
        ("organisation_reader", True),
        ("organisation_editor", True),
        ("organisation_admin", True),
        ("bdt_admin", True),
        ("auditor", False),
    ],
)
async def test_who_needs_no_address_sees_none_and_no_log_does(
    office: tuple[Hall, Sink],
    receiver: Receiver,
    logged: list[MutableMapping[str, Any]],
    role: str,
    *,
    sees: bool,
) -> None:
    hall, sink = office
    identifier = await agreed(hall, sink, receiver)
    claims = {"organisation": uuid_of("Ada")} if role.startswith("organisation") else {}
    for path in (f"/v1/endpoints/{identifier}", f"/v1/endpoints?organisation={uuid_of('Ada')}"):
        answer = (await hall.http.get(path, headers=hall.bearer(role, **claims))).json()
        [found] = answer.get("items", [answer])
        assert found["contact_email"] == (DESK if sees else None)
        assert found["contact_confirmed_at"] is not None
    mails = (
        await hall.http.get(
            f"/v1/deliveries?organisation={uuid_of('Ada')}", headers=hall.bearer(role, **claims)
        )
    ).json()["items"]
    assert [one["contact_of"] for one in mails if one["channel"] == "email"] == [identifier]
    assert DESK not in str(mails)
    assert DESK not in str(logged)


async def test_an_endpoint_without_a_contact_is_what_it_was(
    office: tuple[Hall, Sink], receiver: Receiver
) -> None:
    hall, sink = office
    identifier = await hall.endpoint(receiver)
    found = await shown(hall, identifier)
    assert (found["contact_email"], found["contact_language"], found["contact_confirmed_at"]) == (None,) * 3
    assert (await put(hall, identifier, contact_email=DESK))["contact_language"] == "en"
    assert (await put(hall, identifier, contact_email=None))["contact_email"] is None
    await hall.dispatch()
    assert [to for to, _ in sink.taken] == [DESK]
    assert (await hall.http.post(link_in(sink.taken[-1][1], hall))).json()["code"] == "link-invalid"
