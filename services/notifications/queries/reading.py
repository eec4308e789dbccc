"""From rows to what answers show of them, as far as the reader may see it.

*Never:* a secret, the body of a mail, or an address to a reader who needs none.
"""

from collections.abc import Mapping, Sequence
from datetime import time
from typing import Any

import orjson

from services.notifications.rules.cadence import Quiet

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
            "time_zone", "opted_in_at", "confirmed_at", "confirm_by", "lapsed_at", "next_digest_at", "created_at", "changed_at",
        )
    }  # fmt: skip
    plain["email"] = row["email"] if addresses else None
    plain["conditions"] = orjson.loads(row["conditions"])
    plain["quiet_hours"] = None if row["quiet"] is None else orjson.loads(row["quiet"])
    return plain


def endpoint_json(row: Row, secrets: Sequence[Row]) -> dict[str, Any]:
    """Return an endpoint with when its secrets were made, not what they are."""
    plain = {
        name: row[name]
        for name in (
            "id", "organisation", "revision", "state", "reason", "url", "description", "failing_since",
            "created_at", "changed_at",
        )
    }  # fmt: skip
    plain["secrets"] = [{name: one[name] for name in ("id", "created_at", "expires_at")} for one in secrets]
    return plain


def delivery_json(row: Row) -> dict[str, Any]:
    """Return a message without its content."""
    return {
        name: row[name]
        for name in (
            "id", "organisation", "channel", "type", "endpoint", "subscription", "state", "attempts", "due_at",
            "created_at", "ended_at",
        )
    }  # fmt: skip


def whole_delivery_json(row: Row, attempts: Sequence[Row]) -> dict[str, Any]:
    """Return a message with its body, if it is a webhook's, and with every try."""
    shown = row["channel"] == "webhook" and row["body"] is not None
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
        | {"response": None if one["response"] is None else one["response"].decode("utf-8", "replace")}
        for one in attempts
    ]
    return delivery_json(row) | {"body": orjson.loads(row["body"]) if shown else None, "tries": tries}


def notice_json(row: Row) -> dict[str, Any]:
    """Return a notice with its reasons."""
    return {
        name: row[name]
        for name in ("id", "subscription", "project", "type", "rule", "list_version", "state", "made_at")
    } | {"data": None if row["data"] is None else orjson.loads(row["data"])}


def dismissal_json(row: Row, *, reasons: bool = True) -> dict[str, Any]:
    """Return a dismissal, and whether the project has changed since; the reason for who may read it."""
    return {name: row[name] for name in ("organisation", "project", "revision", "lifted", "dismissed_at")} | {
        "reason": row["reason"] if reasons else None
    }
