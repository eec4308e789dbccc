"""What a topic of the catalogue is on Apache Kafka: its settings there, and what must not differ.

What: catalogue entry → topic settings. Why apart: it is pure and can be read and tested without a broker; AsyncAPI and
the operators' page show the same figures. It must not talk to a broker.
"""

from collections.abc import Mapping

from schemas.topics import Topic
from services.chassis.bus.errors import TopicMismatch
from services.chassis.settings import Settings

ENVELOPE_BYTES = 65_536
"""Room beside the largest record for batch overhead and headers."""

FIXED_SETTINGS = ("cleanup.policy",)
"""Settings that the meaning of a topic hangs on; where an existing topic differs, it is refused."""


def topic_settings(topic: Topic, settings: Settings) -> dict[str, str]:
    """Return the topic's settings on Kafka.

    A state topic is compacted no later than the lag (a bound for erasure: without it a superseded record may stay for
    ever) and keeps tombstones as long as a reader may be away. A history topic is kept without limit. The time of a
    record is the broker's, so that no producer's clock decides when a tombstone may go.
    """
    shared = {
        "min.insync.replicas": str(settings.kafka.min_insync_replicas),
        "max.message.bytes": str(settings.log.max_record_bytes + ENVELOPE_BYTES),
        "message.timestamp.type": "LogAppendTime",
        "unclean.leader.election.enable": "false",
    }
    if topic.compacted:
        return shared | {
            "cleanup.policy": "compact",
            "max.compaction.lag.ms": str(max(1, settings.log.compaction_lag_seconds * 1000)),
            "delete.retention.ms": str(settings.log.tombstone_seconds * 1000),
        }
    return shared | {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}


def refuse_difference(name: str, wanted: Mapping[str, object], found: Mapping[str, object]) -> None:
    """Refuse an existing topic that is not the one the catalogue means. Raises TopicMismatch."""
    for what, value in wanted.items():
        if found.get(what) != value:
            raise TopicMismatch(
                f"The topic {name} has {what} = {found.get(what)} on Kafka, but the catalogue says {value}. It cannot be "
                "changed without losing the order or the history of keys: use another cluster or another kafka.prefix."
            )
