"""What `/v1/dead-letters` answers: records that a service could not apply, and partitions that stand still over them.

*What.* A letter in short and whole, a halted partition, their pages, and what is written. *Why.* Whoever looks after the
system decides on each with the record before them as it stands on the log. *Never:* more of anybody than that record
holds.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StrictInt

from schemas.http.parts import WHOLE
from schemas.http.texts import Label, Shape, ShortText


class DeadLetter(Shape):
    """One record set aside. `dead`: it could not be applied; `parked`: it waits behind a dead one of its key."""

    id: int
    group: str
    topic: str
    partition: int
    offset: int
    key: str
    state: Literal["dead", "parked"]
    kind: Literal["invalid", "unexpected", "transient", ""]
    reason: str
    attempts: int
    appended_at: str
    buried_at: str


class Header(Shape):
    """One header of the record."""

    name: str
    value: str


class WholeDeadLetter(DeadLetter):
    """A letter with its record as it stands on the log, and where the fault was raised."""

    headers: tuple[Header, ...]
    value: str | None = None
    stack: str


class DeadLetterPage(Shape):
    """One page of dead letters, oldest first."""

    items: tuple[DeadLetter, ...]
    next: str | None = None


class HaltedPartition(Shape):
    """A partition that stands still before the record at `offset`, because too much of it could not be applied."""

    group: str
    topic: str
    partition: int
    offset: int
    halted_at: str
    reason: str


class HaltedPartitions(Shape):
    """Every halted partition of a service."""

    items: tuple[HaltedPartition, ...]
    next: str | None = None


class DiscardBody(Shape):
    """Why a record is given up. The reason stays in the audit trail for good: name no person in it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "Its owner has written the record anew."}]}
    )

    reason: ShortText


class ResumeBody(Shape):
    """Which partition may bury again, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "group": "matches",
                    "topic": "members.v1",
                    "partition": 3,
                    "reason": "The handler was mended.",
                }
            ]
        }
    )

    group: Label
    topic: Label
    partition: Annotated[StrictInt, Field(ge=0, le=1_000_000), WHOLE]
    reason: ShortText


class Replayed(Shape):
    """How many records of the key were applied."""

    topic: str
    key: str
    replayed: int


class Discarded(Shape):
    """What was given up, and how much of its key still waits."""

    topic: str
    key: str
    waiting: int


class Resumed(Shape):
    """The partition goes on."""

    group: str
    topic: str
    partition: int
