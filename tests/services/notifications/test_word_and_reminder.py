"""A word and a reminder of one project in one digest: it is named once, as the word says it, and that its deadline is near beside it."""

import asyncio
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest

from services.notifications.mail.letters import LANGUAGES, words_of
from services.notifications.worker import digests
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import Page, Sink, confirmed, unmarked
from tests.services.notifications.test_leaving_conditions import SDG_4
from tests.services.notifications.test_nothing_new import (
    DEADLINE,
    Post,
    a_week_later,
    announced,
    reasons,
    revised,
    stands,
)
from tests.services.notifications.test_what_is_over import sections

TITLE = "Community networks for rural schools"
NEAR = "deadline-near"


async def reminded(hall: Hall) -> None:
    """Make the reminder that the mail of Monday 7 December is to carry."""
    hall.clock.moment = datetime(2026, 12, 7, 0, 30, tzinfo=UTC)
    await hall.remind()


async def moved(hall: Hall, how: str) -> None:
    if how == "changed":
        await revised(hall, 2, countries=["TZA"], deadline=DEADLINE)
    else:
        await stands(hall, 2, how)


def both_parts(mail: EmailMessage) -> tuple[str, str]:
    return unmarked(mail), Page(mail.get_body(("html",)).get_content()).text


@pytest.mark.parametrize("first", ["word", "reminder"])
@pytest.mark.parametrize(
    ("how", "rule", "band"),
    [
        ("changed", "project-changed", "good"),
        ("strong", "band-rose", "strong"),
        ("possible", "band-fell", "possible"),
    ],
)
async def test_what_changed_is_told_beside_the_deadline_that_is_near(
    post: Post, how: str, rule: str, band: str, first: str
) -> None:
    hall, sink = await announced(post, deadline=DEADLINE)
    if first == "word":
        await moved(hall, how)
    await reminded(hall)
    if first == "reminder":
        await moved(hall, how)
    for _ in range(2):
        await a_week_later(hall)
    [_, mail] = sink.digests()
    assert (sections(mail), set(reasons(mail))) == (["changed"], {rule, NEAR})
    words = words_of("en")
    why = words["why"].format(rule=f"{words['rules'][rule]} · {words['rules'][NEAR]}")
    for text in both_parts(mail):
        assert [text.count(one) for one in (TITLE, why, f"Fit: {band}", "Why, in en.")] == [1] * 4


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("in_full", [0, 1])
async def test_a_first_word_is_new_however_near_the_deadline_is(
    office: tuple[Hall, Sink], monkeypatch: pytest.MonkeyPatch, language: str, in_full: int
) -> None:
    monkeypatch.setattr(digests, "IN_FULL", in_full)
    hall, sink = office
    await confirmed(hall, sink, cadence="weekly", language=language)
    await a_week_later(hall)  # with nothing to say
    await hall.member("Ada")
    await hall.open_project(deadline=DEADLINE)
    await stands(hall, 1, "good")
    await reminded(hall)
    await a_week_later(hall)
    [mail] = sink.digests()
    words = words_of(language)
    band = words["band"].format(band=words["bands"]["good"])
    why = f"{words['rules']['above-floor']} · {words['rules'][NEAR]}"
    for text in both_parts(mail):
        assert [text.count(one) for one in (band, why, f"Why, in {language}.")] == [1, 1, in_full]
        lines = [line.strip("- ") for line in text.splitlines()]
        assert [lines.count(words[section]) for section in ("new", "closing")] == [1, 0]


@pytest.mark.parametrize(
    ("how", "section", "rule"),
    [
        ("closed", "ended", "project-closed"),
        ("lost", "fallen", "fell-below-floor"),
        ("left", "changed", "left-conditions"),
    ],
)
async def test_no_deadline_is_near_of_what_was_over_while_its_reminder_was_out(
    post: Post, how: str, section: str, rule: str
) -> None:
    hall, sink = await announced(post, deadline=DEADLINE)
    await reminded(hall)
    hall.clock.moment = datetime(2026, 12, 7, 8, 30, tzinfo=UTC)
    await hall.herald()
    out, over = asyncio.Event(), asyncio.Event()

    async def ask() -> str:
        out.set()
        await over.wait()
        return "451 4.3.2 the server is being moved"

    sink.ask = ask
    sending = asyncio.create_task(hall.dispatch())
    await out.wait()
    if how == "lost":
        await hall.rank(uuid_of("schools"), 2, {}, lost=[uuid_of("Ada")])
    else:
        changes = {"state": "closed"} if how == "closed" else {"tags": SDG_4}
        await hall.open_project(deadline=DEADLINE, **changes)
        await hall.rank(uuid_of("schools"), 2, {}, above=1)
    await hall.herald()
    over.set()
    await sending
    sink.ask = None
    await a_week_later(hall)
    [_, mail] = sink.digests()
    assert (sections(mail), reasons(mail)) == ([section], [rule])
