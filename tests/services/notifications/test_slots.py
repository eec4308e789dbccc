"""Who hangs makes room, and gets a bounded part of the places together: counted without a clock that runs."""

from services.notifications.worker.slots import HANGING_PART, MAILS, MOST_TIMES, SLOW_AFTER, Slots

PLACES = 8


def filled(count: int) -> Slots:
    slots = Slots(PLACES)
    for number in range(count):
        slots.begin(("m", number), f"e{number}", now=0.0)
    return slots


def test_a_slow_try_leaves_its_place_and_its_endpoint_waits() -> None:
    slots = filled(PLACES)
    assert slots.room(now=SLOW_AFTER / 2) == 0
    assert slots.room(now=SLOW_AFTER) == PLACES
    hanging = slots.hanging(now=SLOW_AFTER)
    assert not hanging.take("e0")
    assert hanging.take("another")
    assert set(hanging.out) == {f"e{number}" for number in range(PLACES)}


def test_so_many_may_be_under_way_in_all() -> None:
    assert filled(MOST_TIMES * PLACES - 1).room(now=SLOW_AFTER) == 1
    assert filled(MOST_TIMES * PLACES).room(now=SLOW_AFTER) == 0


def test_who_timed_out_has_a_part_until_it_answers() -> None:
    slots = filled(3)
    for number in range(3):
        slots.end(("m", number), timed_out=True)
    hanging = slots.hanging(now=1.0)
    assert [hanging.take(f"e{number}") for number in range(3)] == [True] * (PLACES // HANGING_PART) + [False]
    slots.begin(("m", 9), "e0", now=1.0)
    slots.end(("m", 9), timed_out=False)
    assert slots.hanging(now=1.0).receivers == {"e1", "e2"}


def test_mails_are_one_receiver() -> None:
    slots = Slots(1)
    slots.begin(("a", 1), None, now=0.0)
    hanging = slots.hanging(now=SLOW_AFTER)
    assert hanging.receivers == {MAILS}
    assert not hanging.take(None)
