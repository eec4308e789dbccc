"""Conditions that their owner changes: what waits of what they do not ask for any more is not sent, what was told is told to its end."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.notifications.worker import cycles
from tests.services.notifications.hall import Hall, open_hall
from tests.services.notifications.office import ADDRESS, Sink, confirmed, crossing
from tests.services.notifications.test_coming_back import (
    CLOSED,
    ENTERED,
    FELL,
    LEFT,
    PROPOSED,
    SDG_4,
    SDG_9,
    Story,
    heard,
)
from tests.services.notifications.test_what_is_over import by_webhook
from tests.services.notifications.village import Receiver


async def saved(hall: Hall, subscription: str, conditions: dict[str, Any], **changes: Any) -> None:
    """Save a subscription with other conditions, and anything else of it as it was."""
    path = f"/v1/subscriptions/{subscription}"
    now = await hall.call("GET", path)
    kept = {name: now[name] for name in ("channel", "endpoint", "email", "cadence") if now.get(name)}
    body = kept | {"opt_in": True, "conditions": conditions} | changes
    await hall.call("PUT", path, body, If_Match=f'"{now["revision"]}"')


async def passes(hall: Hall, days: int = 8) -> None:
    hall.clock.moment += timedelta(days=days)
    await hall.settle()


OTHERS = [{"themes": SDG_4}, {"minimum_band": "strong"}]


@pytest.mark.parametrize("conditions", OTHERS)
async def test_a_webhook_that_waits_for_its_hour_goes_unless_it_is_asked_for_again(
    post: tuple[Hall, Sink, Receiver], conditions: dict[str, Any]
) -> None:
    hall, _, receiver = post
    subscription = await by_webhook(hall, receiver, cadence="weekly")
    await hall.subscribe(channel="feed")
    story = Story(hall)
    await story.begins()
    await saved(hall, subscription, {"themes": SDG_9})  # which asks for it
    await hall.settle()
    assert len(await hall.rows("SELECT id FROM deliveries WHERE state = 'pending'")) == 1
    await saved(hall, subscription, conditions)
    await passes(hall)
    endpoint = (await hall.call("GET", "/v1/endpoints"))["items"][0]["id"]
    since = {"since": "2026-11-01T00:00:00Z"}
    assert await hall.call("POST", f"/v1/endpoints/{endpoint}/recover", since) == {"messages": 0}
    assert heard(receiver) == []
    assert len(await hall.rows("SELECT id FROM notices WHERE state = 'sent'")) == 1  # another's stays
    by_band = "minimum_band" in conditions
    if by_band:
        await story.ranked("strong")
    else:
        await story.goes_on("left")  # for the other theme
    await passes(hall)
    assert heard(receiver) == [PROPOSED if by_band else ENTERED]


@pytest.mark.parametrize("conditions", OTHERS)
async def test_a_mail_does_not_announce_what_is_not_asked_for_any_more(
    office: tuple[Hall, Sink], conditions: dict[str, Any]
) -> None:
    hall, sink = office
    subscription = await confirmed(hall, sink, cadence="weekly")
    await Story(hall).begins()
    await saved(hall, subscription, conditions, email=ADDRESS)
    await passes(hall)
    assert sink.digests() == []


async def test_what_a_project_was_told_to_leave_waits_for_its_hour_and_so_does_its_end(
    hall: Hall, receiver: Receiver
) -> None:
    subscription = await by_webhook(hall, receiver, cadence="weekly", conditions={"themes": SDG_9})
    story = Story(hall)
    await story.begins()
    await passes(hall)
    await story.goes_on("left")
    await saved(hall, subscription, {"minimum_band": "strong", "themes": SDG_9})
    await passes(hall)
    assert heard(receiver) == [PROPOSED, LEFT]
    await hall.end(number=story.number + 1)
    await saved(hall, subscription, {"levels": ["global"]})
    await passes(hall)
    assert heard(receiver) == [PROPOSED, LEFT, CLOSED]


@pytest.mark.parametrize(
    ("conditions", "step", "told"),
    [
        ({"themes": SDG_4, "levels": ["global"]}, "left", LEFT),
        ({"levels": ["global"]}, "falls", LEFT),
        ({"minimum_band": "strong"}, "falls", FELL),
        ({"minimum_band": "strong"}, "left", LEFT),
    ],
)
async def test_who_was_told_hears_that_it_is_not_asked_for_with_the_next_news_of_it_and_once(
    hall: Hall, receiver: Receiver, conditions: dict[str, Any], step: str, told: tuple[str, str]
) -> None:
    subscription = await by_webhook(hall, receiver)
    story = Story(hall)
    await story.begins()
    await saved(hall, subscription, conditions)
    await hall.settle()
    assert heard(receiver) == [PROPOSED]  # its owner knows
    for one in (step, "back", "falls"):
        await story.goes_on(one)
    assert heard(receiver) == [PROPOSED, told]


@pytest.mark.xdist_group("postgresql")
@pytest.mark.parametrize("conditions", [*OTHERS, {"themes": SDG_9}])
async def test_conditions_that_are_saved_while_a_cycle_tells_are_those_that_are_asked(
    postgresql_url: Callable[[], str],
    tmp_path: Path,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    conditions: dict[str, Any],
) -> None:
    async with open_hall(tmp_path, database={"url": postgresql_url()}) as hall:
        subscription = await by_webhook(hall, receiver)
        real, once = cycles.insert_notices, [conditions]

        async def meanwhile(*given: Any, **named: Any) -> Any:
            if once:
                await saved(hall, subscription, once.pop())
            return await real(*given, **named)

        monkeypatch.setattr(cycles, "insert_notices", meanwhile)
        await Story(hall).begins()
        await hall.settle()  # the cycle was put off
        assert heard(receiver) == ([PROPOSED] if conditions == {"themes": SDG_9} else [])


async def test_conditions_that_are_put_right_lose_nothing_that_waited(hall: Hall, receiver: Receiver) -> None:
    subscription = await by_webhook(hall, receiver, cadence="weekly", conditions={"themes": SDG_9})
    await crossing(hall, tags=SDG_9)
    await saved(hall, subscription, {"themes": SDG_4})
    await hall.settle()
    await saved(hall, subscription, {"themes": SDG_9})
    await hall.settle()
    await passes(hall)
    assert heard(receiver) == [PROPOSED]
    await saved(hall, subscription, {"themes": SDG_4})
    await saved(hall, subscription, {"themes": SDG_9})
    await passes(hall)
    assert heard(receiver) == [PROPOSED], "it is known, and nothing is new"


@pytest.mark.parametrize("ended", ["ended", "not opted into"])
async def test_what_waited_before_somebody_opted_in_anew_is_not_told_for_other_conditions(
    hall: Hall, receiver: Receiver, ended: str
) -> None:
    subscription = await by_webhook(hall, receiver, cadence="weekly", conditions={"themes": SDG_9})
    path = f"/v1/subscriptions/{subscription}"
    before = await hall.call("GET", path)
    await Story(hall).begins()
    if ended == "ended":
        await hall.call("DELETE", path, If_Match='"1"', status=204)
    else:
        await saved(hall, subscription, {"themes": SDG_9}, opt_in=False)
    await passes(hall)
    body = {"opt_in": True} | {name: before[name] for name in ("channel", "endpoint", "cadence")}
    await hall.call("PUT", path, body | {"conditions": {"themes": SDG_9}}, If_Match='"2"')
    assert (await hall.call("GET", path))["opted_in_at"] > before[
        "opted_in_at"
    ]  # who opted in before is another
    await passes(hall)
    await saved(hall, subscription, {"themes": SDG_9 + SDG_4})
    await hall.settle()
    await passes(hall)
    assert heard(receiver) == []


@pytest.mark.parametrize("conditions", OTHERS)
async def test_a_mail_that_was_out_meanwhile_and_no_server_took_announces_it_no_more(
    office: tuple[Hall, Sink], conditions: dict[str, Any]
) -> None:
    hall, sink = office
    subscription = await confirmed(hall, sink, cadence="weekly")
    await Story(hall).begins()

    async def narrowed() -> str:
        sink.ask = None
        await saved(hall, subscription, conditions, email=ADDRESS)
        return "451 4.3.2 later"

    sink.ask = narrowed
    for _ in range(3):
        await passes(hall)
    assert sink.ask is None
    assert sink.digests() == []


@pytest.mark.parametrize("answer", [503, 504])
async def test_conditions_that_are_put_right_lose_no_word_that_was_refused(
    post: tuple[Hall, Sink, Receiver], answer: int
) -> None:
    hall, _, receiver = post
    subscription = await by_webhook(hall, receiver, conditions={"themes": SDG_9})
    story = Story(hall)
    receiver.status = answer
    await story.begins()
    await saved(hall, subscription, {"themes": SDG_4})
    receiver.status = 204
    receiver.taken.clear()
    await story.ranked()
    await passes(hall)
    assert heard(receiver) == []  # who changed them knows
    for _ in range(2):
        await saved(hall, subscription, {"themes": SDG_9})
        await story.ranked()
        await saved(hall, subscription, {"themes": [*SDG_9, *SDG_4]})
        await story.ranked()
    assert heard(receiver) == [ENTERED]


async def test_what_was_refused_before_somebody_opted_in_anew_is_not_told_for_other_conditions(
    hall: Hall, receiver: Receiver
) -> None:
    subscription = await by_webhook(hall, receiver)
    story = Story(hall)
    receiver.status = 503
    await story.begins()
    await saved(hall, subscription, {}, opt_in=False)
    receiver.status = 204
    receiver.taken.clear()
    await passes(hall)
    await saved(hall, subscription, {"themes": SDG_9})
    await story.ranked()
    await passes(hall)
    assert heard(receiver) == []
