"""Closed for writers, open for readers, and every type on its own topic."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from schemas import contracts, topics
from schemas.envelope import Event, Sequence, new_event
from schemas.releases import sample
from schemas.topics import LIST_VERSIONED, ORGANISATION_ERASED, TOMBSTONES, TOPIC_OF, TOPICS, topics_of


class Noon:
    def now(self) -> datetime:
        return datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def event(kind: str, data: object | None) -> Event:
    return new_event(
        TOPIC_OF[kind].name, kind, key="k", sequence=Sequence(1, 1), data=data, source="/t", clock=Noon()
    )


@pytest.mark.parametrize("kind", sorted(contracts.MODELS))
def test_the_sample_of_every_type_may_be_written_and_read(kind):
    whole = event(kind, json.loads(sample(kind, 1)))
    contracts.written(whole)
    assert isinstance(contracts.read(whole), contracts.MODELS[kind])


@pytest.mark.parametrize("kind", sorted(contracts.MODELS))
def test_an_unknown_field_is_refused_of_a_writer_and_ignored_by_a_reader(kind):
    more = event(kind, json.loads(sample(kind, 1)) | {"later": 1})
    with pytest.raises(contracts.ContractError, match="later"):
        contracts.written(more)
    assert not hasattr(contracts.read(more), "later")


def test_an_unknown_field_deep_inside_is_refused_of_a_writer():
    data = json.loads(sample(LIST_VERSIONED, 1))
    data["head"][0]["sponsor"] = "x"
    with pytest.raises(contracts.ContractError, match="head/0/sponsor"):
        contracts.written(event(LIST_VERSIONED, data))


def test_a_number_in_the_place_of_a_text_is_refused_by_readers_too():
    data = json.loads(sample(LIST_VERSIONED, 1)) | {"number": "7"}
    with pytest.raises(contracts.ContractError, match="/number"):
        contracts.read(event(LIST_VERSIONED, data))


def test_data_that_is_no_json_is_refused():
    broken = replace(event(LIST_VERSIONED, {}), data=b"{")
    with pytest.raises(contracts.ContractError):
        contracts.read(broken)


def test_a_type_stands_on_its_own_topic_only():
    with pytest.raises(contracts.ContractError, match=r"belongs on matches\.v1"):
        contracts.written(replace(event(LIST_VERSIONED, {}), topic="members.v1"))


def test_an_unknown_type_is_refused():
    with pytest.raises(contracts.ContractError, match="Nobody here knows"):
        contracts.read(replace(event(LIST_VERSIONED, {}), type="org.comity.list.versioned.v2"))


def test_a_tombstone_has_no_data_and_everything_else_has():
    contracts.written(event(ORGANISATION_ERASED, None))
    with pytest.raises(contracts.ContractError, match="has no data"):
        contracts.written(event(ORGANISATION_ERASED, {}))
    with pytest.raises(contracts.ContractError, match="needs data"):
        contracts.read(event(LIST_VERSIONED, None))


def test_every_type_of_the_catalogue_has_a_model_or_is_a_tombstone():
    assert set(TOPIC_OF) == set(contracts.MODELS) | TOMBSTONES


def test_every_type_is_reverse_dns_in_the_past_tense_with_its_version_last():
    for kind in topics.TOPIC_OF:
        assert re.fullmatch(r"org\.comity\.[a-z]+\.([a-z]+ed|lost)\.v[1-9][0-9]*", kind), kind


def test_tombstones_stand_on_state_topics_only():
    assert all(TOPIC_OF[kind].compacted for kind in TOMBSTONES)


def test_every_topic_has_one_owner():
    assert {topic.name for topic in topics_of("matches")} == {"standings.v1", "matches.v1", "epochs.v1"}
    assert {name for topic in TOPICS for name in [topic]} == set(TOPICS)


def test_settings_may_change_the_number_of_partitions_but_not_a_total_order():
    assert TOPICS["members.v1"].partition_count(3) == 3
    assert TOPICS["members.v1"].partition_count(None) == 8
    assert TOPICS["epochs.v1"].partition_count(3) == 1


def test_no_event_data_has_a_place_for_a_person():
    named = json.dumps([model.model_json_schema() for model in contracts.MODELS.values()])
    for word in ("email", "contact", "phone"):
        assert f'"{word}"' not in named
