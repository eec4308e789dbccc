import pytest

from schemas.topics import TOPICS
from services.chassis.bus.errors import TopicMismatch
from services.chassis.bus.transports.kafka_topics import refuse_difference, topic_settings
from services.chassis.settings import Settings

SETTINGS = Settings(
    log={"compaction_lag_seconds": 86_400, "tombstone_seconds": 2_592_000, "max_record_bytes": 900_000}
)


def test_a_state_topic_is_compacted_within_a_bound_and_keeps_tombstones_thirty_days() -> None:
    assert topic_settings(TOPICS["members.v1"], SETTINGS) == {
        "cleanup.policy": "compact",
        "max.compaction.lag.ms": "86400000",
        "delete.retention.ms": "2592000000",
        "min.insync.replicas": "2",
        "max.message.bytes": "965536",
        "message.timestamp.type": "LogAppendTime",
        "unclean.leader.election.enable": "false",
    }


def test_a_history_topic_is_kept_without_limit() -> None:
    found = topic_settings(TOPICS["matches.v1"], SETTINGS)
    assert (found["cleanup.policy"], found["retention.ms"], found["retention.bytes"]) == (
        "delete",
        "-1",
        "-1",
    )


def test_every_topic_of_the_catalogue_has_settings() -> None:
    assert all(topic_settings(topic, SETTINGS)["min.insync.replicas"] == "2" for topic in TOPICS.values())


def test_a_difference_is_refused_by_name() -> None:
    refuse_difference("members.v1", {"partitions": 8}, {"partitions": 8, "retention.ms": "1"})
    with pytest.raises(TopicMismatch, match=r"members\.v1 has partitions = 4"):
        refuse_difference("members.v1", {"partitions": 8}, {"partitions": 4})
