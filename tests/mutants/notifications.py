"""Mutants of what leaves the system: every effect outside a database comes from a delivery row, and is explained by one."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import uuid_utils
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.runtime import Runtime, timestamp
from services.notifications import consumers
from services.notifications.tables import ATTEMPTS, DELIVERIES
from services.notifications.worker import webhooks
from services.notifications.worker.dispatch import Dispatcher
from services.notifications.worker.mailing import Post
from tests.mutants.mutant import Mutant, Patch

SCHEDULE = "tests/services/notifications/test_schedule.py"
ENDING = "tests/services/notifications/test_every_try_ends.py"
SEQUENCES = "tests/services/notifications/test_sequences.py"


def _write_down_afterwards(patch: Patch) -> None:
    write, record = Dispatcher._write_claims, Dispatcher._record

    async def read_only(
        self: Dispatcher, connection: AsyncConnection, taken: list[dict[str, Any]], now: datetime
    ) -> None:
        async with connection.begin_nested() as nested:
            await write(self, connection, taken, now)
            await nested.rollback()

    async def late(self: Dispatcher, connection: AsyncConnection, ended: Any) -> None:
        if ended:
            await write(self, connection, [dict(one.row) for one in ended], self.runtime.clock.now())
        await record(self, connection, ended)

    patch.setattr(Dispatcher, "_write_claims", read_only)
    patch.setattr(Dispatcher, "_record", late)


def _forget_what_was_interrupted(patch: Patch) -> None:
    take_over = Dispatcher._take_over

    async def forgetful(self: Dispatcher, connection: AsyncConnection, now: datetime) -> None:
        await take_over(self, connection, now)
        interrupted = ATTEMPTS.c.outcome == "interrupted"
        found = await connection.execute(select(ATTEMPTS.c.delivery).where(interrupted))
        for row in found.all():
            again = DELIVERIES.c.attempts - 1
            await connection.execute(
                update(DELIVERIES).where(DELIVERIES.c.id == row.delivery).values(attempts=again)
            )
        await connection.execute(delete(ATTEMPTS).where(interrupted))

    patch.setattr(Dispatcher, "_take_over", forgetful)


def _an_id_for_each_try(patch: Patch) -> None:
    send = webhooks.send

    async def renamed(session: Any, message: webhooks.Message, now: datetime) -> Any:
        return await send(session, replace(message, id=str(uuid_utils.uuid7())), now)

    patch.setattr(webhooks, "send", renamed)


def _hand_over_whoever_asks(patch: Patch) -> None:
    async def hand_over(self: Post, runtime: Runtime, delivery: str, number: int) -> bool:
        async with runtime.database.write() as connection:
            await connection.execute(
                update(ATTEMPTS)
                .where(ATTEMPTS.c.delivery == delivery, ATTEMPTS.c.number == number)
                .values(handed_over_at=timestamp(runtime.clock.now()))
            )
        return True

    patch.setattr(Post, "_hand_over", hand_over)


def _keep_anything(patch: Patch) -> None:
    original = consumers._replacing

    def replacing(*of: Any) -> Any:
        statement = original.__wrapped__(*of)  # a statement of its own: the one that is kept stays whole
        statement._post_values_clause.update_whereclause = None
        return statement

    patch.setattr(consumers, "_replacing", replacing)


MUTANTS = (
    Mutant(
        name="older-news-kept",
        rule="R6",
        how="the projections of notifications take any record of a key for the newest",
        patch=_keep_anything,
        tests=(
            f"{SEQUENCES}::test_an_older_standing_changes_nothing",
            f"{SEQUENCES}::test_an_older_list_version_changes_nothing",
            f"{SEQUENCES}::test_an_older_revision_of_a_project_changes_nothing",
        ),
    ),
    Mutant(
        name="effect-before-its-row",
        rule="R7",
        how="a message is sent first, and its try is written down when it has ended",
        patch=_write_down_afterwards,
        tests=(f"{SCHEDULE}::test_a_killed_try_is_explained_and_sent_again_under_the_same_id",),
    ),
    Mutant(
        name="interrupted-try-forgotten",
        rule="R7",
        how="a try that a killed process left without an end is taken out of the log before the message is sent again",
        patch=_forget_what_was_interrupted,
        tests=(f"{SCHEDULE}::test_a_killed_try_is_explained_and_sent_again_under_the_same_id",),
        drills=("messages",),
    ),
    Mutant(
        name="handed-over-without-a-claim",
        rule="R7",
        how="a mail is handed over although its claim has run out and another process has taken it over",
        patch=_hand_over_whoever_asks,
        tests=(
            f"{ENDING}::test_a_mail_whose_claim_ran_out_while_its_server_dawdled_is_handed_over_by_one_try_alone",
        ),
    ),
    Mutant(
        name="id-of-the-try-not-of-the-delivery",
        rule="R7",
        how="each try of a message has an id of its own, so its receiver cannot know it again",
        patch=_an_id_for_each_try,
        tests=(f"{SCHEDULE}::test_a_killed_try_is_explained_and_sent_again_under_the_same_id",),
        drills=("messages",),
    ),
)
