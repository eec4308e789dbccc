"""The projections keep the newest of a key: a record whose sequence is not higher changes nothing, however late it comes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from schemas.envelope import Event
from schemas.envelope import Sequence as Version
from tests.services.notifications.hall import Hall

PROJECT = "SELECT state, incarnation, version FROM projects"
STANDING = "SELECT band, incarnation, version FROM standings"
LIST = "SELECT above_floor, incarnation, number FROM lists"


async def test_an_older_revision_of_a_project_changes_nothing(hall: Hall) -> None:
    await hall.open_project(state="published")
    await hall.open_project(state="dormant")
    older, newer = hall.said
    await _only_upwards(hall, PROJECT, older, newer)


async def test_an_older_standing_changes_nothing(hall: Hall) -> None:
    ada, project = await hall.member("Ada"), await hall.open_project()
    await hall.rank(project, 1, {ada: "good"})
    await hall.rank(project, 2, {ada: "strong"})
    older, newer = _on("standings.v1", hall.said)
    await _only_upwards(hall, STANDING, older, newer)


async def test_an_older_list_version_changes_nothing(hall: Hall) -> None:
    project = await hall.open_project()
    await hall.rank(project, 1, {}, above=3)
    await hall.rank(project, 2, {}, above=5)
    older, newer = _on("matches.v1", hall.said)
    await _only_upwards(hall, LIST, older, newer)


async def _only_upwards(hall: Hall, held: str, older: Event, newer: Event) -> None:
    """What `newer` left stands when `older` comes after it; an older version of a later life replaces it."""
    kept = await hall.rows(held)
    assert kept[0]["incarnation"] == newer.sequence.incarnation
    await hall.say(older)
    assert await hall.rows(held) == kept
    await hall.say(replace(older, sequence=Version(1, older.sequence.version)))
    again = await hall.rows(held)
    assert again != kept
    assert again[0]["incarnation"] == 1
    await hall.say(newer)
    assert await hall.rows(held) == again


def _on(topic: str, events: Sequence[Event]) -> list[Any]:
    return [event for event in events if event.topic == topic]
