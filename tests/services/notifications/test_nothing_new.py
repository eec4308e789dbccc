"""A digest holds what is new to its reader and nothing else: what moved away and came back between two of them is no news."""

from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest

from services.notifications.mail.letters import words_of
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import Sink, confirmed
from tests.services.notifications.test_leaving_conditions import SDG_4, SDG_9
from tests.services.notifications.test_what_is_over import sections
from tests.services.notifications.village import Receiver

Post = tuple[Hall, Sink, Receiver]
DEADLINE = "2026-12-14"
"""Of a project that is announced on Monday 30 November; by a weekly mail it is reminded of on 7 December."""


def reasons(digest: EmailMessage) -> list[str]:
    """The rules that a digest names."""
    text = digest.get_body(("plain",)).get_content()
    return [name for name, words in words_of("en")["rules"].items() if words in text]


async def announced(post: Post, *, band: str = "good", **changes: object) -> tuple[Hall, Sink]:
    """Ada has read of a project in her weekly mail; the first list version told it."""
    hall, sink, _ = post
    await confirmed(hall, sink, cadence="weekly", conditions={"themes": SDG_9})
    await hall.member("Ada")
    await hall.open_project(tags=SDG_9, **changes)
    await stands(hall, 1, band)
    await a_week_later(hall)
    assert [sections(one) for one in sink.digests()] == [["new"]]
    return hall, sink


async def stands(hall: Hall, number: int, band: str | None) -> None:
    """Say a list version with Ada in this band; None: below the floor."""
    ada, project = uuid_of("Ada"), uuid_of("schools")
    hall.clock.moment += timedelta(minutes=1)
    hall.lists.below = {ada} if band is None else set()
    hall.lists.rows_of[ada] = {"band": band}
    if band is None:
        await hall.rank(project, number, {}, lost=[ada])
    else:
        await hall.rank(project, number, {ada: band})
    await hall.settle()


async def revised(hall: Hall, number: int, **changes: object) -> None:
    """Say the project anew, and a list version in which Ada stands as she did."""
    hall.clock.moment += timedelta(minutes=1)
    await hall.open_project(**({"tags": SDG_9} | changes))
    await hall.rank(uuid_of("schools"), number, {}, above=1)
    await hall.settle()


async def a_week_later(hall: Hall) -> None:
    hall.clock.moment += timedelta(days=7)
    await hall.settle()


async def test_a_pair_that_moved_and_came_back_is_in_no_digest(post: Post) -> None:
    hall, sink = await announced(post)
    await stands(hall, 2, "possible")
    await stands(hall, 3, "good")
    await a_week_later(hall)
    await stands(hall, 4, None)
    await stands(hall, 5, "good")
    await a_week_later(hall)
    assert len(sink.digests()) == 1
    await stands(hall, 6, "strong")  # it is known as good still
    await a_week_later(hall)
    assert [sections(one) for one in sink.digests()[1:]] == [["changed"]]
    assert reasons(sink.digests()[-1]) == ["band-rose"]


async def test_what_fell_and_rose_again_has_changed_and_is_not_new(post: Post) -> None:
    hall, sink = await announced(post)
    await stands(hall, 2, None)
    await stands(hall, 3, "strong")
    await a_week_later(hall)
    assert [sections(one) for one in sink.digests()[1:]] == [["changed"]]
    assert reasons(sink.digests()[-1]) == ["band-rose"]


async def test_a_digest_says_where_a_pair_has_come_from_what_its_reader_knows(post: Post) -> None:
    hall, sink = await announced(post, band="strong")
    await stands(hall, 2, "possible")
    await stands(hall, 3, "good")  # it rose, and stands lower than the reader knows
    await a_week_later(hall)
    assert [(sections(one), reasons(one)) for one in sink.digests()[1:]] == [(["changed"], ["band-fell"])]


async def test_a_project_that_changed_and_was_changed_back_is_in_no_digest(post: Post) -> None:
    hall, sink = await announced(post)
    await revised(hall, 2, tags=SDG_4)
    await revised(hall, 3)
    await revised(hall, 4, countries=["TZA"])
    await revised(hall, 5)
    await a_week_later(hall)
    assert len(sink.digests()) == 1
    await revised(hall, 6, countries=["TZA"])
    await stands(hall, 7, "possible")
    await stands(hall, 8, "good")  # the pair is where it was, the project is not
    await a_week_later(hall)
    assert [(sections(one), reasons(one)) for one in sink.digests()[1:]] == [
        (["changed"], ["project-changed"])
    ]


async def test_what_a_reader_knows_as_not_asked_for_any_more_is_news_once_it_is_again(post: Post) -> None:
    hall, sink = await announced(post)
    await revised(hall, 2, tags=SDG_4)
    await a_week_later(hall)
    await revised(hall, 3)
    await revised(hall, 4, tags=SDG_4)
    await a_week_later(hall)
    await revised(hall, 5)
    await a_week_later(hall)
    assert [reasons(one) for one in sink.digests()[1:]] == [["left-conditions"], ["meets-conditions"]]


async def test_the_reminder_beside_what_came_back_is_told(post: Post) -> None:
    hall, sink = await announced(post, deadline=DEADLINE)
    hall.clock.moment = datetime(2026, 12, 7, 0, 30, tzinfo=UTC)
    await hall.remind()
    await stands(hall, 2, "possible")
    await stands(hall, 3, "good")
    hall.clock.moment += timedelta(hours=8)
    await hall.settle()
    assert [sections(one) for one in sink.digests()[1:]] == [["closing"]]


@pytest.mark.parametrize("band", ["possible", "good"])
async def test_what_rose_and_fell_before_any_digest_is_told_as_it_stands(post: Post, band: str) -> None:
    hall, sink, _ = post
    await confirmed(hall, sink, cadence="weekly")
    await hall.member("Ada")
    await hall.open_project()
    await stands(hall, 1, "good")
    await stands(hall, 2, "strong")
    await stands(hall, 3, band)
    await a_week_later(hall)
    assert [sections(one) for one in sink.digests()] == [["new"]]
