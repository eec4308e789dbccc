"""Mutants of the relay and of its fence at the log."""

import uuid
from typing import Any

from sqlalchemy import text

from services.chassis.bus import outbox, relay
from services.chassis.bus.failpoints import reach
from services.chassis.bus.transport import TopicPartition
from services.chassis.bus.transports import kafka
from services.chassis.bus.transports.sql import appending
from tests.mutants.mutant import Mutant, Patch

MACHINE = "tests/services/chassis/bus/test_state_machine.py"
TESTS = "tests/services/chassis/bus/test_relay.py"
CONFORMANCE = "tests/conformance/test_publish.py"
RULES = "tests/services/chassis/bus/test_order_and_gaps.py"


def _delete_first(patch: Patch) -> None:
    async def step(self: relay.Relay, appender: Any, *, patience: float = 0.0) -> int:
        del patience
        async with self._runtime.database.write() as connection:
            rows = await outbox.oldest(connection, limit=self._batch)
            await outbox.remove(connection, [position for position, _ in rows])
        if rows:
            await reach("relay.read")
            ends = await appender.append([event for _, event in rows])
            if self._said is not None:  # what this database has said it knows: no other rule is broken
                async with self._runtime.database.write() as connection:
                    await self._said.move(connection, ends)
            await reach("relay.appended")
        return len(rows)

    patch.setattr(relay.Relay, "step", step)


def _empty_the_outbox(patch: Patch) -> None:
    async def remove(connection: Any, positions: Any) -> Any:
        if positions:
            await connection.execute(text("DELETE FROM outbox"))
        return frozenset(positions)

    patch.setattr(outbox, "remove", remove)


def _keep_a_cursor(patch: Patch) -> None:
    original, seen = outbox.oldest, [0]

    async def oldest(connection: Any, *, limit: int) -> Any:
        rows = [row for row in await original(connection, limit=limit) if row[0] > seen[0]]
        seen[0] = max([seen[0], *(position for position, _ in rows)])
        return rows

    patch.setattr(outbox, "oldest", oldest)


def _no_fence_on_sql(patch: Patch) -> None:
    async def locked_ends(self: appending.SqlAppender, connection: Any, events: Any) -> Any:
        topics = sorted({event.topic for event in events})
        found = {"outbox": self._outbox, "topics": topics}
        rows = (await connection.execute(appending._LOCKED_PARTITIONS, found)).all()
        return {TopicPartition(row.topic, row.partition): row.next_offset for row in rows}

    patch.setattr(appending.SqlAppender, "_locked_ends", locked_ends)


def _no_fence_on_kafka(patch: Patch) -> None:
    original = kafka.KafkaTransport.appender
    patch.setattr(
        kafka.KafkaTransport, "appender", lambda self, name: original(self, f"{name}.{uuid.uuid4().hex}")
    )


MUTANTS = (
    Mutant(
        name="relay-deletes-before-it-appends",
        rule="R3",
        how="the relay deletes outbox rows first and appends them after",
        patch=_delete_first,
        tests=(f"{TESTS}::test_a_crash_before_the_append_loses_nothing", MACHINE),
        drills=("kill",),
        lines=("relay.read", "log.before_commit"),
    ),
    Mutant(
        name="relay-deletes-what-it-did-not-read",
        rule="R3",
        how="the relay empties the outbox after an append, and with it what came meanwhile",
        patch=_empty_the_outbox,
        tests=(f"{RULES}::test_what_comes_while_a_batch_is_appended_stays_in_the_outbox",),
        drills=("kill",),
    ),
    Mutant(
        name="relay-keeps-a-cursor",
        rule="R3",
        how="the relay reads after the highest position that it has seen, past a transaction that commits late",
        patch=_keep_a_cursor,
        tests=(f"{RULES}::test_a_transaction_that_commits_late_is_not_skipped",),
    ),
    Mutant(
        name="relay-unfenced",
        rule="R9",
        how="the embedded log does not compare the epoch of who appends",
        patch=_no_fence_on_sql,
        tests=(f"{TESTS}::test_a_relay_frozen_between_read_and_append_is_fenced_by_its_successor",),
    ),
    Mutant(
        name="relay-unfenced-on-kafka",
        rule="R9",
        how="each relay has a transactional id of its own",
        patch=_no_fence_on_kafka,
        tests=(
            f"{CONFORMANCE}::test_c06_a_relay_frozen_between_read_and_append_is_fenced_and_its_old_word_never_wins[kafka]",
        ),
    ),
)
