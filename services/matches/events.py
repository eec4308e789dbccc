"""Rows of a ranking pass as wire events: list versions, standings, epochs and days.

What: builds the events that this service posts to its outbox. Why: the record on the log is made in one place, from
whole numbers only, so that its bytes are the same on any log. It must not decide what is material.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, TypedDict

import orjson

from schemas.envelope import Clock, Event, new_event
from schemas.envelope import Sequence as EventSequence
from schemas.topics import (
    DAY_OPENED,
    EPOCH_PUBLISHED,
    LIST_REMOVED,
    LIST_VERSIONED,
    STANDING_CROSSED,
    STANDING_LOST,
)

SOURCE = "/comity/matches"
_HEAD = ("rank", "organisation", "points", "fit", "band")


class Way(TypedDict):
    """What the events of one list version share."""

    incarnation: int
    clock: Clock
    traceparent: str | None


def version_data(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row of `list_versions` says on the log: the row alone, so what is said again is what was said."""
    return {
        "project": row["project"],
        "project_revision": row["project_revision"],
        "number": row["number"],
        "epoch": row["epoch"],
        "reference_date": row["reference_date"],
        "as_of": as_of(orjson.loads(row["positions"])),
        "counts": orjson.loads(row["counts"]),
        "coverage": orjson.loads(row["coverage"]),
        "digest": row["digest"],
        "head": [{name: one[name] for name in _HEAD} for one in orjson.loads(row["head"])],
        "delta": orjson.loads(row["delta"]),
        "reasons": orjson.loads(row["reasons"]),
        "made_at": row["created_at"],
    }


def list_versioned(
    data: Mapping[str, Any], *, incarnation: int, clock: Clock, traceparent: str | None = None
) -> Event:
    """Return the record of a list version; its sequence is the version's number."""
    return new_event(
        "matches.v1",
        LIST_VERSIONED,
        key=data["project"],
        sequence=EventSequence(incarnation, data["number"]),
        data=data,
        source=SOURCE,
        clock=clock,
        traceparent=traceparent,
    )


def list_removed(project: str, number: int, *, incarnation: int, clock: Clock) -> Event:
    """Return the record of a list that is shown no more; `number`, above that of its last version, is its sequence."""
    return new_event(
        "matches.v1",
        LIST_REMOVED,
        key=project,
        sequence=EventSequence(incarnation, number),
        data={"project": project, "number": number},
        source=SOURCE,
        clock=clock,
    )


def standing_crossed(
    project: str,
    row: Mapping[str, Any],
    number: int,
    *,
    incarnation: int,
    clock: Clock,
    traceparent: str | None = None,
) -> Event:
    """Return the record of a pair that came above the floor or changed its band."""
    return new_event(
        "standings.v1",
        STANDING_CROSSED,
        key=f"{project}/{row['organisation']}",
        partitionkey=project,
        sequence=EventSequence(incarnation, number),
        data={
            "project": project,
            "organisation": row["organisation"],
            "number": number,
            "points": row["points"],
            "fit": row["fit"],
            "band": row["band"],
            "above_floor": True,
        },
        source=SOURCE,
        clock=clock,
        traceparent=traceparent,
    )


def standing_lost(
    project: str,
    organisation: str,
    number: int,
    *,
    incarnation: int,
    clock: Clock,
    traceparent: str | None = None,
) -> Event:
    """Return the tombstone of a pair that fell below the floor, or whose project or organisation is gone."""
    return new_event(
        "standings.v1",
        STANDING_LOST,
        key=f"{project}/{organisation}",
        partitionkey=project,
        sequence=EventSequence(incarnation, number),
        data=None,
        source=SOURCE,
        clock=clock,
        traceparent=traceparent,
    )


def epoch_published(
    number: int, content_hash: str, weights_version: str, *, incarnation: int, clock: Clock
) -> Event:
    """Return the record of an epoch in force; its body is stored here, not sent."""
    return new_event(
        "epochs.v1",
        EPOCH_PUBLISHED,
        key=content_hash,
        partitionkey="epochs",
        sequence=EventSequence(incarnation, number + 1),
        data={"hash": content_hash, "number": number, "weights_version": weights_version},
        source=SOURCE,
        clock=clock,
    )


def day_opened(day: date, *, incarnation: int, clock: Clock) -> Event:
    """Return the record of a new reference date; its sequence is the day's ordinal."""
    return new_event(
        "epochs.v1",
        DAY_OPENED,
        key=day.isoformat(),
        partitionkey="epochs",
        sequence=EventSequence(incarnation, day.toordinal()),
        data={"day": day.isoformat()},
        source=SOURCE,
        clock=clock,
    )


def as_of(positions: Mapping[str, int]) -> Sequence[dict[str, Any]]:
    """Return a vector of positions in the form of the wire."""
    split = ((at.rpartition("/"), offset) for at, offset in positions.items())
    return [
        {"topic": topic, "partition": int(number), "offset": offset} for (topic, _, number), offset in split
    ]
