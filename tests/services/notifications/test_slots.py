"""Who hangs makes room, and gets a bounded part of the places together: counted without a clock that runs."""

from services.notifications.worker.slots import (
    HANGING_PART,
    MAILS,
    MOST_TIMES,
    SLOW_AFTER,
    TAKES_ITS_TIME,
    Slots,
)

PLACES = 8


def filled(count: int) -> Slots:
    slots = Slots(PLACES, mails=3)
    for number in range(count):
        slots.begin(("m", number), f"e{number}", now=0.0)
    return slots


def test_a_slow_try_leaves_its_place_and_its_endpoint_waits() -> None:
    slots = filled(PLACES)
    assert slots.room(now=SLOW_AFTER / 2) == 0
    assert slots.room(now=SLOW_AFTER) == PLACES
    parts = slots.parts(now=SLOW_AFTER)
    assert not parts.take("e0")
    assert parts.take("another")
    assert set(parts.out) == {f"e{number}" for number in range(PLACES)}


def test_so_many_may_be_under_way_in_all() -> None:
    assert filled(MOST_TIMES * PLACES - 1).room(now=SLOW_AFTER) == 1
    assert filled(MOST_TIMES * PLACES).room(now=SLOW_AFTER) == 0


def test_who_timed_out_has_a_part_until_it_answers() -> None:
    slots = filled(3)
    for number in range(3):
        slots.end(("m", number), timed_out=True, now=0.1)
    parts = slots.parts(now=1.0)
    assert [parts.take(f"e{number}") for number in range(3)] == [True] * (PLACES // HANGING_PART) + [False]
    slots.begin(("m", 9), "e0", now=1.0)
    slots.end(("m", 9), timed_out=False, now=1.0)
    assert slots.parts(now=1.0).hanging == {"e1", "e2"}


def test_mails_are_one_receiver() -> None:
    slots = Slots(1, mails=3)
    slots.begin(("a", 1), None, now=0.0)
    parts = slots.parts(now=SLOW_AFTER)
    assert parts.hanging == {MAILS}
    assert not parts.take(None)


def test_so_many_mails_are_under_way_at_once() -> None:
    slots = filled(2)
    slots.begin(("a", 1), None, now=0.0)
    parts = slots.parts(now=1.0)
    assert [parts.take(None) for _ in range(3)] == [True, True, False]
    assert parts.out == {MAILS}


def test_who_has_a_try_or_had_a_long_one_just_now_goes_last() -> None:
    slots = filled(3)
    slots.begin(("a", 1), None, now=0.0)  # mails have a bound of their own
    assert slots.parts(now=0.1).served == {"e0", "e1", "e2"}
    slots.end(("m", 0), timed_out=False, now=TAKES_ITS_TIME)
    slots.end(("m", 1), timed_out=False, now=TAKES_ITS_TIME + 0.1)
    assert slots.parts(now=1.0).served == {"e1", "e2"}
    assert slots.parts(now=TAKES_ITS_TIME + 0.1 + SLOW_AFTER).served == {"e2"}
