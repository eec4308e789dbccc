"""A mail server that refuses us loses no mail and nobody's good name; one that refuses an address is believed."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.notifications.rules.refusals import about
from services.notifications.rules.schedule import DELAYS
from services.notifications.worker.mailing import Post
from tests.services.notifications.hall import Hall, open_hall
from tests.services.notifications.office import (
    ADDRESS,
    Sink,
    confirmed,
    crossing,
    mail_to,
    refusal_in,
    sinking,
)


@pytest.mark.parametrize(
    ("code", "message", "taken", "meant"),
    [
        (550, "nobody of that name", False, "address"),
        (550, "5.1.1 no such user", False, "address"),
        (550, "5.1.1 no such user", True, "address"),  # some say so late
        (551, "user not local", False, "address"),
        (553, "5.1.3 bad address", False, "address"),
        (556, "5.1.10 domain takes no mail", False, "address"),
        (550, "5.7.1 relaying denied", False, "sender"),
        (550, "5.7.23 SPF validation failed", False, "sender"),
        (553, "5.1.8 sender's domain is nowhere", False, "sender"),
        (550, "5.1.7 sender's address", False, "sender"),
        (550, "5.2.1 mailbox disabled", False, "address"),
        (552, "5.2.2 mailbox full", False, "sender"),  # passes: tried again, and nobody is blamed
        (554, "no SMTP service for you", False, "sender"),
        (554, "5.7.1 spam", True, "sender"),
        (552, "too much", True, "mail"),
        (552, "5.3.4 too big", True, "mail"),
        (550, "5.6.0 cannot be read", True, "mail"),
        (550, "rejected", True, "sender"),
    ],
)
def test_what_a_refusal_is_about(code: int, message: str, meant: str, *, taken: bool) -> None:
    assert about(code, message, taken=taken) == meant


async def digest_state(hall: Hall) -> tuple[str, int]:
    [row] = await hall.rows("SELECT state, attempts FROM deliveries WHERE type = 'digest'")
    return row["state"], row["attempts"]


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ("refuse_sender", "550 5.7.1 sender not allowed"),
        ("refuse", "550 5.7.1 relaying denied"),
        ("refuse_content", "554 5.7.1 not from here"),
    ],
)
async def test_a_refusal_of_who_sends_is_tried_again_and_blames_no_address(
    office: tuple[Hall, Sink], stage: str, words: str
) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="instant")
    setattr(sink, stage, words)
    await crossing(hall)
    assert await digest_state(hall) == ("retrying", 1)
    setattr(sink, stage, "")
    await hall.until_due()
    assert len(sink.digests()) == 1
    assert await hall.rows("SELECT * FROM suppressions") == []


async def test_a_password_that_is_refused_is_tried_again(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="instant")
    asked = hall.runtime.settings.mail
    wrong = asked.model_copy(update={"username": "comity", "password": SecretStr("expired")})
    right, hall.dispatcher.post = (
        hall.dispatcher.post,
        Post(hall.runtime.settings.model_copy(update={"mail": wrong})),
    )
    await crossing(hall)
    assert await digest_state(hall) == ("retrying", 1)
    [refused] = await hall.rows("SELECT status FROM attempts WHERE outcome = 'failed'")
    assert refused["status"] == 535
    hall.dispatcher.post = right
    await hall.until_due()
    assert len(sink.digests()) == 1


async def test_content_that_is_refused_is_not_sent_again_and_blames_no_address(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="instant")
    sink.refuse_content = "552 5.3.4 too big"
    await crossing(hall)
    assert await digest_state(hall) == ("exhausted", 1)
    assert await hall.rows("SELECT * FROM suppressions") == []


@pytest.mark.parametrize("cadence", ["instant", "weekly"])
async def test_what_no_server_took_in_all_its_tries_comes_with_the_next_digest(
    office: tuple[Hall, Sink], cadence: str
) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence=cadence, weekly_cap=1)
    sink.refuse = "451 4.3.2 the server is being moved"
    await crossing(hall)
    if cadence == "weekly":
        hall.clock.moment += timedelta(days=7)
        await hall.settle()
    while await hall.until_due():
        pass
    [row] = await hall.rows("SELECT state, attempts FROM deliveries WHERE type = 'digest'")
    assert (row["state"], row["attempts"]) == ("exhausted", len(DELAYS))
    sink.refuse = ""
    await crossing(hall, name="another")
    hall.clock.moment += timedelta(days=1 if cadence == "instant" else 7)
    await hall.settle()
    [digest] = sink.digests()
    assert digest.get_body(("plain",)).get_content().count("* Community networks") == 2
    hall.clock.moment += timedelta(days=14)
    await hall.settle()
    assert len(sink.digests()) == 1


async def test_a_digest_is_not_made_before_there_is_a_mail_server_and_then_once(
    tmp_path: Path,
) -> None:
    async with open_hall(tmp_path) as hall:
        mail = await hall.subscribe(channel="email", email=ADDRESS, cadence="daily")
        link = hall.runtime.state["keys"].link("confirm", mail, email=ADDRESS)
        await hall.http.post(f"/v1/mail-links/{link}")
        for name in ("first", "second", "third"):
            await crossing(hall, name=name)
            hall.clock.moment += timedelta(days=7)
            await hall.settle()
        assert await hall.rows("SELECT id FROM deliveries WHERE type = 'digest'") == []
        now = hall.clock.moment
    async with sinking() as (sink, port), open_hall(tmp_path, mail=mail_to(port)) as hall:
        hall.clock.moment = now
        await hall.settle()
        [digest] = sink.digests()
        assert digest.get_body(("plain",)).get_content().count("* Community networks") == 3


async def test_the_administrator_lifts_what_an_address_was_suppressed_for(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="instant")
    sink.refuse = "550 5.1.1 no such user"
    await crossing(hall)
    assert await digest_state(hall) == ("exhausted", 1)
    sink.refuse = ""
    wanted = {"channel": "email", "email": ADDRESS}
    assert (await hall.subscribe(**wanted, status=422)) is not None
    hall.clock.moment += timedelta(minutes=1)
    named = {"email": ADDRESS.upper()}
    await hall.call("POST", "/v1/suppressions/lift", named, status=403)
    answers = [
        await hall.http.post("/v1/suppressions/lift", json=named, headers=hall.bearer("bdt_admin"))
        for _ in range(2)
    ]
    assert [one.status_code for one in answers] == [204, 404]
    await confirmed(hall, sink, cadence="instant")
    await crossing(hall, name="another")
    assert len(sink.digests()) > 0
    assert ADDRESS not in str(await hall.rows("SELECT * FROM audit")).lower()


async def test_an_address_that_wanted_no_questions_is_written_to_no_more_once_its_server_knows_nobody(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="instant")
    await hall.subscribe("Bea", channel="email", email=ADDRESS)
    await hall.dispatch()
    await hall.http.post(refusal_in(sink, hall))
    sink.refuse = "550 5.1.1 no such user"
    await crossing(hall)
    assert await hall.rows("SELECT reason FROM suppressions") == [{"reason": "refused by its server"}]
