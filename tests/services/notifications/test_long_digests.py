"""More news than one mail has room for: what closes soon goes first, the rest waits for the next mail, each is told once."""

from datetime import timedelta
from email.message import EmailMessage

import pytest

from services.notifications.mail.letters import LANGUAGES, words_of
from services.notifications.worker import digests
from tests.services.notifications.hall import Hall
from tests.services.notifications.office import Page, Sink, confirmed


@pytest.fixture(autouse=True)
def room_for_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "MOST_SHOWN", 2)


def said(digest: EmailMessage) -> str:
    return str(digest.get_body(("plain",)).get_content())


def told(digest: EmailMessage) -> list[str]:
    """Return the titles that a mail names, in order."""
    return [line.removeprefix("* ").strip() for line in said(digest).splitlines() if line.startswith("* ")]


async def found(hall: Hall, title: str, *, deadline: str = "2027-06-30", state: str = "published") -> str:
    """Open, or revise, a project of this title."""
    titles = [{"language": "en", "text": title}]
    return await hall.open_project(title, titles=titles, deadline=deadline, state=state)


async def found_five(hall: Hall) -> None:
    """Five projects on whose lists Ada stands, each told of in its turn."""
    ada = await hall.member("Ada")
    for title in "ABCDE":
        await hall.rank(await found(hall, title), 1, {ada: "good"})
        await hall.settle()


async def a_week_later(hall: Hall) -> None:
    hall.clock.moment += timedelta(days=7)
    await hall.remind()


@pytest.mark.parametrize("language", LANGUAGES)
async def test_what_one_mail_has_no_room_for_waits_for_the_next_and_the_mail_says_so(
    office: tuple[Hall, Sink], language: str
) -> None:
    hall, sink = office
    subscription = await confirmed(hall, sink, language=language)
    await found_five(hall)
    for _ in range(5):
        await a_week_later(hall)
    assert [told(one) for one in sink.digests()] == [["A", "B"], ["C", "D"], ["E"]]
    words = words_of(language)
    for digest, more in zip(sink.digests(), (3, 1, 0), strict=True):
        page = Page(digest.get_body(("html",)).get_content())
        sentence, link = words["more"].format(count=more), f"/v1/notices?subscription={subscription}"
        for text in (said(digest), page.text):
            assert (sentence in text) == bool(more)
        assert any(one.endswith(link) for one in page.links) == (link in said(digest)) == bool(more)
    subjects = [one["Subject"] for one in sink.digests()]
    assert subjects == [
        words["digest_subject"].format(count=count, organisation="Ada") for count in (2, 2, 1)
    ]


async def test_the_end_of_what_no_mail_had_room_for_is_not_named(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    await confirmed(hall, sink)
    await found_five(hall)
    await a_week_later(hall)
    for title in ("A", "E"):
        await found(hall, title, state="closed")
    for _ in range(4):
        await a_week_later(hall)
    assert [told(one) for one in sink.digests()] == [["A", "B"], ["C", "D"], ["A"]]
    assert f"-- {words_of('en')['ended']}" in said(sink.digests()[-1])


async def test_what_closes_soon_goes_first(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    await confirmed(hall, sink)
    await found_five(hall)
    for title, deadline in (("C", "2026-12-07"), ("D", "2026-12-06"), ("E", "2026-12-05")):
        await found(hall, title, deadline=deadline)
    hall.clock.moment = hall.clock.moment.replace(hour=7) + timedelta(days=7)
    await hall.remind()  # the reminders are there before the morning's mail
    for _ in range(3):
        await a_week_later(hall)
    assert [sorted(told(one)) for one in sink.digests()] == [["D", "E"], ["A", "C"], ["B"]]


async def test_told_at_once_the_rest_comes_the_next_morning(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    night = {"from": "20:00", "until": "07:00"}
    subscription = await confirmed(hall, sink, cadence="instant", quiet_hours=night)
    hall.clock.moment = hall.clock.moment.replace(hour=22)
    await found_five(hall)
    for _ in range(6):
        hall.clock.moment += timedelta(hours=9)
        await hall.settle()
        hall.clock.moment += timedelta(hours=3)
        await hall.settle()
    assert [told(one) for one in sink.digests()] == [["A", "B"], ["C", "D"], ["E"]]
    assert (await hall.call("GET", f"/v1/subscriptions/{subscription}"))["next_digest_at"] is None
