"""A mail's content leaves once its server has asked for it: before that nothing is lost, after it nothing is sent twice."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import update

from services.chassis.database import DatabaseAway
from services.notifications.mail.letters import Letter
from services.notifications.tables import DELIVERIES
from services.notifications.worker.mailing import Post
from tests.services.notifications.hall import Hall
from tests.services.notifications.office import Sink, confirmed, crossing


async def digest_states(hall: Hall) -> list[tuple[str, int]]:
    rows = await hall.rows("SELECT state, attempts FROM deliveries WHERE type = 'digest'")
    return [(row["state"], row["attempts"]) for row in rows]


@pytest.mark.parametrize(
    "words", ["", "451 later", "250 ok", "hello"], ids=["hangs up", "451", "250", "no code"]
)
async def test_a_server_that_never_asked_for_the_content_has_not_taken_it(
    office: tuple[Hall, Sink], words: str
) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="instant")
    sink.asked_for_content = words
    await crossing(hall)
    assert await digest_states(hall) == [("retrying", 1)]
    sink.asked_for_content = None
    await hall.until_due()
    assert await digest_states(hall) == [("delivered", 2)]
    assert len(sink.digests()) == 1


async def test_a_server_that_says_late_that_nobody_is_there_is_believed(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="instant")
    sink.asked_for_content = "550 5.1.1 no valid recipients"
    await crossing(hall)
    assert await digest_states(hall) == [("exhausted", 1)]
    assert len(await hall.rows("SELECT * FROM suppressions")) == 1


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ("251 taken and passed on", "delivered"),
        ("299", "delivered"),
        ("250 " + "x" * 9_000, "unconfirmed"),
        ("354 go on", "unconfirmed"),
        ("600 what", "unconfirmed"),
        ("hello", "unconfirmed"),
    ],
    ids=["251", "299", "too long a line", "354", "600", "no code"],
)
async def test_content_that_no_answer_refuses_goes_once_whatever_the_words(
    office: tuple[Hall, Sink], words: str, state: str
) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="instant")
    sink.take = words
    await crossing(hall)
    assert await digest_states(hall) == [(state, 1)]
    assert not await hall.until_due()
    assert len(sink.digests()) == 1


async def test_who_cannot_hand_over_says_nothing_that_would_be_read_as_content(
    office: tuple[Hall, Sink], monkeypatch: pytest.MonkeyPatch
) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="instant")

    async def away(*_given: Any) -> bool:
        raise DatabaseAway("for the test")

    with monkeypatch.context() as patch:
        patch.setattr(Post, "_hand_over", away)
        async with asyncio.timeout(5):  # a goodbye would be waited for
            await crossing(hall)
    assert await digest_states(hall) == [("retrying", 1)]
    await hall.until_due()
    assert len(sink.digests()) == 1


async def test_lines_that_begin_with_a_dot_arrive_as_they_were(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="instant")
    ada, project = await hall.member("Ada"), await hall.open_project()
    await hall.rank(project, 1, {ada: "good"})
    await hall.herald()
    text = ".\n..two\n. three\nend\n.\n"
    letter = Letter(subject="Dots", text=text, html="<p>dots</p>", language="en", leave="/v1/mail-links/x")
    async with hall.runtime.database.write() as connection:
        await connection.execute(
            update(DELIVERIES).where(DELIVERIES.c.type == "digest").values(body=letter.encoded())
        )
    await hall.dispatch()
    [digest] = sink.digests()
    assert digest.get_body(("plain",)).get_content().splitlines() == text.splitlines()
