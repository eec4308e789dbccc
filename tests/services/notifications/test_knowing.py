"""What a message says of a move is true of its figures, and is news to whoever knows the last word of the project."""

import pytest

from services.notifications.rules.conditions import BAND_ORDER
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.test_coming_back import (
    BACK,
    CLOSED,
    ENTERED,
    FELL,
    LEFT,
    PROPOSED,
    ROSE,
    SDG_9,
    Story,
    heard,
)
from tests.services.notifications.test_other_conditions import passes, saved
from tests.services.notifications.test_what_is_over import by_webhook
from tests.services.notifications.village import Receiver

CHANGED = ("opportunity.updated", "project-changed")


def bands(receiver: Receiver) -> list[str]:
    return [one["data"]["band"] for one in receiver.events()]


async def waited(story: Story, steps: str) -> None:
    """Let these steps come while the list is away; `changed`: in other countries, `version`: of the list, the pair as it was."""
    story.hall.lists.away = True
    for step in steps.split():
        if step == "changed":
            story.changes["countries"] = ["TZA"]
            await story.hall.open_project(**story.changes)
        elif step in {"version", *BAND_ORDER}:
            await story.ranked(None if step == "version" else step)
        else:
            await story.goes_on(step)
    story.hall.lists.away = False
    await story.hall.settle()


@pytest.mark.parametrize("by", ["a pause", "a dismissal"])
async def test_a_pair_that_fell_while_its_rise_waited_is_told_to_have_fallen(
    hall: Hall, receiver: Receiver, by: str
) -> None:
    subscription = await by_webhook(hall, receiver, cadence="weekly", conditions={"themes": SDG_9})
    story = Story(hall)
    await story.begins()
    await passes(hall)
    await story.ranked("strong")
    if by == "a pause":
        await saved(hall, subscription, {"themes": SDG_9}, paused=True)
        await story.ranked("possible")
        await saved(hall, subscription, {"themes": SDG_9})
        await hall.settle()
    else:
        await story.goes_on("dismissed")
        await story.ranked("possible")
        await story.goes_on("undismissed")
    await passes(hall)
    assert (heard(receiver), bands(receiver)) == ([PROPOSED, FELL], ["good", "possible"])


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("strong possible", [FELL]),
        ("possible strong", [ROSE]),
        ("strong good", []),
        ("strong good strong", [ROSE]),
        ("strong changed good", [CHANGED]),
    ],
)
async def test_moves_that_waited_for_a_list_are_told_as_one(
    hall: Hall, receiver: Receiver, steps: str, told: list[tuple[str, str]]
) -> None:
    await by_webhook(hall, receiver)
    story = Story(hall)
    await story.begins()
    await waited(story, steps)
    assert heard(receiver) == [PROPOSED, *told]
    assert bands(receiver)[-1] == steps.rsplit(maxsplit=1)[-1]


async def test_a_move_that_the_first_word_has_told_already_is_no_news(hall: Hall, receiver: Receiver) -> None:
    await by_webhook(hall, receiver)
    ada, project = await hall.member("Ada"), await hall.open_project()
    hall.lists.rows_of[ada] = {"band": "strong"}  # the list is a version ahead of the log
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    await hall.rank(project, 2, {ada: "strong"})
    await hall.settle()
    assert (heard(receiver), bands(receiver)) == ([PROPOSED], ["strong"])
    hall.lists.rows_of[ada] = {"band": "good"}
    await hall.rank(project, 3, {ada: "good"})
    await hall.settle()
    assert (heard(receiver), bands(receiver)) == ([PROPOSED, FELL], ["strong", "good"])


async def test_a_list_that_is_ahead_in_a_band_that_was_not_asked_for_is_waited_for(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver, conditions={"minimum_band": "good"})
    ada, project = await hall.member("Ada"), await hall.open_project()
    hall.lists.rows_of[ada] = {"band": "possible"}
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    assert heard(receiver) == []
    await hall.rank(project, 2, {ada: "possible"})
    await hall.settle()
    assert heard(receiver) == []
    hall.lists.rows_of[ada] = {"band": "good"}
    await hall.rank(project, 3, {ada: "good"})
    await hall.settle()
    assert (heard(receiver), bands(receiver)) == ([PROPOSED], ["good"])


async def test_after_a_rise_that_may_have_been_read_what_is_so_is_told(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver, conditions={"themes": SDG_9})
    story = Story(hall)
    await story.begins()
    receiver.status = 503
    await story.ranked("strong")
    assert heard(receiver)[1:] == [ROSE]
    receiver.status = 200
    await story.goes_on("dismissed")
    await story.ranked("good")
    await story.goes_on("undismissed")
    while await hall.until_due():
        pass
    assert (heard(receiver)[2:], bands(receiver)[2:]) == ([ENTERED], ["good"])
    assert receiver.events()[2]["id"] not in {one["id"] for one in receiver.events()[:2]}
    assert uuid_of("schools") == receiver.events()[-1]["data"]["project"]


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("possible strong", [ROSE]),
        ("possible good", []),
        ("possible left strong", [LEFT]),
        ("possible left good", [LEFT]),
        ("possible left", [FELL]),
    ],
)
async def test_a_fall_out_of_what_was_asked_for_that_waited_is_told_as_what_holds_and_once(
    hall: Hall, receiver: Receiver, steps: str, told: list[tuple[str, str]]
) -> None:
    await by_webhook(hall, receiver, conditions={"minimum_band": "good", "themes": SDG_9})
    story = Story(hall)
    await story.begins()
    await waited(story, steps)
    assert heard(receiver) == [PROPOSED, *told]
    await story.ranked("good")
    await story.goes_on("back")
    back = [] if told[-1:] not in ([LEFT], [FELL]) else [BACK]
    fell = [FELL] if told == [ROSE] else []
    assert heard(receiver) == [PROPOSED, *told, *fell, *back]
    await hall.end(number=story.number + 1)
    await hall.settle()
    assert heard(receiver)[-1] == CLOSED


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("strong changed version good", [CHANGED]),
        ("strong changed version possible", [FELL]),
        ("changed version strong good", [CHANGED]),
        ("possible left strong back", [ROSE]),
        ("possible left good back", []),
        ("possible left changed version good back", [CHANGED]),
    ],
)
async def test_a_record_that_moved_while_a_list_was_away_is_told_once_as_what_is_another_than_is_known(
    hall: Hall, receiver: Receiver, steps: str, told: list[tuple[str, str]]
) -> None:
    await by_webhook(
        hall, receiver, conditions={"minimum_band": "good", "themes": SDG_9} if "left" in steps else {}
    )
    story = Story(hall)
    await story.begins()
    await waited(story, steps)
    assert heard(receiver) == [PROPOSED, *told]


async def test_what_waited_for_a_band_that_no_record_on_its_way_will_bring_waits_no_more(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver, cadence="weekly", conditions={"minimum_band": "good"})
    story = Story(hall)
    await story.begins()
    await story.goes_on("dismissed")
    await hall.call("DELETE", f"/v1/dismissals/{story.project}", If_Match='"1"', status=204)
    await story.ranked("possible")  # before a cycle has looked at it again
    assert await hall.rows("SELECT id FROM notices WHERE state = 'waiting'") == []
    await story.ranked("good")
    await passes(hall)
    assert (heard(receiver), bands(receiver)) == ([PROPOSED], ["good"])


@pytest.mark.parametrize(("band", "rule"), [("strong", ROSE), ("possible", FELL)])
@pytest.mark.parametrize("comes", ["the list", "a record"])
async def test_a_move_that_its_list_does_not_show_waits_until_list_and_log_agree(
    hall: Hall, receiver: Receiver, band: str, rule: tuple[str, str], comes: str
) -> None:
    await by_webhook(hall, receiver, conditions={"minimum_band": "good"})
    story = Story(hall)
    await story.begins()
    ada = uuid_of("Ada")
    await hall.rank(story.project, 2, {ada: band})  # the list shows what is known
    await hall.settle()
    assert heard(receiver) == [PROPOSED]
    if comes == "the list":
        hall.lists.rows_of[ada] = {"band": band}
    else:
        await hall.rank(story.project, 3, {ada: "good"})
    await hall.settle()
    assert heard(receiver) == ([PROPOSED, rule] if comes == "the list" else [PROPOSED])
    assert await hall.rows("SELECT id FROM notices WHERE state = 'waiting'") == []
