"""What `/v1/ranking-progress` takes and answers: whether every list covers what was written.

*What.* The shapes of the question, with the tokens of writes, and of the answer. *Never:* an organisation; progress is of lists.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from schemas.http.matches import Answered, Count
from schemas.http.texts import Shape, formed

_SEQUENCE = formed(
    r"^[0-9]{1,10}\.[1-9][0-9]{0,17}$",
    "This is no place in a sequence.",
    "Send it as the write answered it: 1.2.",
)


class ProgressToken(Shape):
    """One record of the log, as a write's answer named it; `text` may stand there too and is not needed."""

    topic: Literal["projects.v1", "members.v1"]
    id: UUID
    sequence: Annotated[str, Field(examples=["1.2"]), *_SEQUENCE]
    text: Annotated[str | None, Field(max_length=120)] = None


class ProgressBody(Shape):
    """The writes to ask about; without any, only what is on the log counts."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "tokens": [
                        {
                            "topic": "projects.v1",
                            "id": "018f3c2a-7d10-7000-8000-0000000000aa",
                            "sequence": "1.2",
                        }
                    ]
                }
            ]
        },
    )

    tokens: Annotated[tuple[ProgressToken, ...], Field(max_length=20_000)] = ()


class PartitionProgress(Answered):
    """One partition of the projects topic: who ranks it, and how many records it is behind."""

    partition: Count
    owner: str | None
    generation: Count
    behind: Count
    framed: bool


class ProgressAnswer(Answered):
    """Whether every list covers everything that was written; `waiting_for` says what is missing."""

    complete: bool
    projects: Count
    lists: Count
    partitions: tuple[PartitionProgress, ...]
    epoch: str
    day: str
    waiting_for: tuple[str, ...]
