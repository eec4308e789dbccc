"""Mutants of what stands on the topics: the form of an event, the catalogue, and what a topic is on Apache Kafka."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
from pydantic import create_model
from sqlalchemy import text

from schemas import asyncapi, releases, topics
from schemas.envelope import Event
from schemas.topics import EPOCH_PUBLISHED, PROJECT_REVISED, TOPICS
from services.chassis.bus import outbox
from services.chassis.bus.transports import kafka, kafka_membership, kafka_topics
from services.chassis.bus.transports.sql import appending, compaction
from services.members import events as members
from tests.mutants.mutant import Mutant, Patch

LOG = "tests/services/chassis/bus/test_sql_log.py"
RELAY = "tests/services/chassis/bus/test_relay.py"
KAFKA_TOPICS = "tests/services/chassis/bus/transports/test_kafka_topics.py"
CONTRACTS = "tests/schemas/test_contracts.py"
ENVELOPE = "tests/schemas/test_envelope.py"
RELEASES = "tests/schemas/test_releases.py"
FIDELITY = "tests/conformance/test_fidelity.py"
ON_KAFKA = "tests/conformance/test_on_kafka.py"
FRAME = "tests/services/matches/test_frame.py"


def _whole_in_the_value(patch: Patch) -> None:
    original = appending._row

    def row(event: Event, *of: Any) -> dict[str, Any]:
        whole = {name.removeprefix("ce_"): value.decode() for name, value in event.headers()}
        return original(event, *of) | {"value": orjson.dumps(whole | {"data": event.json()})}

    patch.setattr(appending, "_row", row)


def _in_the_present_tense(patch: Patch) -> None:
    present = {kind.replace("revised", "revise"): topic for kind, topic in topics.TOPIC_OF.items()}
    patch.setattr(topics, "TOPIC_OF", present)


def _move_a_model_on(patch: Patch) -> None:
    model = releases.MODELS[PROJECT_REVISED]
    moved = create_model(model.__name__, __base__=model, nickname=(str | None, None))
    patch.setattr(releases, "MODELS", {**releases.MODELS, PROJECT_REVISED: moved})


def _leave_a_topic_out(patch: Patch) -> None:
    rest = {name: topic for name, topic in TOPICS.items() if name != "standings.v1"}
    patch.setattr(asyncapi, "TOPICS", rest)


def _never_compact(patch: Patch) -> None:
    patch.setattr(compaction, "_SUPERSEDED", text("DELETE FROM log_record WHERE :before < 0 AND :chunk < 0"))


def _compact_history(patch: Patch) -> None:
    statement = compaction._SUPERSEDED.text.replace("t.compacted AND", "")
    patch.setattr(compaction, "_SUPERSEDED", text(statement))


def _leave_a_field_out(patch: Patch) -> None:
    original = members.revised

    def revised(record: Any, **more: Any) -> Event:
        event = original(record, **more)
        rest = {name: value for name, value in event.json().items() if name != "recorded"}
        return replace(event, data=orjson.dumps(rest))

    patch.setattr(members, "revised", revised)


def _made_without(*names: str) -> Callable[[Patch], None]:
    """Make topics on Kafka without these settings."""
    original = kafka_topics.topic_settings

    def settings(*of: Any) -> dict[str, str]:
        return {name: value for name, value in original(*of).items() if name not in names}

    def patched(patch: Patch) -> None:
        patch.setattr(kafka_topics, "topic_settings", settings)
        patch.setattr("tests.services.chassis.bus.transports.test_kafka_topics.topic_settings", settings)

    return patched


def _compare_no_setting(patch: Patch) -> None:
    patch.setattr(kafka_topics, "FIXED_SETTINGS", ())


def _tell_no_drift(patch: Patch) -> None:
    def drift(*_: Any, **__: Any) -> tuple[()]:
        return ()

    patch.setattr(kafka_topics, "drift", drift)
    patch.setattr("tests.services.chassis.bus.transports.test_kafka_topics.drift", drift)


def _publish_in_silence(patch: Patch) -> None:
    original = outbox.post

    async def post(connection: Any, event: Event, **more: Any) -> None:
        if event.type != EPOCH_PUBLISHED:
            await original(connection, event, **more)

    patch.setattr(outbox, "post", post)


def _stones_without_a_sequence(patch: Patch) -> None:
    original = Event.headers

    def headers(self: Event) -> tuple[tuple[str, bytes], ...]:
        return tuple(one for one in original(self) if not (self.tombstone and one[0] == "ce_sequence"))

    patch.setattr(Event, "headers", headers)


def _count_what_is_open(patch: Patch) -> None:
    original = kafka.KafkaTransport.ends

    async def ends(self: kafka.KafkaTransport, topic: str) -> Any:
        fetcher = self._reader._fetcher
        fetcher._isolation_level, before = 0, fetcher._isolation_level
        try:
            return await original(self, topic)
        finally:
            fetcher._isolation_level = before

    patch.setattr(kafka.KafkaTransport, "ends", ends)


def _stop_at_the_last_record(patch: Patch) -> None:
    original = kafka_membership.KafkaMembership._batches

    async def batches(self: kafka_membership.KafkaMembership, fetched: Any) -> Any:
        return [batch for batch in await original(self, fetched) if batch.records]

    patch.setattr(kafka_membership.KafkaMembership, "_batches", batches)


MUTANTS = (
    Mutant(
        name="event-whole-in-the-value",
        rule="T1",
        how="a record's value is the whole event, attributes and all, so that no record is without one",
        patch=_whole_in_the_value,
        tests=(
            f"{RELAY}::test_the_log_holds_the_bytes_of_the_event",
            f"{FIDELITY}::test_c09_a_real_event_is_the_same_bytes_from_the_outbox_to_the_reader[sqlite]",
        ),
    ),
    Mutant(
        name="type-in-the-present-tense",
        rule="T2",
        how="the catalogue has types that say what is to be done, not what has happened",
        patch=_in_the_present_tense,
        tests=(f"{CONTRACTS}::test_every_type_is_reverse_dns_in_the_past_tense_with_its_version_last",),
    ),
    Mutant(
        name="model-moved-on-unreleased",
        rule="T3",
        how="the record of a project has a field that no release of its schema has",
        patch=_move_a_model_on,
        tests=(f"{RELEASES}::test_released_schemas_never_change_and_models_meet_them",),
    ),
    Mutant(
        name="topic-left-out-of-asyncapi",
        rule="T4",
        how="the document is not made of the whole catalogue",
        patch=_leave_a_topic_out,
        tests=(f"{RELEASES}::test_the_asyncapi_snapshot_is_what_the_catalogue_generates",),
    ),
    Mutant(
        name="state-never-compacted",
        rule="T5",
        how="compaction leaves what is superseded where it is",
        patch=_never_compact,
        tests=(f"{LOG}::test_compaction_keeps_the_last_record_of_each_key",),
    ),
    Mutant(
        name="record-with-a-field-left-out",
        rule="T5",
        how="the record of an organisation on the log lacks what its table has: since when its texts stand",
        patch=_leave_a_field_out,
        tests=(
            "tests/services/members/test_restoring.py::test_the_newest_revision_comes_back_and_the_history_may_have_a_gap",
        ),
    ),
    Mutant(
        name="history-compacted",
        rule="T9",
        how="compaction takes superseded records of every topic",
        patch=_compact_history,
        tests=(f"{LOG}::test_a_history_topic_is_never_compacted",),
    ),
    Mutant(
        name="history-kept-for-a-week",
        rule="T9",
        how="a history topic is made on Kafka with the broker's own limits of time and size",
        patch=_made_without("retention.ms", "retention.bytes"),
        tests=(
            f"{KAFKA_TOPICS}::test_a_history_topic_is_kept_without_limit",
            f"{ON_KAFKA}::test_a_topic_is_made_with_the_settings_of_the_catalogue[kafka]",
        ),
    ),
    Mutant(
        name="epoch-not-told",
        rule="T11",
        how="an epoch is stored, and the log hears nothing of it",
        patch=_publish_in_silence,
        tests=(f"{FRAME}::test_a_new_epoch_ranks_every_list_anew_and_is_told",),
    ),
    Mutant(
        name="caught-up-at-the-high-watermark",
        rule="T17",
        how="the end of a partition counts what stands in a transaction that is open, which nobody can read yet",
        patch=_count_what_is_open,
        tests=(f"{ON_KAFKA}::test_the_end_is_the_last_stable_offset[kafka]",),
    ),
    Mutant(
        name="caught-up-at-the-last-record",
        rule="T17",
        how="a member stands behind the last record, before the markers that follow it, and so is never at the end",
        patch=_stop_at_the_last_record,
        tests=(f"{ON_KAFKA}::test_a_member_at_rest_has_reached_the_end_behind_the_markers[kafka]",),
    ),
    Mutant(
        name="tombstone-without-a-sequence",
        rule="T18",
        how="a tombstone says nothing of where it stands in the life of its key",
        patch=_stones_without_a_sequence,
        tests=(f"{ENVELOPE}::test_a_tombstone_has_no_value_no_content_type_and_keeps_its_sequence",),
    ),
    Mutant(
        name="compaction-without-a-bound",
        rule="T20",
        how="a state topic is made on Kafka without `max.compaction.lag.ms`, so a superseded record may stay for ever",
        patch=_made_without("max.compaction.lag.ms"),
        tests=(
            f"{KAFKA_TOPICS}::test_a_state_topic_is_compacted_within_a_bound_and_keeps_tombstones_thirty_days",
            f"{ON_KAFKA}::test_a_topic_is_made_with_the_settings_of_the_catalogue[kafka]",
        ),
    ),
    Mutant(
        name="tombstones-not-kept-on-kafka",
        rule="T20",
        how="a state topic is made on Kafka with the broker's own retention of tombstones, which is a day",
        patch=_made_without("delete.retention.ms"),
        tests=(
            f"{KAFKA_TOPICS}::test_a_state_topic_is_compacted_within_a_bound_and_keeps_tombstones_thirty_days",
            f"{ON_KAFKA}::test_a_topic_is_made_with_the_settings_of_the_catalogue[kafka]",
        ),
    ),
    Mutant(
        name="topic-settings-not-compared",
        rule="T20",
        how="a state topic that somebody made with another cleanup policy is taken as it is",
        patch=_compare_no_setting,
        tests=(f"{ON_KAFKA}::test_a_topic_that_is_not_compacted_as_the_catalogue_says_is_refused[kafka]",),
    ),
    Mutant(
        name="topic-drift-untold",
        rule="T20",
        how="a topic whose tombstones somebody lets go earlier is taken as it is, and so is any other setting",
        patch=_tell_no_drift,
        tests=(
            f"{KAFKA_TOPICS}::test_each_setting_that_differs_is_told_in_a_sentence_with_what_mends_it",
            f"{ON_KAFKA}::test_settings_of_a_topic_that_differ_are_told_and_set_and_its_others_stay[kafka]",
        ),
    ),
)
