"""What a topic of the catalogue is on Apache Kafka: its settings there, and what must not differ.

What: catalogue entry → topic settings, and what is told where a topic that exists has others. Why apart: it is pure and
can be read and tested without a broker; AsyncAPI and the operators' page show the same figures. It must not talk to a broker.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from schemas.topics import Topic
from services.chassis.bus.errors import TopicMismatch
from services.chassis.bus.transport import Drift
from services.chassis.settings import Settings

ENVELOPE_BYTES = 65_536
"""Room beside the largest record for batch overhead and headers."""

Change = tuple[int, str, list[tuple[str, int, str]]]
"""New settings of one topic as Kafka's IncrementalAlterConfigs has them: (kind, topic, [(name, operation, value)])."""

_TOPIC, _SET = 2, 0

FIXED_SETTINGS = ("cleanup.policy",)
"""Settings that the meaning of a topic hangs on; where an existing topic differs, it is refused."""

MEANS = MappingProxyType(
    {
        "min.insync.replicas": "how many brokers have a write before it counts",
        "max.message.bytes": "with less, a large event stops its relay",
        "message.timestamp.type": "whose clock decides when a tombstone goes",
        "unclean.leader.election.enable": "whether a broker that lacks accepted writes may lead",
        "max.compaction.lag.ms": "when what was superseded or erased is gone at the latest",
        "delete.retention.ms": "how long a reader may be away and still learn of an erasure",
        "retention.ms": "for how long history is kept",
        "retention.bytes": "how much of the history is kept",
    }
)
"""What hangs on each setting that may be changed while the topic is in use."""


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


def drift(
    name: str, wanted: Mapping[str, str], found: Mapping[str, str | None], *, replicas: tuple[int, int]
) -> Iterator[Drift]:
    """Tell each setting of an existing topic that is not the wanted one, and too few replicas (wanted, found).

    A setting that would stop every write is told and not offered: more replicas in sync than there are.
    """
    more, has = replicas
    moved = "kafka-reassign-partitions.sh gives its partitions more replicas"
    if has < more:
        yield Drift(
            topic=name,
            what="replicas",
            found=str(has),
            wanted=str(more),
            means="how many brokers may be lost",
            mend=f"{moved}.",
            settable=False,
        )
    for what, value in wanted.items():
        if found.get(what) == value:
            continue
        stops = what == "min.insync.replicas" and int(value) > has
        yield Drift(
            topic=name,
            what=what,
            found=str(found.get(what)),
            wanted=value,
            means=MEANS[what],
            mend=f"Nothing could be written then; first {moved}."
            if stops
            else "`comity topics --apply` sets it.",
            settable=not stops,
        )


def changes(drifts: Sequence[Drift]) -> list[Change]:
    """Return what mends these, as far as it is settable; settings that none of them names stay as they are."""
    settable = [one for one in drifts if one.settable]
    return [
        (_TOPIC, name, [(one.what, _SET, one.wanted) for one in settable if one.topic == name])
        for name in dict.fromkeys(one.topic for one in settable)
    ]
