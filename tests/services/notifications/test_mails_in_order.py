"""Of two mails the later says what is so: none tells an older word after a newer one, whatever became of that on its way."""

from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest

from services.notifications.mail.letters import words_of
from services.notifications.rules.conditions import BAND_ORDER
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import ADDRESS, Sink, confirmed, link_in, unmarked
from tests.services.notifications.test_coming_back import Story
from tests.services.notifications.test_other_conditions import passes, saved
from tests.services.notifications.test_what_is_over import by_webhook, sections
from tests.services.notifications.village import Receiver

Post = tuple[Hall, Sink, Receiver]
LATER, TOO_BIG = "451 4.3.0 later", "552 5.3.4 too big"


def says(digest: EmailMessage) -> list[str]:
    """Its sections, and the bands that it names."""
    words, text = words_of("en"), unmarked(digest)
    return sections(digest) + [
        band for band in BAND_ORDER if words["band"].format(band=words["bands"][band]) in text
    ]


async def come(hall: Hall, sink: Sink) -> list[list[str]]:
    """What the mails say that have come, once each message has come to its end."""
    while await hall.until_due():
        await hall.settle()
    return [says(one) for one in sink.digests()]


async def by_mail_instead(hall: Hall, sink: Sink, subscription: str, *, cadence: str) -> None:
    """Save a subscription that had webhooks with mails, to an address that says yes."""
    await saved(hall, subscription, {}, channel="email", endpoint=None, email=ADDRESS, cadence=cadence)
    await hall.dispatch()
    await hall.http.post(link_in(sink.taken[-1][1], hall))


async def test_what_no_server_took_yet_comes_in_the_next_digest_with_what_is_so_now(post: Post) -> None:
    hall, sink, _ = post
    await confirmed(hall, sink, cadence="daily")
    story = Story(hall)
    await story.begins()
    sink.refuse = LATER
    await passes(hall, 1)
    await story.ranked("possible")
    morning = datetime(2026, 11, 25, 8, tzinfo=UTC)
    while hall.clock.moment < morning:
        await hall.until_due()
    sink.refuse = ""
    await hall.settle()
    assert await come(hall, sink) == [["new", "possible"]]


async def test_what_is_told_at_once_takes_with_it_what_no_server_took_yet(post: Post) -> None:
    hall, sink, _ = post
    await confirmed(hall, sink, cadence="instant")
    story = Story(hall)
    sink.refuse = LATER
    await story.begins()
    sink.refuse = ""
    hall.clock.moment += timedelta(seconds=1)
    await story.ranked("possible")
    assert await come(hall, sink) == [["new", "possible"]]


@pytest.mark.parametrize("taken", [False, True])
async def test_while_a_mail_is_out_the_next_waits_for_what_becomes_of_it(post: Post, *, taken: bool) -> None:
    hall, sink, _ = post
    await confirmed(hall, sink, cadence="instant")
    story = Story(hall)

    async def falls() -> str:
        sink.ask, hall.lists.rows_of[uuid_of("Ada")] = None, {"band": "possible"}
        await hall.rank(story.project, 2, {uuid_of("Ada"): "possible"})
        await hall.herald()
        return "" if taken else LATER

    sink.ask = falls
    await story.begins()
    await passes(hall, 1)
    assert await come(hall, sink) == (
        [["new", "good"], ["changed", "possible"]] if taken else [["new", "possible"]]
    )


@pytest.mark.parametrize("cadence", ["daily", "instant"])
async def test_no_mail_tells_a_word_that_is_older_than_one_that_came_by_webhook(
    post: Post, cadence: str
) -> None:
    hall, sink, receiver = post
    mine = await by_webhook(hall, receiver)
    story = Story(hall)
    receiver.status = 503
    await story.begins()
    receiver.status = 204
    await story.ranked("possible")
    await by_mail_instead(hall, sink, mine, cadence=cadence)
    await passes(hall, 1)
    assert await come(hall, sink) == []
    await story.ranked("strong")
    await passes(hall, 1)
    assert await come(hall, sink) == [["changed", "strong"]]


async def test_what_was_refused_for_itself_has_told_nobody_anything(post: Post) -> None:
    hall, sink, _ = post
    await confirmed(hall, sink, cadence="daily")
    story = Story(hall)
    sink.refuse_content = TOO_BIG
    await story.begins()
    await passes(hall, 1)
    sink.refuse_content = ""
    await hall.end(number=story.number + 1)
    await passes(hall, 1)
    assert await come(hall, sink) == []


async def test_after_a_mail_that_was_refused_for_itself_the_one_before_it_is_what_is_known(
    post: Post,
) -> None:
    hall, sink, _ = post
    await confirmed(hall, sink, cadence="daily")
    story = Story(hall)
    await story.begins()
    await passes(hall, 1)
    sink.refuse_content = TOO_BIG
    await story.ranked("possible")
    await passes(hall, 1)
    sink.refuse_content = ""
    await story.ranked("good")
    await passes(hall, 1)
    assert await come(hall, sink) == [["new", "good"]]
    await story.ranked("possible")
    await passes(hall, 1)
    assert await come(hall, sink) == [["new", "good"], ["changed", "possible"]]


async def test_what_a_webhook_may_have_told_is_told_by_mail_once_it_is_looked_at_again(post: Post) -> None:
    hall, sink, receiver = post
    mine = await by_webhook(hall, receiver)
    story = Story(hall)
    receiver.status = 504
    await story.begins()
    await by_mail_instead(hall, sink, mine, cadence="daily")
    await passes(hall, 1)
    assert await come(hall, sink) == []
    await story.goes_on("dismissed")
    await story.goes_on("undismissed")
    await passes(hall, 1)
    assert await come(hall, sink) == [["changed", "good"]]
    await hall.end(number=story.number + 1)
    await passes(hall, 1)
    assert await come(hall, sink) == [["changed", "good"], ["ended"]]
