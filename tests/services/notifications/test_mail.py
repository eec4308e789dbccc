"""Mails on a real SMTP server on the loopback address: digests in six languages, one click out, never twice."""

import asyncio
import html
from collections.abc import Mapping, MutableMapping
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from itertools import product
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from services.chassis.settings import load_settings
from services.notifications.mail.letters import LANGUAGES, Letter, message_of, words_of
from services.notifications.rules.yearly import ASKED_WITHIN, MOST_QUESTIONS
from services.notifications.worker import digests, retention
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import ADDRESS, Page, Sink, confirmed, crossing, link_in, unmarked
from tests.services.notifications.test_following import saved


async def test_no_mail_before_the_address_has_said_yes(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    subscription = await hall.subscribe(channel="email", email=ADDRESS, cadence="instant")
    await crossing(hall)
    assert [one["List-Unsubscribe"] for _, one in sink.taken] == [None]  # the question alone
    link = link_in(sink.taken[0][1], hall)
    shown = await hall.http.get(link)
    assert (shown.json()["done"], shown.json()["state"]) == (False, "unconfirmed")
    page = await hall.http.get(link, headers={"Accept": "text/html"})
    assert '<form method="post">' in page.text
    assert (await hall.call("GET", f"/v1/subscriptions/{subscription}"))["state"] == "unconfirmed"
    await hall.http.post(link)
    assert (await hall.call("GET", f"/v1/subscriptions/{subscription}"))["state"] == "active"


async def test_a_confirmation_speaks_for_the_address_that_it_was_sent_to(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    subscription = await hall.subscribe(channel="email", email="mine@ada.example", cadence="instant")
    await hall.dispatch()
    mine = link_in(sink.taken[-1][1], hall)
    body = {"channel": "email", "email": ADDRESS, "cadence": "instant", "opt_in": True}
    path = f"/v1/subscriptions/{subscription}"
    await hall.call("PUT", path, body, If_Match='"1"')
    await hall.dispatch()
    for answer in (await hall.http.get(mine), await hall.http.post(mine)):
        assert (answer.status_code, answer.json()["code"]) == (404, "link-invalid")
    assert (await hall.call("GET", path))["state"] == "unconfirmed"
    await crossing(hall)
    assert sink.digests() == []
    to, question = sink.taken[-1]
    assert to == ADDRESS
    await hall.http.post(link_in(question, hall))
    assert (await hall.call("GET", path))["state"] == "active"


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_digest_in_each_language_has_text_and_html_that_say_the_same(
    office: tuple[Hall, Sink], language: str
) -> None:
    hall, sink = office
    await confirmed(hall, sink, language=language, cadence="daily")
    await crossing(hall)
    assert sink.digests() == []
    hall.clock.moment += timedelta(days=1)
    await hall.settle()
    [digest] = sink.digests()
    words = words_of(language)
    text = unmarked(digest)
    source = digest.get_body(("html",)).get_content()
    page = Page(source)
    assert page.root["lang"] == language
    assert page.root["dir"] == ("rtl" if language == "ar" else "ltr")
    visible = page.text
    for said in (
        "Community networks for rural schools",
        words["why"].format(rule=words["rules"]["above-floor"]),
        words["terms"].format(terms="school"),
        words["statement"],
        words["new"],
    ):
        assert said in text
        assert said in visible
    assert "<img" not in source
    assert "<style" not in source  # it stands in the elements
    assert len(page.links) == 2
    assert all(link.startswith("http://127.0.0.1") for link in page.links)
    assert digest["Content-Language"] == language


async def test_the_address_by_which_one_leaves_stands_in_the_header_as_it_is(
    office: tuple[Hall, Sink],
) -> None:
    """RFC 8058 and 2369: `<https://…>` on the wire; an encoded word is no address, and a mail program shows no way out."""
    hall, sink = office
    await confirmed(hall, sink, cadence="instant")
    await crossing(hall)
    header, _, _ = sink.wire[-1].partition(b"\r\n\r\n")
    [line] = [one for one in header.split(b"\r\n") if one.lower().startswith(b"list-unsubscribe:")]
    link = line.partition(b": ")[2].decode("ascii")
    assert link.startswith(f"<{hall.runtime.settings.address}/v1/mail-links/")
    assert link.endswith(">")
    answer = await hall.http.post(link.strip("<>"), data={"List-Unsubscribe": "One-Click"})
    assert answer.json()["state"] == "ended"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "name", ["信息通信技术协会，北京", "جمعية مشغلي الاتصالات، كينيا والسودان", "Ada & Ben, Ltd"]
)
def test_a_subject_comes_as_it_was_written_however_long_and_in_whatever_letters(
    tmp_path: Path, language: str, name: str
) -> None:
    settings = load_settings(data_folder=tmp_path, mail={"sender": "Comity <hello@comity.example>"})
    for kind, words in words_of(language).items():
        if kind.endswith("_subject"):
            subject = words.format(count=3, organisation=name)
            letter = Letter(subject=subject, text="text", html="<p>text</p>", language=language)
            sent = message_of(letter, settings, to=ADDRESS, identifier="i", now=datetime.now(UTC)).as_bytes()
            assert message_from_bytes(sent, policy=default)["Subject"] == subject
            assert all(len(line) <= 78 for line in sent.partition(b"\r\n\r\n")[0].split(b"\r\n"))


ONE_CLICK: Mapping[str, Mapping[str, Any]] = {
    "multipart, as RFC 8058 prefers": {"files": {"List-Unsubscribe": (None, "One-Click")}},
    "urlencoded, as it allows": {"data": {"List-Unsubscribe": "One-Click"}},
    "nothing, as a button of ours": {},
}


@pytest.mark.parametrize("form", ONE_CLICK)
async def test_one_click_ends_it_at_once_and_looking_does_not(
    office: tuple[Hall, Sink], logged: list[MutableMapping[str, Any]], form: str
) -> None:
    hall, sink = office
    subscription = await confirmed(hall, sink, cadence="instant")
    await crossing(hall)
    [digest] = sink.digests()
    assert digest["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = digest["List-Unsubscribe"].strip("<>").removeprefix(hall.runtime.settings.address)
    logged.clear()
    await hall.http.get(link)
    assert [line["path"] for line in logged] == ["/v1/mail-links/{token}"]  # no log is a way to end it
    assert (await hall.call("GET", f"/v1/subscriptions/{subscription}"))["state"] == "active"
    answer = await hall.http.post(link, **ONE_CLICK[form])
    assert answer.status_code == 200
    found = await hall.call("GET", f"/v1/subscriptions/{subscription}")
    assert (found["state"], found["email"]) == ("ended", None)
    await crossing(hall, name="another")
    assert len(sink.digests()) == 1
    assert (await hall.http.post(link)).json()["state"] == "ended"  # again changes nothing
    assert (await hall.http.post("/v1/mail-links/forged-by-somebody")).status_code == 404


async def test_news_is_gathered_by_flagship_and_nothing_new_sends_nothing(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    await confirmed(hall, sink, language="fr")  # weekly, unless asked otherwise
    flagship = await hall.declare("flagship", en="Schools on line", fr="Écoles en ligne")
    await crossing(hall, flagship=flagship)
    await crossing(hall, name="another")
    monday = datetime(2026, 11, 30, 8, tzinfo=ZoneInfo("UTC"))
    hall.clock.moment = monday - timedelta(seconds=1)
    await hall.settle()
    assert sink.digests() == []
    hall.clock.moment = monday
    await hall.settle()
    [digest] = sink.digests()
    text = digest.get_body(("plain",)).get_content()
    assert text.count("* Community networks for rural schools") == 2
    assert flagship not in text
    assert text.index("Écoles en ligne") < text.index(words_of("fr")["no_flagship"])
    for _ in range(5):
        hall.clock.moment += timedelta(days=7)
        await hall.settle()
    assert len(sink.digests()) == 1


async def test_a_digest_that_is_made_anew_in_the_same_moment_is_another_mail(
    office: tuple[Hall, Sink],
) -> None:
    """A clock that was put right may come to the hour of a digest twice."""
    hall, sink = office
    await confirmed(hall, sink, cadence="instant")
    projects = [await hall.open_project(name) for name in ("first", "second")]
    for project in projects:
        await hall.rank(project, 1, {await hall.member("Ada"): "good"})
    await hall.herald()
    [made] = await hall.rows("SELECT id, state FROM deliveries WHERE period IS NOT NULL")
    await hall.call("PUT", f"/v1/dismissals/{projects[1]}", {"reason": "other"}, status=201)
    await hall.herald()
    await hall.settle()
    [digest] = sink.digests()
    assert digest.get_body(("plain",)).get_content().count("* Community networks") == 1
    states = {one["id"]: one["state"] for one in await hall.rows("SELECT id, state FROM deliveries")}
    assert states[made["id"]] == "cancelled"


async def test_what_no_server_took_before_a_pause_comes_once_it_is_over(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    subscription = await confirmed(hall, sink, cadence="daily")
    sink.refuse = "451 4.3.2 later"
    project = await crossing(hall)
    hall.clock.moment += timedelta(days=1)
    await hall.settle()
    way = {"channel": "email", "email": ADDRESS, "cadence": "daily"}
    await saved(hall, subscription, **way, paused=True)
    sink.refuse = ""
    hall.clock.moment += timedelta(days=1)
    await hall.settle()
    assert sink.digests() == []
    await saved(hall, subscription, **way)
    await hall.settle()
    hall.clock.moment += timedelta(days=1)
    await hall.settle()
    assert len(sink.digests()) == 1
    told = await hall.rows(
        "SELECT type FROM notices WHERE state = 'sent' AND project = :project", project=project
    )
    assert [one["type"] for one in told] == ["org.comity.match.proposed.v1"]


async def test_digests_of_an_hour_are_made_and_sent_in_the_order_of_a_keyed_hash(
    office: tuple[Hall, Sink], monkeypatch: pytest.MonkeyPatch
) -> None:
    hall, sink = office
    monkeypatch.setattr(digests, "AT_ONCE", 5)
    crossed = {}
    for number in range(13):
        crossed[await hall.member(f"Body {number}")] = "good"
        mail = await hall.subscribe(f"Body {number}", channel="email", email=f"n{number}@own.example")
        await hall.dispatch()
        await hall.http.post(link_in(sink.taken[-1][1], hall))
    project = await hall.open_project()
    await hall.rank(project, 1, crossed)
    await hall.settle()
    [row] = await hall.rows("SELECT next_digest_at FROM subscriptions WHERE id = :mail", mail=mail)
    hall.clock.moment += timedelta(days=8)
    batches = []
    while looked_at := await digests.step(hall.runtime):
        batches.append(looked_at)
        hall.clock.moment += timedelta(seconds=7)  # a batch takes its time
    assert batches == [5, 5, 3]
    keys = hall.runtime.state["keys"]
    subscriptions = await hall.rows("SELECT id FROM subscriptions")
    hashed = sorted(keys.place(row["next_digest_at"], one["id"]) for one in subscriptions)
    made = await hall.rows("SELECT place FROM deliveries WHERE type = 'digest' ORDER BY rowid")
    sent = await hall.rows(
        "SELECT place FROM deliveries WHERE type = 'digest' ORDER BY due_at, place, created_at"
    )
    assert [one["place"] for one in made] == [one["place"] for one in sent] == hashed


async def test_quiet_hours_hold_and_what_came_up_meanwhile_comes_together(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    await confirmed(
        hall,
        sink,
        cadence="instant",
        time_zone="Africa/Nairobi",
        quiet_hours={"from": "14:00", "until": "16:30"},
    )  # noon in UTC is three in the afternoon there
    await crossing(hall)
    await crossing(hall, name="another")
    hall.clock.moment += timedelta(minutes=89)
    await hall.settle()
    assert sink.digests() == []
    hall.clock.moment += timedelta(minutes=1)
    await hall.settle()
    [digest] = sink.digests()
    assert digest.get_body(("plain",)).get_content().count("* Community networks") == 2


@pytest.mark.parametrize("moment", ["before it is handed over", "after it is handed over"])
async def test_killed_at_any_moment_a_digest_is_never_sent_twice(
    office: tuple[Hall, Sink], moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="instant")
    post = type(hall.dispatcher.post)
    real = post._hand_over

    async def killed(self: Any, *given: Any) -> None:
        if moment == "after it is handed over":
            await real(self, *given)
        await asyncio.sleep(3_600)

    monkeypatch.setattr(post, "_hand_over", killed)
    ada, project = await hall.member("Ada"), await hall.open_project()
    await hall.rank(project, 1, {ada: "good"})
    await hall.herald()
    await hall.dispatcher.turn()
    for _ in range(200):
        rows = await hall.rows(
            "SELECT handed_over_at FROM attempts JOIN deliveries ON id = delivery WHERE type = 'digest'"
        )
        if rows[0]["handed_over_at"] or moment.startswith("before"):
            break
        await asyncio.sleep(0.01)
    hall.killed()
    await asyncio.sleep(0)
    monkeypatch.setattr(post, "_hand_over", real)
    await hall.settle()
    await hall.settle()
    states = [one["state"] for one in await hall.rows("SELECT state FROM deliveries WHERE type = 'digest'")]
    if moment.startswith("before"):
        assert (states, len(sink.digests())) == (["delivered"], 1)
    else:
        assert (states, len(sink.digests())) == (
            ["unconfirmed"],
            0,
        )  # it may have arrived: nobody sends it again


async def test_a_refused_address_is_not_written_to_again(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="instant")
    sink.refuse = "550 nobody of that name"
    await crossing(hall)
    sink.refuse = ""
    await crossing(hall, name="another")
    assert sink.digests() == []
    body = {"channel": "email", "email": ADDRESS, "opt_in": True}
    problem = await hall.call("PUT", f"/v1/subscriptions/{uuid_of('again')}", body, status=422)
    assert problem["errors"][0]["rule"] == "address-suppressed"
    assert ADDRESS not in str(await hall.rows("SELECT * FROM suppressions"))


@pytest.mark.parametrize("cadence", ["daily", "weekly", "monthly"])
@pytest.mark.parametrize("deadline", ["2026-12-26", "2026-12-27", "2026-12-28", "2026-12-29"])
async def test_every_cadence_is_reminded_before_the_deadline(
    office: tuple[Hall, Sink], cadence: str, deadline: str
) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence=cadence, time_zone="Pacific/Auckland")
    await hall.member("Ada")
    project = await hall.open_project(deadline=deadline)
    await hall.rank(project, 1, {uuid_of("Ada"): "good"})
    reminded = []
    while hall.clock.moment.date().isoformat() <= deadline:
        before = len(sink.digests())
        await hall.remind()
        reminded += [
            hall.clock.moment
            for one in sink.digests()[before:]
            if words_of("en")["rules"]["deadline-near"] in one.get_body(("plain",)).get_content()
        ]
        hall.clock.moment += timedelta(hours=6)
    first = min(reminded, default=hall.clock.moment)
    lead = timedelta({"daily": 6, "weekly": 8, "monthly": 32}[cadence])  # a day more in UTC than there
    assert deadline > first.date().isoformat() >= (date.fromisoformat(deadline) - lead).isoformat()


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("550 5.1.1 <NEWS@ada.example>: no such user", "5.1.1 <…@…>: no such user"),
        ("451 news@ada.example is busy, ask desk@ada.example", "…@… is busy, ask …@…"),
        ("250 taken for news@ada.example", "taken for …@…"),
    ],
)
async def test_the_delivery_log_keeps_no_address_that_a_server_repeats(
    office: tuple[Hall, Sink], said: str, kept: str
) -> None:
    hall, sink = office
    await confirmed(hall, sink)
    if said.startswith("250"):
        sink.take = said
    else:
        sink.refuse = said
    await crossing(hall)
    hall.clock.moment += timedelta(days=8)
    await hall.settle()
    [row] = await hall.rows(
        "SELECT response FROM attempts JOIN deliveries ON id = delivery WHERE type = 'digest'"
    )
    assert bytes(row["response"]).decode() == kept


async def test_an_address_is_asked_once_while_the_question_stands_and_so_often_a_day(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    body = {"channel": "email", "email": ADDRESS, "opt_in": True}
    subscription = await hall.subscribe(**body)
    path = f"/v1/subscriptions/{subscription}"

    async def save(email: str, status: int = 200) -> Any:
        revision = (await hall.call("GET", path))["revision"]
        saved = await hall.call("PUT", path, body | {"email": email}, status=status, If_Match=f'"{revision}"')
        await hall.dispatch()
        return saved

    for _ in range(3):  # before the question has left, and after
        await save(ADDRESS)
    assert len(sink.taken) == 1
    for turn in range(1, MOST_QUESTIONS):
        await save(f"other{turn}@ada.example")
        await save(ADDRESS)
    await save("other@ada.example")
    assert (await save(ADDRESS, 422))["errors"][0]["rule"] == "address-asked-enough"
    asked = [to for to, _ in sink.taken]
    assert (asked.count(ADDRESS), len(asked)) == (MOST_QUESTIONS, 2 * MOST_QUESTIONS)
    problem = await hall.call("PUT", f"/v1/subscriptions/{uuid4()}", body, name="Ben", status=422)
    assert problem["errors"][0]["rule"] == "address-asked-enough"
    hall.clock.moment += ASKED_WITHIN
    await retention.step(hall.runtime)
    assert await hall.rows("SELECT * FROM questions") == []
    await hall.subscribe("Ben", **body)
    await hall.dispatch()
    assert len(sink.taken) == len(asked) + 1


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_browser_that_presses_the_button_gets_a_page_in_its_language(
    office: tuple[Hall, Sink], language: str
) -> None:
    hall, sink = office
    words = words_of(language)
    browser = {
        "Accept": "text/html,application/xhtml+xml",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    await hall.subscribe(channel="email", email=ADDRESS, cadence="instant", language=language)
    await hall.dispatch()
    confirm = link_in(sink.taken[-1][1], hall)
    assert words["page_hint"] in html.unescape((await hall.http.get(confirm, headers=browser)).text)
    await hall.http.post(confirm, headers=browser)
    await crossing(hall)
    [digest] = sink.digests()
    leave = digest["List-Unsubscribe"].strip("<>").removeprefix(hall.runtime.settings.address)
    for link, said in ((confirm, "page_confirmed"), (leave, "page_unsubscribed")):
        for _ in range(2):
            answer = await hall.http.post(link, content=b"", headers=browser)
            page = html.unescape(answer.text)
            assert answer.headers["content-type"].startswith("text/html")
            assert f'lang="{language}"' in page
            assert words[said] in page
            assert "Ada" in page  # whose mails they are
            assert "<form" not in page


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_browser_with_a_link_that_leads_nowhere_gets_a_page_in_the_language_it_asks_for(
    office: tuple[Hall, Sink], language: str
) -> None:
    hall, _ = office
    browser = {"Accept": "text/html", "Accept-Language": f"{language}-XX, tlh;q=0.1"}
    links = ("of-nothing-at-all", "cut", "with.a.bracket)", "é" * 400)
    for method, link in product(("GET", "POST"), links):
        answer = await hall.http.request(method, f"/v1/mail-links/{link}", headers=browser)
        page = html.unescape(answer.text)
        assert answer.status_code == 404
        assert (f'lang="{language}"' in page, words_of(language)["page_nowhere"] in page) == (True, True)
        assert "width=device-width" in page  # it is opened on telephones
