"""A deadline that is moved: what has not left names the one that holds, and whoever was told another is reminded in time."""

from datetime import date, timedelta
from email.message import EmailMessage

import pytest

from services.notifications.rules.schedule import DELAYS
from services.notifications.worker.digests import LOOK_AGAIN
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import Sink, confirmed
from tests.services.notifications.test_what_is_over import MIDDAY, by_webhook, said
from tests.services.notifications.village import Receiver

FAR = "2027-06-30"
CLOSING = "opportunity.closing-soon.v1"


async def moved(hall: Hall, number: int, deadline: str) -> None:
    """Revise the project a day later, to this deadline and nothing else; its list is as it was."""
    hall.clock.moment += timedelta(days=1)
    project = await hall.open_project(deadline=deadline)
    await hall.rank(project, number, {}, above=1, reasons=("project",))
    await hall.settle()


async def told_of(hall: Hall, deadline: str = FAR) -> None:
    """Let Ada be told of the project on 23 November."""
    await hall.member("Ada")
    await hall.rank(await hall.open_project(deadline=deadline), 1, {uuid_of("Ada"): "good"})
    await hall.settle()


async def pass_until(hall: Hall, day: date) -> None:
    while hall.clock.moment.date() < day:
        hall.clock.moment += timedelta(days=1)
        await hall.remind()


def text_of(mail: EmailMessage) -> str:
    return str(mail.get_body(("plain",)).get_content())


async def test_a_digest_names_the_deadline_that_holds_when_it_leaves(
    post: tuple[Hall, Sink, Receiver],
) -> None:
    hall, sink, _ = post
    await confirmed(hall, sink, cadence="monthly")
    await told_of(hall)
    await moved(hall, 2, "2026-12-20")
    await pass_until(hall, date(2026, 12, 1))
    [digest] = sink.digests()
    assert "December 20, 2026" in text_of(digest)
    assert "June 30, 2027" not in text_of(digest)


async def test_a_digest_that_no_server_took_yet_is_made_anew_with_the_deadline_that_holds(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="monthly")
    await told_of(hall)
    sink.refuse = "451 later"
    await pass_until(hall, date(2026, 12, 1))
    sink.refuse = ""
    await moved(hall, 2, "2026-12-20")
    await hall.settle()
    [digest] = sink.digests()
    assert "December 20, 2026" in text_of(digest)


async def test_a_webhook_that_waits_for_its_hour_names_the_deadline_that_holds(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver, cadence="weekly")
    await told_of(hall)
    await moved(hall, 2, "2027-01-20")
    await pass_until(hall, date(2026, 12, 2))
    assert [one["data"]["deadline"] for one in receiver.events()] == ["2027-01-20"]


async def test_who_was_told_another_deadline_is_reminded_of_this_one_as_soon_as_it_is_near(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver)
    await told_of(hall)
    await moved(hall, 2, "2026-11-28")
    await pass_until(hall, date(2026, 11, 28))
    assert said(receiver) == ["match.proposed.v1", CLOSING, CLOSING]
    assert [one["data"]["deadline"] for one in receiver.events()] == [FAR, "2026-11-28", "2026-11-28"]


async def test_who_is_told_of_a_moved_deadline_when_it_is_near_is_not_reminded_beside_it(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver, quiet_hours=MIDDAY)  # told of it at one o'clock, with the new deadline
    await told_of(hall)
    project = await hall.open_project(deadline="2026-11-28")
    await hall.rank(project, 2, {}, above=1, reasons=("project",))
    await hall.remind()
    hall.clock.moment += timedelta(hours=2)
    await hall.remind()
    assert said(receiver) == ["match.proposed.v1"]
    assert receiver.events()[0]["data"]["deadline"] == "2026-11-28"


async def test_a_reminder_of_a_deadline_that_is_put_off_before_it_left_comes_in_its_time(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="weekly")
    await told_of(hall, "2026-12-20")
    await pass_until(hall, date(2026, 12, 13))  # of this day is the reminder, of the next its digest
    assert len(sink.digests()) == 1
    await moved(hall, 2, "2027-01-20")
    await pass_until(hall, date(2026, 12, 16))
    assert len(sink.digests()) == 1
    await moved(hall, 3, "2026-12-22")  # and back nearly to where it was
    await pass_until(hall, date(2026, 12, 21))
    assert "December 22, 2026" in text_of(sink.digests()[-1])
    assert len(sink.digests()) == 2


async def test_a_reminder_that_had_not_left_when_its_deadline_was_moved_for_a_while_comes_all_the_same(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver, quiet_hours=MIDDAY)
    await told_of(hall, "2026-12-20")
    hall.clock.moment += timedelta(hours=2)
    await hall.settle()
    hall.clock.moment -= timedelta(hours=2)
    await pass_until(hall, date(2026, 12, 15))  # noon: the reminder waits
    for deadline in (FAR, "2026-12-20"):
        await hall.open_project(deadline=deadline)
        await hall.remind()
    hall.clock.moment += timedelta(hours=2)
    await hall.remind()
    assert said(receiver) == ["match.proposed.v1", CLOSING]
    assert receiver.events()[-1]["data"]["deadline"] == "2026-12-20"


async def test_a_webhook_that_was_refused_names_the_deadline_that_holds_at_its_next_try(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    """Its hour had come: it does not wait for another month because the deadline was moved between two tries."""
    hall, _, _ = post
    await by_webhook(hall, receiver, cadence="monthly")
    await told_of(hall)
    receiver.status = 503
    assert await hall.until_due()
    hall.clock.moment += timedelta(hours=1)
    receiver.status = 204
    receiver.taken.clear()
    await hall.open_project(deadline="2026-12-21")
    await hall.settle()
    assert [one["data"]["deadline"] for one in receiver.events()] == ["2026-12-21"]


@pytest.mark.parametrize("by", ["recover", "replay"])
async def test_what_was_given_up_names_the_deadline_that_holds_when_it_is_asked_for(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver, by: str
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver)
    receiver.status = 503
    await told_of(hall)
    while await hall.until_due():
        pass
    [sent] = {one["id"] for one in receiver.events()}
    await hall.open_project(deadline="2027-01-21")
    await hall.settle()
    receiver.status = 204
    receiver.taken.clear()
    if by == "recover":
        [row] = await hall.rows("SELECT id FROM endpoints")
        path, since = f"/v1/endpoints/{row['id']}/recover", {"since": "2026-01-01T00:00:00Z"}
        assert await hall.call("POST", path, since) == {"messages": 1}
    else:
        await hall.call("POST", f"/v1/deliveries/{sent}/replay", status=202)
    await hall.settle()
    assert [(one["id"], one["data"]["deadline"]) for one in receiver.events()] == [(sent, "2027-01-21")]


async def test_a_try_that_was_out_while_the_deadline_was_moved_is_followed_by_one_that_names_it(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver)

    async def moves(_body: bytes) -> None:
        receiver.look = None
        await hall.open_project(deadline="2027-01-21")

    receiver.look, receiver.status = moves, 503
    await told_of(hall)
    receiver.status = 204
    hall.clock.moment += timedelta(minutes=1)
    await hall.settle()
    first, second = receiver.events()
    assert (first["data"]["deadline"], second["data"]["deadline"]) == (FAR, "2027-01-21")
    assert first["id"] == second["id"]


async def test_a_digest_that_was_out_for_the_last_time_while_the_deadline_was_moved_is_no_cadence_late(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="monthly")
    await told_of(hall)
    tries = 0

    async def busy() -> str:
        nonlocal tries
        tries += 1
        if tries == len(DELAYS):
            await hall.open_project(deadline="2027-05-21")
        return "451 4.3.2 later"

    sink.ask = busy
    await pass_until(hall, date(2026, 12, 1))
    while await hall.until_due():
        pass
    assert tries == len(DELAYS)
    sink.ask = None
    await pass_until(hall, date(2027, 1, 1))
    hall.clock.moment += LOOK_AGAIN
    await hall.settle()
    [digest] = sink.digests()
    assert "May 21, 2027" in text_of(digest)
