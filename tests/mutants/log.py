"""Mutants of the embedded log, and of what Kafka is held to likewise."""

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from sqlalchemy import text

from schemas.envelope import Sequence as Version
from services.chassis.bus.errors import TopicMismatch
from services.chassis.bus.transports import kafka_topics
from services.chassis.bus.transports.sql import appending, compaction, log
from tests.mutants.mutant import Mutant, Patch

TESTS = "tests/services/chassis/bus/test_sql_log.py"


def _append_again(patch: Patch) -> None:
    """The unique event id behind the sequence is taken away too: it would only ever stop a bug."""
    original = appending._row

    async def unknown(connection: Any, events: Any) -> Any:
        return list(events)

    patch.setattr(appending, "_unknown", unknown)
    patch.setattr(appending, "_row", lambda *of: original(*of) | {"event_id": uuid.uuid4().hex})


def _one_life(patch: Patch) -> None:
    """Compare versions alone: the first half of every sequence counts as the same."""
    original = appending.Version

    class Same(original):  # type: ignore[misc, valid-type]
        def __ge__(self, other: Version) -> bool:
            return self.version >= other.version

    patch.setattr(appending, "Version", Same)


def _forget_keys(patch: Patch) -> None:
    original = compaction.compact

    async def compact(database: Any, **more: Any) -> int:
        removed = await original(database, **more)
        async with database.write() as connection:
            await connection.execute(text("DELETE FROM log_key"))
        return removed

    for place in (
        "services.chassis.bus.transports.sql.log.compact",
        "services.chassis.bus.transports.sql.compaction.compact",
        "tests.services.chassis.bus.test_sql_log.compact",
    ):
        patch.setattr(place, compact)


def _tombstones_at_once(patch: Patch) -> None:
    statement = text("DELETE FROM log_record WHERE value IS NULL AND :before = :before")
    patch.setattr(compaction, "_TOMBSTONES", statement)


def _no_horizon(patch: Patch) -> None:
    patch.setattr(
        compaction, "_HORIZON", text("UPDATE log_partition SET horizon = horizon WHERE :before < 0")
    )
    patch.setattr(
        compaction,
        "_TOMBSTONES",
        text("DELETE FROM log_record WHERE value IS NULL AND appended_at < :before"),
    )


def _wait_for_nobody(patch: Patch) -> None:
    original = log.compact

    async def compact(database: Any, **more: Any) -> int:
        return await original(database, **more | {"unread": {}})

    patch.setattr(log, "compact", compact)


def _any_count(patch: Patch) -> None:
    original = log.SqlTransport.create_topics

    async def create_topics(self: log.SqlTransport, topics: Any) -> None:
        with suppress(TopicMismatch):
            await original(self, topics)

    refuse = kafka_topics.refuse_difference

    def refuse_settings(name: str, wanted: Mapping[str, object], found: Mapping[str, object]) -> None:
        refuse(name, {what: value for what, value in wanted.items() if what != "partitions"}, found)

    patch.setattr(log.SqlTransport, "create_topics", create_topics)
    patch.setattr(kafka_topics, "refuse_difference", refuse_settings)


def _anybody(patch: Patch) -> None:
    @asynccontextmanager
    async def held(*_: Any) -> AsyncIterator[None]:
        yield

    patch.setattr(log, "held", held)


MUTANTS = (
    Mutant(
        name="log-appends-what-it-has",
        rule="R4",
        how="the embedded log appends an event again although its key has said as much",
        patch=_append_again,
        tests=(f"{TESTS}::test_a_sequence_that_is_not_higher_is_ignored",),
        drills=("kill",),
        lines=("relay.appended",),
    ),
    Mutant(
        name="log-forgets-incarnations",
        rule="T12",
        how="the embedded log compares versions alone, so a restored owner's words are ignored",
        patch=_one_life,
        tests=(f"{TESTS}::test_a_higher_incarnation_outranks_any_version",),
    ),
    Mutant(
        name="compaction-forgets-sequences",
        rule="T14",
        how="compaction takes the memory of what each key said last",
        patch=_forget_keys,
        tests=(f"{TESTS}::test_what_compaction_removed_cannot_come_back",),
    ),
    Mutant(
        name="tombstones-not-kept",
        rule="T20",
        how="compaction removes tombstones at once",
        patch=_tombstones_at_once,
        tests=(f"{TESTS}::test_a_tombstone_stays_for_its_retention_and_then_raises_the_horizon",),
    ),
    Mutant(
        name="compaction-waits-for-nobody",
        rule="T21",
        how="compaction takes tombstones that a group on its way through the log has yet to read",
        patch=_wait_for_nobody,
        tests=(
            "tests/services/chassis/bus/test_overtaken.py::test_the_log_keeps_tombstones_until_the_groups_that_are_here_have_committed_them",
        ),
    ),
    Mutant(
        name="compaction-without-horizon",
        rule="T21",
        how="compaction does not note up to where tombstones are gone",
        patch=_no_horizon,
        tests=(f"{TESTS}::test_a_tombstone_stays_for_its_retention_and_then_raises_the_horizon",),
    ),
    Mutant(
        name="partition-count-changes",
        rule="T22",
        how="a topic of another partition count is taken as it is",
        patch=_any_count,
        tests=(
            f"{TESTS}::test_creating_topics_again_keeps_what_is_there_and_refuses_another_count",
            "tests/conformance/test_log.py::test_a_topic_of_another_shape_is_refused[kafka]",
        ),
    ),
    Mutant(
        name="log-opened-twice",
        rule="S1",
        how="a second opener of the embedded log is let in",
        patch=_anybody,
        tests=(f"{TESTS}::test_a_second_opener_in_the_same_process_is_refused_too",),
    ),
)
