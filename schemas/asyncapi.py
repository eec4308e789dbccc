"""The topic catalogue as an AsyncAPI 3 document, for everybody who reads the log without our code.

Generated, never written by hand: channels are topics, messages are event types with the schemas of their models,
operations say which service sends what. `docs/asyncapi.json` is its snapshot, and a test compares them.
"""

from typing import Any

from pydantic.json_schema import models_json_schema

from schemas.contracts import MODELS
from schemas.envelope import JSON_CONTENT
from schemas.topics import COMPACTION_LAG_SECONDS, TOMBSTONE_RETENTION_DAYS, TOMBSTONES, TOPICS, Topic

_BINDING = "0.5.0"
_ATTRIBUTES = {
    "ce_specversion": "always 1.0",
    "ce_id": "UUIDv7, the same for ever",
    "ce_source": "region and service",
    "ce_type": "the event type",
    "ce_subject": "the aggregate's id",
    "ce_time": "RFC 3339; never orders anything",
    "ce_dataschema": "URN of the released JSON Schema",
    "ce_sequence": "incarnation.version, zero-padded: compare per key, the higher one is newer",
    "ce_partitionkey": "what the partition is chosen from (murmur2)",
    "ce_traceparent": "W3C trace context",
}
_OPTIONAL = {"ce_dataschema", "ce_traceparent"}


def document() -> dict[str, Any]:
    """Build the whole document."""
    _, schemas = models_json_schema(
        [(model, "validation") for model in MODELS.values()],
        by_alias=True,
        ref_template="#/components/schemas/{model}",
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Comity events",
            "version": "1",
            "description": (
                "CloudEvents 1.0 in binary mode, JSON. State topics are compacted: each record is the full state of "
                "its key, a null value erases it. Compare sequences per key and ignore what is not newer."
            ),
        },
        "defaultContentType": JSON_CONTENT,
        "channels": {topic.name: _channel(topic) for topic in TOPICS.values()},
        "operations": {f"{topic.owner}.{topic.name}": _operation(topic) for topic in TOPICS.values()},
        "components": {
            "messages": {
                kind: _message(topic, kind) for topic in TOPICS.values() for kind in topic.event_types
            },
            "messageTraits": {"cloudevent": {"headers": _headers()}},
            "schemas": schemas["$defs"],
        },
    }


def _channel(topic: Topic) -> dict[str, Any]:
    configuration: dict[str, Any] = {"cleanup.policy": ["compact"] if topic.compacted else ["delete"]}
    if topic.compacted:
        configuration["delete.retention.ms"] = TOMBSTONE_RETENTION_DAYS * 86_400_000
        configuration["max.compaction.lag.ms"] = COMPACTION_LAG_SECONDS * 1_000
    else:
        configuration["retention.ms"] = -1
    return {
        "address": topic.name,
        "title": topic.title,
        "messages": {kind: {"$ref": f"#/components/messages/{kind}"} for kind in topic.event_types},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": configuration,
                "bindingVersion": _BINDING,
            }
        },
    }


def _operation(topic: Topic) -> dict[str, Any]:
    return {
        "action": "send",
        "title": f"The service {topic.owner}, and nobody else, appends to {topic.name}.",
        "channel": {"$ref": f"#/channels/{topic.name}"},
    }


def _message(topic: Topic, kind: str) -> dict[str, Any]:
    payload = (
        {"type": "null"} if kind in TOMBSTONES else {"$ref": f"#/components/schemas/{MODELS[kind].__name__}"}
    )
    return {
        "name": kind,
        "contentType": JSON_CONTENT,
        "traits": [{"$ref": "#/components/messageTraits/cloudevent"}],
        "payload": payload,
        "bindings": {
            "kafka": {"key": {"type": "string", "description": topic.key}, "bindingVersion": _BINDING}
        },
    }


def _headers() -> dict[str, Any]:
    return {
        "type": "object",
        "required": [name for name in _ATTRIBUTES if name not in _OPTIONAL],
        "properties": {name: {"type": "string", "description": text} for name, text in _ATTRIBUTES.items()},
    }
