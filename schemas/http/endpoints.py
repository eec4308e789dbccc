"""What `/v1/endpoints` and `/v1/deliveries` take and answer: where webhooks go, and what became of each.

*Never:* a secret in any answer but the one that made it.
"""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StrictBool, StrictInt

from schemas.http.notifications import MailLanguage, MailTo
from schemas.http.parts import WHOLE, WebAddress
from schemas.http.texts import Name, Shape, formed, refuse

EndpointState = Literal["pending", "active", "paused", "disabled", "deleted"]
DeliveryState = Literal[
    "pending", "sending", "retrying", "delivered", "exhausted", "cancelled", "unconfirmed"
]


def _moment(value: str) -> str:
    try:
        datetime.fromisoformat(value)
    except ValueError as error:
        raise refuse("date", f"{value} is no moment.", "Write an existing day and time, in UTC.") from error
    return value


class EndpointBody(Shape):
    """Where webhooks are to go. It is pinged, and active once it has answered with 2xx."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "url": "https://hooks.example.org/comity",
                    "description": "CRM",
                    "contact_email": "operations@example.org",
                    "contact_language": "fr",
                }
            ]
        },
    )

    organisation: UUID | None = Field(None, description="Whose; without it, that of the token.")
    url: WebAddress
    description: Name | None = None
    paused: StrictBool = False
    contact_email: MailTo | None = Field(
        None,
        description="Who hears by mail when it has failed for a day, and when it is disabled; asked first.",
    )
    contact_language: MailLanguage = "en"


class EndpointAnswer(Shape):
    """An endpoint as it stands; `reason` says why it is disabled, or that its secret cannot be opened any more."""

    id: UUID
    organisation: UUID
    revision: int
    state: EndpointState
    reason: str | None
    url: str = Field(
        description="For others than the organisation without path and query, which are often a secret: `https://host/…`."
    )
    description: str | None
    failing_since: str | None
    contact_email: str | None = Field(description="Null for readers who need no address.")
    contact_language: MailLanguage | None
    contact_confirmed_at: str | None = Field(description="Null until the address has said yes.")
    secrets: tuple[dict[str, str | None], ...]
    created_at: str
    changed_at: str


class EndpointCreated(EndpointAnswer):
    """A new endpoint with its signing secret: it is shown now and never again."""

    secret: str | None = Field(description="null where the answer is given again for an Idempotency-Key")


class EndpointPage(Shape):
    """A page of endpoints."""

    items: tuple[EndpointAnswer, ...]
    next: str | None


class RotateBody(Shape):
    """How long the secret before stays valid beside the new one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap_hours": 48}]})

    overlap_hours: Annotated[StrictInt, Field(ge=0, le=168), WHOLE] = 24


class SecretMade(Shape):
    """A new signing secret: it is shown now and never again."""

    id: str
    secret: str | None = Field(description="null where the answer is given again for an Idempotency-Key")
    earlier_expires_at: str | None


class RecoverBody(Shape):
    """From when on messages that did not arrive are sent again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"since": "2026-11-24T00:00:00Z"}]})

    since: Annotated[
        str,
        Field(
            max_length=40,
            examples=["2026-11-24T00:00:00Z"],
        ),
        *formed(
            r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$",
            "This is no moment in UTC.",
            "Write a day and a time such as 2026-11-24T00:00:00Z.",
        ),
        AfterValidator(_moment),
    ]


class Recovered(Shape):
    """How many messages are sent again."""

    messages: int


class DeliveryAccepted(Shape):
    """A message that is on its way; look at it under `/v1/deliveries/{id}`."""

    id: UUID


class Attempt(Shape):
    """One try: to which endpoint, when, how it ended, and the first bytes of the answer as text."""

    number: int
    endpoint: UUID | None
    started_at: str
    ended_at: str | None
    outcome: str | None
    error: str | None
    status: int | None
    milliseconds: float | None
    response: str | None = Field(description="For others than the organisation how long it was.")


class Delivery(Shape):
    """One message on its way."""

    id: UUID
    organisation: UUID
    channel: Literal["webhook", "email"]
    type: str
    endpoint: UUID | None
    subscription: UUID | None
    contact_of: UUID | None = Field(description="The endpoint to whose contact a mail goes.")
    state: DeliveryState
    attempts: int
    due_at: str
    created_at: str
    ended_at: str | None


class DeliveryWhole(Delivery):
    """One message with its body (of webhooks; mails are not shown) and every try."""

    redacted: bool = Field(
        description="Whether what was sent and answered is left out, for who reads is not of the organisation."
    )
    body: dict[str, object] | None = Field(
        description="The CloudEvent; redacted, its envelope, with the kind of its subject and the length of its data."
    )
    tries: tuple[Attempt, ...]


class DeliveryPage(Shape):
    """A page of messages, newest first."""

    items: tuple[Delivery, ...]
    next: str | None
