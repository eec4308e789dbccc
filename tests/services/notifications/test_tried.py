"""A webhook that was tried may have been read, whatever its receiver answered: under its id nothing else is ever told."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from tests.services.notifications.hall import Hall
from tests.services.notifications.test_coming_back import SDG_4, SDG_9, Story
from tests.services.notifications.test_heard_last import goes
from tests.services.notifications.test_other_conditions import saved
from tests.services.notifications.test_what_is_over import by_webhook, dismissed
from tests.services.notifications.village import Receiver

Moves = Callable[[Hall, Story], Awaitable[None]]

ANSWERS = pytest.mark.parametrize("answer", [503, 504])


def read(receiver: Receiver) -> list[tuple[str, str | None]]:
    """Rule and band of what a receiver took that passes over what it has seen, as the guide's does, whatever its gateway answered."""
    found = {}
    for one in receiver.events():
        found.setdefault(one["id"], (one["data"]["why"]["rule"], one["data"]["band"]))
    return list(found.values())


def newest(receiver: Receiver) -> str | None:
    """The band of what is newest by the rule of order that the guide gives."""
    latest = max(receiver.events(), key=lambda one: (one["data"]["list_version"], one["time"]))
    band: str | None = latest["data"]["band"]
    return band


async def passed(hall: Hall) -> None:
    """Let every message come to its end."""
    for _ in range(3):
        hall.clock.moment += timedelta(minutes=6)
        await hall.settle()
    while await hall.until_due():
        await hall.settle()


async def at_rest(hall: Hall, story: Story) -> None:
    """Let the pair move while its project rests."""
    await hall.open_project(**story.changes, state="dormant")
    await story.ranked("strong")
    await hall.open_project(**story.changes, state="published")
    await story.ranked()


async def dismissed_meanwhile(hall: Hall, story: Story) -> None:
    """Let the pair move while its organisation does not want to hear of the project."""
    await dismissed(hall, story.project)
    await story.ranked("strong")
    await hall.call("DELETE", f"/v1/dismissals/{story.project}", If_Match='"1"', status=204)
    await hall.settle()


@ANSWERS
@pytest.mark.parametrize("moves", [at_rest, dismissed_meanwhile])
async def test_who_has_read_it_hears_what_has_moved_since(
    hall: Hall, receiver: Receiver, moves: Moves, answer: int
) -> None:
    await by_webhook(hall, receiver, conditions={"themes": SDG_9})
    story = Story(hall)
    receiver.status = answer
    await story.begins()
    assert read(receiver) == [("above-floor", "good")]
    receiver.status = 204
    await moves(hall, story)
    await passed(hall)
    assert read(receiver)[-1][1] == "strong"
    assert newest(receiver) == "strong"


async def test_who_has_read_it_hears_what_moved_while_the_list_was_away(
    hall: Hall, receiver: Receiver
) -> None:
    mine = await by_webhook(hall, receiver, conditions={"themes": SDG_9})
    story = Story(hall)
    receiver.status = 504
    await story.begins()
    hall.lists.away = True
    await saved(hall, mine, {"themes": SDG_9}, language="fr")
    await story.ranked("strong")
    receiver.status, hall.lists.away = 204, False
    await hall.settle()
    await passed(hall)
    assert read(receiver)[-1][1] == "strong"
    assert newest(receiver) == "strong"


async def test_what_has_not_moved_is_told_again_under_its_id(hall: Hall, receiver: Receiver) -> None:
    mine = await by_webhook(hall, receiver, conditions={"themes": SDG_9})
    story = Story(hall)
    receiver.status = 503
    await story.begins()
    await saved(hall, mine, {"themes": SDG_9}, language="fr")
    receiver.status = 204
    await passed(hall)
    first, *again = receiver.events()
    assert {one["id"] for one in again} == {first["id"]}
    assert {one["data"]["language"] for one in again} == {"fr"}


async def test_who_has_read_that_it_left_hears_that_it_is_back(hall: Hall, receiver: Receiver) -> None:
    await by_webhook(hall, receiver, conditions={"themes": SDG_9})
    story = Story(hall)
    await story.begins()
    receiver.status = 504
    await story.goes_on("left")
    assert story.changes["tags"] == SDG_4
    await hall.open_project(**story.changes, state="dormant")
    await story.ranked()
    receiver.status = 204
    story.changes["tags"] = SDG_9
    await hall.open_project(**story.changes, state="published")
    await story.ranked()
    await passed(hall)
    assert read(receiver)[-1] == ("meets-conditions", "good")


async def test_what_was_heard_since_is_not_followed_by_what_was_so_before(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver, conditions={"themes": SDG_9})
    story = Story(hall)
    receiver.status = 503
    await story.begins()
    receiver.status = 204
    await story.ranked("possible")  # heard before the next try of the first word
    await hall.open_project(**story.changes, state="dormant")
    await goes(story, "good")
    await hall.open_project(**story.changes, state="published")
    await story.ranked()
    await passed(hall)
    assert newest(receiver) == "good"
    assert read(receiver)[-1][1] == "good"


@ANSWERS
@pytest.mark.parametrize("meanwhile", ["rests", "dismissed", "away"])
async def test_who_has_read_that_it_fell_hears_that_it_stands_again(
    hall: Hall, receiver: Receiver, meanwhile: str, answer: int
) -> None:
    mine = await by_webhook(hall, receiver)
    story = Story(hall)
    await story.begins()
    receiver.status = answer
    await story.goes_on("lost")
    if meanwhile == "rests":
        await hall.open_project(**story.changes, state="dormant")
        await goes(story, "found")
        receiver.status = 204
        await hall.open_project(**story.changes, state="published")
        await story.ranked()
    elif meanwhile == "dismissed":
        await goes(story, "dismissed found")
        receiver.status = 204
        await goes(story, "undismissed")
    else:
        hall.lists.away = True
        await saved(hall, mine, {}, language="fr")
        await goes(story, "found")
        receiver.status, hall.lists.away = 204, False
        await hall.settle()
    await passed(hall)
    assert [rule for rule, _ in read(receiver)] == ["above-floor", "fell-below-floor", "above-floor-again"]


@ANSWERS
@pytest.mark.parametrize(
    ("first", "then", "rule"),
    [
        ("lost", "good", "left-conditions"),
        ("possible", "weak", "band-fell"),
        ("possible", "good", "left-conditions"),
        ("possible", "strong", "left-conditions"),
    ],
)
async def test_that_it_is_not_what_is_asked_for_is_told_again_with_what_keeps_it_so(
    hall: Hall, receiver: Receiver, first: str, then: str, rule: str, answer: int
) -> None:
    await by_webhook(hall, receiver, conditions={"themes": SDG_9, "minimum_band": "good"})
    story = Story(hall)
    await story.begins()
    receiver.status = answer
    await goes(story, first)
    await hall.open_project(**story.changes, state="dormant")
    await story.ranked()
    await story.ranked(then)
    story.changes["tags"] = SDG_4
    receiver.status = 204
    await hall.open_project(**story.changes, state="published")
    await story.ranked()
    await passed(hall)
    tried, last = receiver.events()[1], receiver.events()[-1]
    assert (last["id"], last["data"]["why"]["rule"], last["data"]["band"]) == (tried["id"], rule, then)


@ANSWERS
@pytest.mark.parametrize("moves", ["changed", "strong", "possible"])
async def test_who_may_have_heard_nothing_is_told_of_a_pair_and_not_of_what_has_moved(
    hall: Hall, receiver: Receiver, moves: str, answer: int
) -> None:
    mine = await by_webhook(hall, receiver)
    story = Story(hall)
    receiver.status = answer
    await story.begins(countries=["KEN"])
    hall.lists.away = True
    await saved(hall, mine, {}, language="fr")
    await goes(story, moves)
    receiver.status, hall.lists.away = 204, False
    await hall.settle()
    await passed(hall)
    assert read(receiver)[1:] == [("meets-conditions", moves if moves != "changed" else "good")]
    assert receiver.events()[-1]["type"] == "org.comity.match.proposed.v1"
