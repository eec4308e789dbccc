"""The rows of messages that are due at once: commands and the worker queue them alike.

*What.* A message of any channel, and the event about an endpoint. *Why here.* Whoever decides that something is to be said
inserts the row, in the transaction of that decision. *Never:* read or write a table, or send.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
import uuid_utils

from schemas.webhooks.notifications import ENDPOINT_DISABLED, ENDPOINT_FAILING, ENDPOINT_PINGED, cloud_event
from services.chassis.runtime import timestamp

SENTENCES = {
    ENDPOINT_PINGED: "This is a ping: answer with 2xx and the endpoint is active.",
    ENDPOINT_FAILING: "Messages to this endpoint have failed for a day.",
    ENDPOINT_DISABLED: "This endpoint was disabled; verify it again, and recover what it missed.",
}


def event_row(
    row: Mapping[str, Any], kind: str, *, to: str, now: datetime, identifier: str | None = None
) -> dict[str, Any]:
    """Return the delivery of an event about an endpoint, to an endpoint of the same organisation (or itself)."""
    queued = delivery_row(
        organisation=row["organisation"],
        channel="webhook",
        kind=kind,
        endpoint=to,
        body=b"",
        place="",
        now=now,
        identifier=identifier,
    )
    body = cloud_event(
        identifier=queued["id"],
        event_type=kind,
        subject=row["id"],
        time=timestamp(now),
        data={
            "endpoint": row["id"],
            "sentence": SENTENCES.get(
                kind, "This is a test: a signed example, sent because you asked for it."
            ),
            "failing_since": row["failing_since"],
        },
    )
    return queued | {"body": orjson.dumps(body)}


def delivery_row(
    *,
    organisation: str,
    channel: str,
    kind: str,
    body: bytes,
    place: str,
    now: datetime,
    endpoint: str | None = None,
    subscription: str | None = None,
    contact_of: str | None = None,
    period: str | None = None,
    identifier: str | None = None,
) -> dict[str, Any]:
    """Return a message that is due now; without an `identifier` it is one that somebody asked for, under an id of its own."""
    return {
        "id": identifier or str(uuid_utils.uuid7()),
        "organisation": organisation,
        "channel": channel,
        "type": kind,
        "endpoint": endpoint,
        "subscription": subscription,
        "contact_of": contact_of,
        "period": period,
        "body": body,
        "state": "pending",
        "attempts": 0,
        "earlier": 0,
        "due_at": timestamp(now),
        "place": place,
        "created_at": timestamp(now),
    }
