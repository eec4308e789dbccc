"""The bodies of webhooks: CloudEvents 1.0 as one JSON object, signed after Standard Webhooks.

*What.* The event types and their data. *Why thin.* Ids, links, points and reasons; a receiver fetches the rest, so that
access stays where rights are checked. *Never:* a contact, a person, or another organisation. Order is not promised:
`list_version` says what is newer, and the feed is the truth.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MATCH_PROPOSED = "org.comity.match.proposed.v1"
MATCH_RESCORED = "org.comity.match.rescored.v1"
MATCH_WITHDRAWN = "org.comity.match.withdrawn.v1"
OPPORTUNITY_UPDATED = "org.comity.opportunity.updated.v1"
OPPORTUNITY_CLOSING_SOON = "org.comity.opportunity.closing-soon.v1"
OPPORTUNITY_CLOSED = "org.comity.opportunity.closed.v1"
OPPORTUNITY_WITHDRAWN = "org.comity.opportunity.withdrawn.v1"
ENDPOINT_PINGED = "org.comity.endpoint.pinged.v1"
ENDPOINT_TESTED = "org.comity.endpoint.tested.v1"
ENDPOINT_FAILING = "org.comity.endpoint.failing.v1"
ENDPOINT_DISABLED = "org.comity.endpoint.disabled.v1"

NEWS = (
    MATCH_PROPOSED,
    MATCH_RESCORED,
    MATCH_WITHDRAWN,
    OPPORTUNITY_UPDATED,
    OPPORTUNITY_CLOSING_SOON,
    OPPORTUNITY_CLOSED,
    OPPORTUNITY_WITHDRAWN,
)
"""The types that tell of a project, in the order of a project's life."""

SOURCE = "/comity/notifications"
CONTENT_TYPE = "application/cloudevents+json"


class WebhookPart(BaseModel):
    """An open shape: a later release may add members."""

    model_config = ConfigDict(frozen=True)


class Links(WebhookPart):
    """Where to read further."""

    project: str
    why: str
    subscription: str


class Why(WebhookPart):
    """Why you were told: the rule that fired, and the words that both texts share."""

    rule: str
    shared_terms: Annotated[tuple[str, ...], Field(max_length=10)] = ()
    reasons: Annotated[tuple[str, ...], Field(max_length=6)] = ()


class News(WebhookPart):
    """News of one project for one organisation."""

    subscription: str
    organisation: str
    project: str
    title: str
    language: str
    list_version: int | None = None
    fit: int | None = None
    band: Literal["weak", "possible", "good", "strong"] | None = None
    confidence: int | None = None
    deadline: str | None = None
    why: Why
    links: Links
    statement: str


class EndpointNews(WebhookPart):
    """News of an endpoint itself: a ping, a test, or that it fails."""

    endpoint: str
    sentence: str
    failing_since: str | None = None


def cloud_event(
    *, identifier: str, event_type: str, subject: str, time: str, data: dict[str, Any]
) -> dict[str, Any]:
    """Return a CloudEvent as one JSON object."""
    return {
        "specversion": "1.0",
        "id": identifier,
        "source": SOURCE,
        "type": event_type,
        "subject": subject,
        "time": time,
        "datacontenttype": "application/json",
        "data": data,
    }
