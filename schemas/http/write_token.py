"""The token of a write: the name of the record that it puts on the log, by which a list can be waited for.

*What.* The shape that every answer to a write carries. *Why here.* One service gives it, another takes it, and both its
forms, the parts and the text, must be the same for both. *Never:* anything secret; it says nothing but which record.
"""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from schemas.envelope import Sequence


class WriteToken(BaseModel):
    """Names one record of the log: the topic, the key, the sequence (incarnation and revision).

    `text` is all three in the form that `GET /v1/lists/{id}/candidates?token=…` takes.
    """

    model_config = ConfigDict(frozen=True)

    topic: Annotated[str, Field(examples=["projects.v1"])]
    id: UUID
    sequence: Annotated[str, Field(examples=["1.2"])]
    text: Annotated[str, Field(examples=["projects.v1:018f3c2a-7d10-7000-8000-0000000000aa:1.2"])]


def write_token(topic: str, identifier: str, sequence: Sequence) -> dict[str, str]:
    """Return the token of a record as an answer carries it (WriteToken)."""
    return {
        "topic": topic,
        "id": identifier,
        "sequence": str(sequence),
        "text": f"{topic}:{identifier}:{sequence}",
    }
