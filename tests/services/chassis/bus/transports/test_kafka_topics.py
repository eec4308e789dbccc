import pytest

from schemas.topics import TOPICS
from services.chassis.bus.errors import TopicMismatch
from services.chassis.bus.transports.kafka_topics import (
    FIXED_SETTINGS,
    MEANS,
    changes,
    drift,
    refuse_difference,
    topic_settings,
)
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


def test_of_every_setting_that_may_change_it_is_said_what_hangs_on_it() -> None:
    stated = {name for topic in TOPICS.values() for name in topic_settings(topic, SETTINGS)}
    assert stated - set(FIXED_SETTINGS) == set(MEANS)


def test_each_setting_that_differs_is_told_in_a_sentence_with_what_mends_it() -> None:
    wanted = topic_settings(TOPICS["members.v1"], SETTINGS)
    assert list(drift("members.v1", wanted, wanted, replicas=(3, 3))) == []
    found = wanted | {"delete.retention.ms": "60000", "segment.ms": "1"}
    (one,) = drift("members.v1", wanted, found, replicas=(3, 3))
    assert str(one) == (
        "The topic members.v1 has delete.retention.ms = 60000, not 2592000000 (how long a reader may be away and still "
        "learn of an erasure). `comity topics --apply` sets it."
    )
    assert changes([one]) == [(2, "members.v1", [("delete.retention.ms", 0, "2592000000")])]


def test_what_would_stop_every_write_is_told_and_not_offered() -> None:
    wanted = topic_settings(TOPICS["members.v1"], SETTINGS)
    few, unsafe = drift("members.v1", wanted, wanted | {"min.insync.replicas": "1"}, replicas=(3, 1))
    assert (few.what, few.found, few.wanted) == ("replicas", "1", "3")
    assert "Nothing could be written then; first kafka-reassign-partitions.sh" in str(unsafe)
    assert changes([few, unsafe]) == []


def test_more_replicas_than_the_settings_ask_for_are_no_difference() -> None:
    wanted = topic_settings(TOPICS["members.v1"], SETTINGS)
    assert list(drift("members.v1", wanted, wanted, replicas=(2, 3))) == []
