"""What the routes of this service take from the address."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query

SubscriptionId = Annotated[
    UUID,
    Path(
        description="The subscription's id, a UUID that its client chose.",
        examples=["018f3c2a-7d10-7000-8000-00000000005b"],
    ),
]
EndpointId = Annotated[
    UUID, Path(description="The endpoint's id.", examples=["018f3c2a-7d10-7000-8000-0000000000e0"])
]
DeliveryId = Annotated[
    UUID,
    Path(description="The message's id, its webhook-id.", examples=["018f3c2a-7d10-7000-8000-0000000000de"]),
]
ProjectId = Annotated[
    UUID, Path(description="The project's id.", examples=["018f3c2a-7d10-7000-8000-0000000000aa"])
]
Whose = Annotated[UUID | None, Query(description="Whose; without it, that of the token.")]
LinkToken = Annotated[
    str,
    Path(
        description="As the mail gave it. One that a mail program has cut or added to leads nowhere, and says so."
    ),
]


def named(organisation: UUID | None) -> str | None:
    """Return an organisation parameter as text."""
    return None if organisation is None else str(organisation)
