"""From rows to what answers show of them, as far as the reader may see it.

*Never:* a secret, the body of a mail, an address to a reader who needs none, or what a message said to anybody but the
organisation that it was for.
"""

from collections.abc import Mapping, Sequence
from datetime import time
from typing import Any

import orjson

from services.chassis.identity.principal import Principal
from services.notifications.rules import rights
from services.notifications.rules.cadence import Quiet
from services.notifications.rules.identifiers import identifier_of_news
from services.notifications.rules.redaction import redacted, redacted_event, redacted_text, shortened

Row = Mapping[str, Any]


def quiet_of(row: Row) -> Quiet | None:
    """Return the quiet hours of a subscription's row."""
    if row["quiet"] is None:
        return None
    said = orjson.loads(row["quiet"])
    return Quiet(time.fromisoformat(said["from"]), time.fromisoformat(said["until"]))


def subscription_json(row: Row, *, addresses: bool) -> dict[str, Any]:
    """Return a subscription; its address only where `addresses` says so."""
    plain = {
        name: row[name]
        for name in (
            "id", "organisation", "revision", "state", "channel", "endpoint", "email", "language", "cadence", "weekly_cap",
            "time_zone", "opted_in_at", "confirmed_at", "confirm_by", "lapsed_at", "refused_at", "next_digest_at",
            "created_at", "changed_at",
        )
    }  # fmt: skip
    plain["email"] = row["email"] if addresses else None
    plain["conditions"] = orjson.loads(row["conditions"])
    plain["quiet_hours"] = None if row["quiet"] is None else orjson.loads(row["quiet"])
    return plain


def endpoint_json(row: Row, secrets: Sequence[Row], *, reader: Principal) -> dict[str, Any]:
    """Return an endpoint with when its secrets were made, not what they are; its whole address for its own people."""
    plain = {
        name: row[name]
        for name in (
            "id", "organisation", "revision", "state", "reason", "url", "description", "failing_since",
            "contact_language", "contact_confirmed_at", "created_at", "changed_at",
        )
    }  # fmt: skip
    plain["contact_email"] = (
        row["contact_email"] if rights.sees_addresses(reader, row["organisation"]) else None
    )
    plain["url"] = row["url"] if rights.sees_contents(reader, row["organisation"]) else shortened(row["url"])
    plain["secrets"] = [{name: one[name] for name in ("id", "created_at", "expires_at")} for one in secrets]
    return plain


def delivery_json(row: Row) -> dict[str, Any]:
    """Return a message without its content."""
    return {
        name: row[name]
        for name in (
            "id", "organisation", "channel", "type", "endpoint", "subscription", "contact_of", "state", "attempts",
            "due_at", "created_at", "ended_at",
        )
    }  # fmt: skip


def whole_delivery_json(row: Row, attempts: Sequence[Row], *, reader: Principal) -> dict[str, Any]:
    """Return a message with its body, if it is a webhook's, and with every try; redacted for whom it was not for."""
    contents = rights.sees_contents(reader, row["organisation"])
    body = row["body"] if row["channel"] == "webhook" and row["body"] is not None else None
    tries = [
        {
            name: one[name]
            for name in (
                "number",
                "endpoint",
                "started_at",
                "ended_at",
                "outcome",
                "error",
                "status",
                "milliseconds",
            )
        }
        | {"response": None if one["response"] is None else _answer(one["response"], contents=contents)}
        for one in attempts
    ]
    shown = None if body is None else orjson.loads(body) if contents else redacted_event(body)
    return delivery_json(row) | {"redacted": not contents, "body": shown, "tries": tries}


def _answer(stored: bytes, *, contents: bool) -> str:
    return stored.decode("utf-8", "replace") if contents else redacted_text(stored)


def notice_json(row: Row, *, reader: Principal) -> dict[str, Any]:
    """Return a notice with what it says, redacted for whom it was not for."""
    contents = rights.sees_contents(reader, row["organisation"])
    plain = {
        name: row[name]
        for name in ("subscription", "project", "type", "rule", "list_version", "state", "made_at")
    }
    plain["id"] = identifier_of_news(row)
    said = row["data"]
    return plain | {"data": None if said is None else orjson.loads(said) if contents else redacted(said)}


def dismissal_json(row: Row, *, reasons: bool = True) -> dict[str, Any]:
    """Return a dismissal, and whether the project has changed since; the reason for who may read it."""
    return {name: row[name] for name in ("organisation", "project", "revision", "lifted", "dismissed_at")} | {
        "reason": row["reason"] if reasons else None
    }
