"""The bodies of webhooks: CloudEvents 1.0 as one JSON object, signed after Standard Webhooks.

*What.* The event types and their data. *Why thin.* Ids, links, points and reasons; a receiver fetches the rest, so that
access stays where rights are checked. *Never:* a contact, a person, or another organisation. Order is not promised:
`list_version` says what is newer, of the same one the envelope's time, and the feed is the truth.
"""

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field

from schemas.envelope import schema_name
from schemas.events.parts import Identifier, Part, Stamp

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

Rule = Literal[
    "above-floor",
    "above-floor-again",
    "band-rose",
    "band-fell",
    "fell-below-floor",
    "excluded-by-a-rule",
    "project-changed",
    "meets-conditions",
    "left-conditions",
    "deadline-near",
    "project-closed",
    "project-withdrawn",
    "project-erased",
]
"""The codes of `why.rule`; each has a sentence in every language of the mails."""

RULES: Mapping[str, tuple[Rule, ...]] = MappingProxyType(
    {
        MATCH_PROPOSED: ("above-floor", "above-floor-again", "project-changed", "meets-conditions"),
        MATCH_RESCORED: ("band-rose", "band-fell"),
        MATCH_WITHDRAWN: ("fell-below-floor", "excluded-by-a-rule"),
        OPPORTUNITY_UPDATED: ("project-changed", "meets-conditions", "left-conditions"),
        OPPORTUNITY_CLOSING_SOON: ("deadline-near",),
        OPPORTUNITY_CLOSED: ("project-closed",),
        OPPORTUNITY_WITHDRAWN: ("project-withdrawn", "project-erased"),
    }
)
"""Which of them may fire for a type. The guide's table, and the OpenAPI document, have them."""

SOURCE = "/comity/notifications"
CONTENT_TYPE = "application/cloudevents+json"


class WebhookLinks(Part):
    """Where to read further."""

    project: str
    why: str
    """The list's row with every point."""
    subscription: str


class WebhookWhy(Part):
    """Why you were told."""

    rule: str
    """The code of the rule that fired; more may come."""
    shared_terms: Annotated[tuple[str, ...], Field(max_length=10)] = ()
    """The words that both texts share."""
    reasons: Annotated[tuple[str, ...], Field(max_length=6)] = ()
    """Sentences, in `language`."""


class WebhookNews(Part):
    """News of one project for one organisation. `fit`, `band` and `confidence` are null where an end or a date is told."""

    subscription: Identifier
    organisation: Identifier
    project: Identifier
    title: str
    language: Literal["ar", "zh", "en", "fr", "ru", "es"]
    """Of title, reasons and statement: the subscription's. A project that has no title in it is named by another."""
    list_version: Annotated[int, Field(ge=1)] | None = None
    """The higher one is newer; messages come in any order."""
    fit: Annotated[int, Field(ge=0, le=1000)] | None = None
    band: Literal["weak", "possible", "good", "strong"] | None = None
    confidence: Annotated[int, Field(ge=0, le=1000)] | None = None
    deadline: date | None = None
    flagship: Identifier | None = None
    why: WebhookWhy
    links: WebhookLinks
    statement: str
    """What a list is and is not."""


class WebhookEndpointNews(Part):
    """News of an endpoint itself: a ping, a test, or that it fails."""

    endpoint: Identifier
    sentence: str
    failing_since: Stamp | None = None


MODELS: Mapping[str, type[Part]] = MappingProxyType(
    dict.fromkeys(NEWS, WebhookNews)
    | dict.fromkeys(
        (ENDPOINT_PINGED, ENDPOINT_TESTED, ENDPOINT_FAILING, ENDPOINT_DISABLED), WebhookEndpointNews
    )
)
"""The data of every message by its type; their schemas are released as those of events are (`schemas.releases`)."""


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
        "dataschema": schema_name(event_type),
        "data": data,
    }
