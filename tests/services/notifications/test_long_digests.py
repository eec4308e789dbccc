"""Much news in one mail: all is named, what closes soon first and in full; what a mail has no room for waits, each is told once."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from email.message import EmailMessage

import pytest
from babel.dates import format_date

from services.notifications.mail.letters import LANGUAGES, isolated, words_of
from services.notifications.worker import digests, reminders
from services.notifications.worker.reasons import SENTENCES_TOLD
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import Page, Sink, confirmed


@pytest.fixture
def room_for_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "IN_FULL", 1)
    monkeypatch.setattr(digests, "MOST_NAMED", 2)


def said(digest: EmailMessage) -> str:
    return str(digest.get_body(("plain",)).get_content())


def told(digest: EmailMessage) -> list[str]:
    """Return the titles that a mail names, in order."""
    lines = [line.removeprefix("* ") for line in said(digest).splitlines() if line.startswith("* ")]
    return [line.partition(" · ")[0].strip(" \u2068\u2069") for line in lines]


async def found(hall: Hall, title: str, *, deadline: str = "2027-06-30", state: str = "published") -> str:
    """Open, or revise, a project of this title."""
    titles = [{"language": "en", "text": title}]
    return await hall.open_project(title, titles=titles, deadline=deadline, state=state)


async def found_all(hall: Hall, titles: Iterable[str] = "ABCDE", **changes: str) -> None:
    """Projects on whose lists Ada stands, each told of in its turn."""
    ada = await hall.member("Ada")
    for title in titles:
        await hall.rank(await found(hall, title, **changes), 1, {ada: "good"})
        await hall.settle()


async def a_week_later(hall: Hall) -> None:
    hall.clock.moment += timedelta(days=7)
    await hall.remind()


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_mail_names_all_twenty_in_full_and_the_others_in_a_line_each(
    office: tuple[Hall, Sink], language: str
) -> None:
    hall, sink = office
    await confirmed(hall, sink, language=language)
    titles = [f"Number {n}" for n in range(23)]
    await found_all(hall, titles)
    for _ in range(2):
        await a_week_later(hall)
    [digest] = sink.digests()
    assert told(digest) == titles
    words = words_of(language)
    assert digest["Subject"] == words["digest_subject"].format(
        count=23, organisation=isolated("Ada", language)
    )
    why, short = words["why"].format(rule=""), words["rules"]["above-floor"]
    band = words["band"].format(band=words["bands"]["good"])
    deadline = words["deadline"].format(day=format_date(date(2027, 6, 30), "long", locale=language))
    page = Page(digest.get_body(("html",)).get_content())
    for text in (said(digest), page.text):
        assert (text.count(why), text.count(short)) == (20, 23)
        assert (text.count(band), text.count(deadline)) == (23, 23)
    *_, last = [line for line in said(digest).splitlines() if line.startswith("* ")]
    link = f"/v1/projects/{uuid_of('Number 22')}"
    assert last.startswith(f"* {isolated('Number 22', language)} · {band} · {deadline} · {short} · http")
    assert last.endswith(link)
    assert sum(one.endswith(link) for one in page.links) == 1
    [notices] = await hall.rows("SELECT count(*) AS told FROM notices WHERE state = 'sent'")
    assert notices["told"] == 23


async def test_who_has_chosen_a_mail_a_month_is_told_of_each_project_in_the_month_in_which_it_came(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="monthly")
    for month in range(3):
        await found_all(hall, [f"{month}-{n}" for n in range(25)])
        [row] = await hall.rows("SELECT next_digest_at AS due FROM subscriptions")
        hall.clock.moment = datetime.fromisoformat(row["due"])
        await hall.settle()
        assert told(sink.digests()[-1]) == [f"{month}-{n}" for n in range(25)]


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_largest_mail_is_shown_whole(office: tuple[Hall, Sink], language: str) -> None:
    """Some readers' programs cut an HTML mail off at 102 kB, and with it the way to leave."""
    hall, sink = office
    await confirmed(hall, sink, language=language)
    title = "A network of schools and clinics in the north, number"
    ada = uuid_of("Ada")
    reason = "И в проекте, и в профиле говорится о “школах”, “сообществах”, “сетях”, “связи”, “данных”."
    hall.lists.rows_of[ada] = {
        "reasons": [reason] * SENTENCES_TOLD,
        "shared_terms": ["community network"] * 10,
    }
    titles = [f"{title} {n}" for n in range(digests.MOST_NAMED + 1)]
    await found_all(hall, titles, deadline="2026-12-07")
    hall.clock.moment = hall.clock.moment.replace(hour=7) + timedelta(days=7)
    for _ in range(0, len(titles), reminders.LOOKS_AT_ONCE):
        await hall.remind()  # beside each first word
    await a_week_later(hall)
    [digest] = sink.digests()
    assert len(told(digest)) == digests.MOST_NAMED
    assert said(digest).count(words_of(language)["rules"]["deadline-near"]) == digests.MOST_NAMED
    assert len(digest.get_body(("html",)).get_content().encode()) < 102_000


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.usefixtures("room_for_two")
async def test_what_one_mail_has_no_room_for_waits_for_the_next_and_the_mail_says_so(
    office: tuple[Hall, Sink], language: str
) -> None:
    hall, sink = office
    await confirmed(hall, sink, language=language)
    await found_all(hall)
    for _ in range(5):
        await a_week_later(hall)
    assert [told(one) for one in sink.digests()] == [["A", "B"], ["C", "D"], ["E"]]
    words = words_of(language)
    for digest, more in zip(sink.digests(), (3, 1, 0), strict=True):
        page = Page(digest.get_body(("html",)).get_content())
        sentence = words["more"].format(count=more)
        for text in (said(digest), page.text):
            assert (sentence in text) == bool(more)
    subjects = [one["Subject"] for one in sink.digests()]
    assert subjects == [
        words["digest_subject"].format(count=count, organisation=isolated("Ada", language))
        for count in (2, 2, 1)
    ]


@pytest.mark.usefixtures("room_for_two")
async def test_the_end_of_what_no_mail_had_room_for_is_not_named(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    await confirmed(hall, sink)
    await found_all(hall)
    await a_week_later(hall)
    for title in ("A", "E"):
        await found(hall, title, state="closed")
    for _ in range(4):
        await a_week_later(hall)
    assert [told(one) for one in sink.digests()] == [["A", "B"], ["C", "D"], ["A"]]
    assert f"-- {words_of('en')['ended']}" in said(sink.digests()[-1])


@pytest.mark.usefixtures("room_for_two")
async def test_what_closes_soon_goes_first(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    await confirmed(hall, sink)
    await found_all(hall)
    for title, deadline in (("C", "2026-12-07"), ("D", "2026-12-06"), ("E", "2026-12-05")):
        await found(hall, title, deadline=deadline)
    hall.clock.moment = hall.clock.moment.replace(hour=7) + timedelta(days=7)
    await hall.remind()  # the reminders are there before the morning's mail
    for _ in range(3):
        await a_week_later(hall)
    assert [sorted(told(one)) for one in sink.digests()] == [["D", "E"], ["A", "C"], ["B"]]


@pytest.mark.usefixtures("room_for_two")
async def test_told_at_once_the_rest_comes_the_next_morning(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    night = {"from": "20:00", "until": "07:00"}
    subscription = await confirmed(hall, sink, cadence="instant", quiet_hours=night)
    hall.clock.moment = hall.clock.moment.replace(hour=22)
    await found_all(hall)
    for _ in range(6):
        hall.clock.moment += timedelta(hours=9)
        await hall.settle()
        hall.clock.moment += timedelta(hours=3)
        await hall.settle()
    assert [told(one) for one in sink.digests()] == [["A", "B"], ["C", "D"], ["E"]]
    assert (await hall.call("GET", f"/v1/subscriptions/{subscription}"))["next_digest_at"] is None
