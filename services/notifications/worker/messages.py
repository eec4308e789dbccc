"""What a notice says, and the webhook that says it.

*What.* The facts of a project, a row of its list in the reader's language, and why it is told: a body after CloudEvents. *Why
nothing else.* A body is thin: whoever reads it follows its links. *Never:* name a rank, or anybody else.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

import orjson

from schemas.http.suggestion import SUGGESTION
from schemas.webhooks.notifications import MATCH_PROPOSED, Rule, cloud_event
from services.chassis.runtime import Runtime, timestamp
from services.notifications.commands.leaving import NEEDS_REASONS
from services.notifications.mail.letters import words_of
from services.notifications.queries.reading import quiet_of
from services.notifications.rules.cadence import next_digest
from services.notifications.rules.identifiers import identifier_of_news
from services.notifications.worker.cycles import AWAY, LISTENING

EXCLUDED: Final[Rule] = "excluded-by-a-rule"
"""The rule of such news."""

NOTHING_SAID: Mapping[str, Any] = MappingProxyType({"titles": ()})
"""The facts of an erased project."""


def said_of(
    notice: Mapping[str, Any],
    facts: Mapping[str, Any],
    row: Mapping[str, Any] | None,
    *,
    terms: Sequence[str],
    least: int | None,
) -> dict[str, Any] | None:
    """Return what the notice says, None if it is not to be told (any more); `terms` are those told before, `least` the confidence asked for."""
    if notice["subscription_state"] not in LISTENING or notice["organisation_state"] in AWAY:
        return None
    if notice["type"] in NEEDS_REASONS:
        if row is None:
            return None  # and no record on its way will tell of the pair
        first = notice["type"] == MATCH_PROPOSED or not notice["told"]
        if least is not None and row["confidence"] < least and notice["fits"] and first:
            return None
    row = row or {}
    return {
        "subscription": notice["subscription"],
        "organisation": notice["organisation"],
        "project": notice["project"],
        "title": title_in(facts["titles"], notice["language"]),
        "language": notice["language"],
        "list_version": notice["list_version"],
        "fit": row.get("fit"),
        "band": row.get("band"),
        "confidence": row.get("confidence"),
        "deadline": facts.get("deadline"),
        "flagship": facts.get("flagship"),
        "why": {
            "rule": EXCLUDED if row and row["fit"] is None else notice["rule"],
            "shared_terms": row.get("shared_terms", terms),
            "reasons": row.get("reasons", []),
        },
        "links": {
            "project": f"/v1/projects/{notice['project']}",
            "why": f"/v1/lists/{notice['project']}/candidates/{notice['organisation']}",
            "subscription": f"/v1/subscriptions/{notice['subscription']}",
        },
        "statement": statement_in(notice["language"]),
    }


def statement_in(language: str) -> str:
    """Return what every message says of a list, in the reader's language; in English it is the answers' own sentence."""
    return SUGGESTION if language == "en" else str(words_of(language)["statement"])


def title_in(titles: Sequence[Mapping[str, str]], language: str) -> str:
    """Return a title in the language asked for, else in English, else the first."""
    by_language = {one["language"].partition("-")[0]: one["text"] for one in reversed(titles)}
    return by_language.get(language) or by_language.get("en") or next(iter(by_language.values()), "")


def webhook_of(
    runtime: Runtime, notice: Mapping[str, Any], data: dict[str, Any], *, now: datetime
) -> dict[str, Any]:
    """Return the row of the webhook that says it, due at the hour of its subscription; to an endpoint that is disabled it comes by `recover`."""
    address = runtime.settings.address
    linked = data | {"links": {name: address + path for name, path in data["links"].items()}}
    given_up = notice["endpoint_state"] in {"disabled", "deleted"}
    identifier = identifier_of_news(notice)
    body = cloud_event(
        identifier=identifier,
        event_type=notice["type"],
        subject=f"{notice['project']}/{notice['organisation']}",
        time=notice["made_at"],
        data=linked,
    )
    return {
        "id": identifier,
        "organisation": notice["organisation"],
        "channel": "webhook",
        "type": notice["type"],
        "endpoint": notice["endpoint"],
        "subscription": notice["subscription"],
        "body": orjson.dumps(body),
        "state": "cancelled" if given_up else "pending",
        "attempts": 0,
        "earlier": 0,
        "due_at": timestamp(next_digest(now, notice["cadence"], quiet_of(notice), notice["time_zone"])),
        "place": notice["place"],
        "created_at": timestamp(now),
        "ended_at": timestamp(now) if given_up else None,
    }
