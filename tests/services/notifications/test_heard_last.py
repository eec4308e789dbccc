"""What a subscription is told is what is another than its reader heard last, whatever has marked, taken back or held up anything meanwhile."""

import pytest
from sqlalchemy import update

from services.notifications.rules.conditions import BAND_ORDER
from services.notifications.tables import NOTICES
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import ADDRESS, Sink, confirmed
from tests.services.notifications.test_coming_back import (
    AGAIN,
    BACK,
    FELL,
    LEFT,
    PROPOSED,
    ROSE,
    SDG_4,
    SDG_9,
    WITHDRAWN,
    Story,
    heard,
)
from tests.services.notifications.test_endpoints import put
from tests.services.notifications.test_knowing import CHANGED, bands, waited
from tests.services.notifications.test_other_conditions import passes, saved
from tests.services.notifications.test_what_is_over import by_webhook, sections
from tests.services.notifications.village import Receiver

GOOD = {"minimum_band": "good"}
MOVES = pytest.mark.parametrize(("band", "word"), [("strong", ROSE), ("possible", FELL)])


async def goes(story: Story, steps: str) -> None:
    """Let these steps come; `changed`: in other countries."""
    for step in steps.split():
        if step == "changed":
            story.changes["countries"] = ["TZA"]
            await story.hall.open_project(**story.changes)
            await story.ranked()
        else:
            await (story.ranked(step) if step in BAND_ORDER else story.goes_on(step))


@MOVES
async def test_a_move_after_a_dismissal_was_taken_back_is_told(
    hall: Hall, receiver: Receiver, band: str, word: tuple[str, str]
) -> None:
    await by_webhook(hall, receiver, conditions=GOOD)
    story = Story(hall)
    await story.begins()
    await story.goes_on("dismissed")
    await hall.call("DELETE", f"/v1/dismissals/{story.project}", If_Match='"1"', status=204)
    await story.ranked(band)
    assert heard(receiver) == [PROPOSED, word]


@MOVES
@pytest.mark.parametrize("rests", [False, True])
async def test_a_sister_that_is_saved_hides_no_move(
    hall: Hall, receiver: Receiver, band: str, word: tuple[str, str], rests: bool
) -> None:
    await by_webhook(hall, receiver, conditions=GOOD)
    sister = await hall.subscribe(channel="feed", conditions={"themes": SDG_9})
    story = Story(hall)
    await story.begins()
    await story.goes_on("left")
    if rests:
        await hall.open_project(**story.changes, state="dormant")
        await hall.settle()
    await saved(hall, sister, {"levels": ["national"]})
    await story.ranked(band)
    await hall.open_project(**story.changes, state="published")
    await story.ranked()
    assert heard(receiver) == [PROPOSED, word]


@MOVES
async def test_a_move_while_its_organisation_was_away_is_told_when_it_is_back(
    hall: Hall, receiver: Receiver, band: str, word: tuple[str, str]
) -> None:
    await by_webhook(hall, receiver, conditions=GOOD)
    await hall.subscribe(channel="feed", conditions={"themes": SDG_4})
    story = Story(hall)
    await story.begins()
    await hall.member("Ada", state="withdrawn")
    await hall.settle()
    await goes(story, f"left {band}")
    await hall.member("Ada")
    await hall.settle()
    assert heard(receiver) == [PROPOSED, word]


@pytest.mark.parametrize(("step", "word"), [("strong", ROSE), ("possible", FELL), ("changed", CHANGED)])
@pytest.mark.parametrize("channel", ["webhook", "email"])
async def test_conditions_that_are_put_right_lose_no_word_that_waited(
    post: tuple[Hall, Sink, Receiver], channel: str, step: str, word: tuple[str, str]
) -> None:
    hall, sink, receiver = post
    more = {}
    if channel == "webhook":
        mine = await by_webhook(hall, receiver, cadence="weekly", conditions={"themes": SDG_9})
    else:
        mine, more = (
            await confirmed(hall, sink, cadence="weekly", conditions={"themes": SDG_9}),
            {"email": ADDRESS},
        )
    story = Story(hall)
    await story.begins()
    await passes(hall)
    await goes(story, step)
    for _ in range(2):
        for themes in (SDG_4, SDG_9):
            await saved(hall, mine, {"themes": themes}, **more)
            await hall.settle()
    await passes(hall)
    if channel == "webhook":
        assert heard(receiver) == [PROPOSED, word]
    else:
        assert [sections(one) for one in sink.digests()] == [["new"], ["changed"]]


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("strong good", []),
        ("strong possible", [FELL]),
        ("left back", []),
        ("lost found", []),
        ("changed strong", [ROSE]),
        ("strong left", [LEFT]),
    ],
)
@pytest.mark.parametrize("held", ["for its hour", "for its endpoint", "by a list that is away"])
async def test_what_could_not_be_read_yet_is_told_as_one(
    hall: Hall, receiver: Receiver, held: str, steps: str, told: list[tuple[str, str]]
) -> None:
    weekly = {"cadence": "weekly"} if held == "for its hour" else {}
    await by_webhook(hall, receiver, conditions={"themes": SDG_9}, **weekly)
    story = Story(hall)
    await story.begins()
    await passes(hall)
    if held == "by a list that is away":
        await waited(story, steps)
    elif held == "for its hour":
        await goes(story, steps)
    else:
        [endpoint] = (await hall.call("GET", "/v1/endpoints"))["items"]
        await put(hall, endpoint["id"], paused=True)
        await goes(story, steps)
        await put(hall, endpoint["id"], paused=False)
        await hall.settle()
    await passes(hall)
    assert heard(receiver) == [PROPOSED, *told]


async def test_a_fall_that_waited_is_told_as_what_keeps_the_pair_away_now(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver, conditions={"themes": SDG_9})
    story = Story(hall)
    await story.begins()
    await waited(story, "lost left found")
    assert heard(receiver) == [PROPOSED, LEFT]


@pytest.mark.parametrize("steps", ["strong", "strong changed", "changed strong", "possible left strong back"])
async def test_what_its_list_does_not_show_yet_is_told_once_it_does(
    hall: Hall, receiver: Receiver, steps: str
) -> None:
    await by_webhook(hall, receiver, conditions=GOOD | {"themes": SDG_9})
    story = Story(hall)
    await story.begins()
    hall.lists.away = True
    await goes(story, steps)
    hall.lists.away = False
    hall.lists.rows_of[uuid_of("Ada")] = {"band": "good"}  # the list is behind the log
    await hall.settle()
    assert heard(receiver) == [PROPOSED]
    hall.lists.rows_of[uuid_of("Ada")] = {"band": "strong"}
    await hall.settle()
    assert bands(receiver) == ["good", "strong"]


async def test_a_fall_that_was_tried_is_not_told_of_a_pair_that_is_back(
    hall: Hall, receiver: Receiver
) -> None:
    mine = await by_webhook(hall, receiver, conditions=GOOD)
    story = Story(hall)
    await story.begins()
    receiver.status = 503
    await goes(story, "possible strong")
    await saved(hall, mine, GOOD, language="fr")
    receiver.status = 200
    await hall.settle()
    while await hall.until_due():
        pass
    assert (FELL, "strong") not in zip(heard(receiver), bands(receiver), strict=True)
    assert (heard(receiver)[-1], bands(receiver)[-1]) == (ROSE, "strong")


async def test_who_never_heard_of_a_fall_is_not_told_that_it_stands_again(
    post: tuple[Hall, Sink, Receiver],
) -> None:
    hall, _, receiver = post
    await by_webhook(hall, receiver)
    [endpoint] = (await hall.call("GET", "/v1/endpoints"))["items"]
    await hall.subscribe(channel="webhook", endpoint=endpoint["id"], cadence="weekly")
    story = Story(hall)
    await story.begins()
    await hall.open_project(**story.changes, state="dormant")
    await story.ranked(lost=True)
    await story.ranked("good")
    await hall.open_project(**story.changes, state="published")
    await story.ranked()
    assert heard(receiver) == [PROPOSED]


async def test_who_may_not_have_heard_of_a_pair_hears_that_it_stands(hall: Hall, receiver: Receiver) -> None:
    await by_webhook(hall, receiver)
    story = Story(hall)
    receiver.status = 503
    await story.begins()
    await waited(story, "lost found")
    receiver.status = 204
    await hall.settle()
    while await hall.until_due():
        pass
    ids = dict.fromkeys(one["id"] for one in receiver.events())
    assert (len(ids), heard(receiver)[-1]) == (2, AGAIN)


async def test_a_word_from_before_its_facts_were_kept_is_no_change(hall: Hall, receiver: Receiver) -> None:
    await by_webhook(hall, receiver)
    story = Story(hall)
    await story.begins()
    async with hall.runtime.database.write() as connection:
        await connection.execute(update(NOTICES).values(facts=None))
    await waited(story, "strong good")
    assert heard(receiver) == [PROPOSED]


@pytest.mark.parametrize(("moves", "word"), [("strong", ROSE), ("lost", WITHDRAWN)])
async def test_what_moved_under_a_dismissal_that_a_change_lifts_is_told(
    hall: Hall, receiver: Receiver, moves: str, word: tuple[str, str]
) -> None:
    await by_webhook(hall, receiver)
    story = Story(hall)
    await story.begins(countries=["KEN"])
    await goes(story, f"dismissed {moves} changed")
    assert heard(receiver) == [PROPOSED, word]


async def test_what_moved_under_a_dismissal_is_told_where_the_change_that_lifts_it_was_taken_back(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver)
    story = Story(hall)
    await story.begins(countries=["KEN"])
    await goes(story, "dismissed strong")
    for country in ("TZA", "KEN"):
        story.changes["countries"] = [country]
        await hall.open_project(**story.changes, state="dormant")
        await story.ranked()
    await hall.open_project(**story.changes, state="published")
    await story.ranked()
    assert heard(receiver) == [PROPOSED, ROSE]


async def test_a_fall_is_told_though_a_word_after_the_same_one_was_dropped(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver, cadence="weekly")
    story = Story(hall)
    await story.begins()
    await passes(hall)
    for step in ("strong", "lost"):
        await goes(story, f"dismissed {step}")
        await hall.call("DELETE", f"/v1/dismissals/{story.project}", If_Match='"1"', status=204)
        await hall.settle()
    await passes(hall)
    assert heard(receiver) == [PROPOSED, WITHDRAWN]


async def test_back_in_the_band_that_was_heard_last_is_no_rise(hall: Hall, receiver: Receiver) -> None:
    mine = await by_webhook(hall, receiver, conditions=GOOD)
    story = Story(hall)
    await story.begins()
    await goes(story, "possible weak")
    await saved(hall, mine, {"minimum_band": "possible"})
    await hall.settle()
    await goes(story, "possible")
    assert (heard(receiver), bands(receiver)) == ([PROPOSED, FELL, BACK], ["good", "possible", "possible"])
