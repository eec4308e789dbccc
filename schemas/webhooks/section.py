"""The `webhooks` section of the OpenAPI document: every message that an endpoint may get, with an example.

*What.* Generated from the models whose schemas are released; each example holds the released golden sample. *Why here.* A
receiver is written against this document, and a test compares it with what the worker sends. *Never:* written by hand.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from pydantic.json_schema import models_json_schema

from schemas.envelope import schema_name
from schemas.topics import LATEST_RELEASE
from schemas.webhooks.notifications import CONTENT_TYPE, MODELS, RULES, SOURCE, cloud_event

RELEASED = Path(__file__).parents[1] / "released"
TITLES = {
    "match.proposed": "Your profile came above a list's floor, or the project came to be what you ask for",
    "match.rescored": "It moved to another band",
    "match.withdrawn": "It fell below the floor, or a rule of the project leaves it out",
    "opportunity.updated": "The needs or countries of a project changed, or it is what you ask for no more, or again",
    "opportunity.closing-soon": "The deadline of a project that you were told of is near",
    "opportunity.closed": "A project that you were told of was closed",
    "opportunity.withdrawn": "A project that you were told of was withdrawn",
    "endpoint.pinged": "A ping: 2xx makes the endpoint active",
    "endpoint.tested": "An example that you asked for",
    "endpoint.failing": "Another endpoint of yours has failed for a day",
    "endpoint.disabled": "Another endpoint of yours was disabled",
}
_ENVELOPE = {
    "type": "object",
    "title": "WebhookEvent",
    "description": "A CloudEvent (1.0) as one JSON object.",
    "required": [
        "specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data",
    ],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {
            "type": "string",
            "format": "uuid",
            "description": "The `webhook-id`, the same at every try: what was seen already may be ignored.",
        },
        "source": {"const": SOURCE},
        "type": {"type": "string"},
        "subject": {"type": "string", "description": "`project/organisation`, or the endpoint."},
        "time": {
            "type": "string",
            "format": "date-time",
            "description": "When it came up, the same at every try: of two with the same `list_version` the later is newer.",
        },
        "datacontenttype": {"const": "application/json"},
        "dataschema": {"type": "string", "description": "URN of the released JSON Schema of `data`."},
        "data": {"type": "object"},
    },
}  # fmt: skip
_HEADERS = (
    ("webhook-id", "The event's id."),
    ("webhook-timestamp", "Seconds since 1970; refuse what is more than five minutes off."),
    (
        "webhook-signature",
        "Standard Webhooks: `v1,` and a signature, once for each live secret, with a space between.",
    ),
)
_RESPONSES = {
    "2XX": {"description": "Taken. Within 15 seconds; work afterwards."},
    "410": {"description": "Never again: the endpoint is disabled at once."},
    "default": {"description": "Not taken: it is tried again, ten times in all over about 76 hours."},
}


def described() -> dict[str, Any]:
    """Return `webhooks` by type, and the `schemas` that they refer to."""
    _, made = models_json_schema(
        [(model, "validation") for model in dict.fromkeys(MODELS.values())],
        by_alias=True,
        ref_template="#/components/schemas/{model}",
    )
    return {
        "webhooks": {kind: {"post": _operation(kind)} for kind in MODELS},
        "schemas": {"WebhookEvent": _ENVELOPE, **made["$defs"]},
    }


def example(kind: str) -> dict[str, Any]:
    """Return a whole message of a type, about the released sample."""
    release = LATEST_RELEASE.get(kind, 1)
    data = orjson.loads((RELEASED / kind / f"{release}.sample.json").read_bytes())
    about = data.get("endpoint") or f"{data['project']}/{data['organisation']}"
    return cloud_event(
        identifier="019ab3c2-7d4e-7f00-8a11-3c5e9d7b2f60",
        event_type=kind,
        subject=about,
        time="2026-11-23T12:00:00.000000Z",
        data=data,
    )


def _rules(codes: Sequence[str]) -> str:
    """Return the sentence that names the rules of a type; a code may be added, as a field may."""
    return f"`why.rule` is {' or '.join(f'`{code}`' for code in codes)}; more may come."


def _operation(kind: str) -> dict[str, Any]:
    narrowed = {
        "properties": {
            "type": {"const": kind},
            "dataschema": {"const": schema_name(kind)},
            "data": {"$ref": f"#/components/schemas/{MODELS[kind].__name__}"},
        }
    }
    name = kind.removeprefix("org.comity.").rpartition(".")[0]
    return {
        "operationId": name.replace(".", "_").replace("-", "_"),
        "summary": TITLES[name],
        **({"description": _rules(RULES[kind])} if kind in RULES else {}),
        "tags": ["webhooks"],
        "security": [],  # the signature is the proof
        "parameters": [
            {
                "name": header,
                "in": "header",
                "required": True,
                "description": text,
                "schema": {"type": "string"},
            }
            for header, text in _HEADERS
        ],
        "requestBody": {
            "required": True,
            "content": {
                CONTENT_TYPE: {
                    "schema": {"allOf": [{"$ref": "#/components/schemas/WebhookEvent"}, narrowed]},
                    "example": example(kind),
                }
            },
        },
        "responses": _RESPONSES,
    }
