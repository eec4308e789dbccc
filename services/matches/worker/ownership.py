"""Which partitions of the projects topic this process ranks, and the generation that proves it.

What: ownership is the consumer group's assignment of the projects topic, nothing else; taking a partition over raises
its generation, and every version is written in a transaction that checks it. Why: an owner that was frozen past its
lease wakes up with an old generation, and whatever it writes is refused, although nothing else changed meanwhile. It
must not schedule or balance anything: that is the group's.
"""

import json
from collections.abc import Callable, Collection, Mapping

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.bus.transport import TopicPartition
from services.chassis.database import insert_for
from services.chassis.runtime import Runtime, timestamp
from services.matches.tables import RANKING

PROJECTS_TOPIC = "projects.v1"

_THESE = RANKING.c.partition.in_(bindparam("partitions", expanding=True))
_LOCKED = (
    select(RANKING.c.partition, RANKING.c.generation)
    .where(_THESE)
    .order_by(RANKING.c.partition)
    .with_for_update()
)
_ADVANCE = update(RANKING).where(_THESE).values(ranked_to=bindparam("reached"), updated_at=bindparam("now"))


class Ownership:
    """The partitions that this process owns: `arriving` until they are taken over, then `generations`.

    `group` asks the consumer group what it gives to this process now: what was said last may be on its way.
    """

    def __init__(
        self, runtime: Runtime, owner: str, *, group: Callable[[], Collection[TopicPartition]]
    ) -> None:
        self._runtime = runtime
        self._group = group
        self.owner = owner
        self.arriving: set[int] = set()
        self.generations: dict[int, int] = {}

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Note partitions that the group gives us; they are taken over by the next pass."""
        self.arriving |= {at.partition for at in partitions if at.topic == PROJECTS_TOPIC}
        self._runtime.signals.notify("followed:matches")

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Drop partitions that the group takes away; a pass that is under way is refused by generation, or harmless."""
        for at in partitions:
            if at.topic == PROJECTS_TOPIC:
                self.arriving.discard(at.partition)
                self.generations.pop(at.partition, None)

    def lost(self, partition: int) -> None:
        """Another generation refused us: the partition is taken over anew if the group still gives it to us, else dropped."""
        self.generations.pop(partition, None)
        if self._given(partition):
            self.arriving.add(partition)
        else:
            self.arriving.discard(partition)

    def hold(self, partition: int, generation: int) -> bool:
        """Own a partition that was taken over; False if it has left meanwhile: whoever has it now takes it from us."""
        self.arriving.discard(partition)
        if self._given(partition):
            self.generations[partition] = generation
        return partition in self.generations

    def _given(self, partition: int) -> bool:
        return TopicPartition(PROJECTS_TOPIC, partition) in self._group()

    async def take_over(self, partition: int) -> int:
        """Raise the partition's generation and return it; from now on the owner before is refused."""
        async with self._runtime.database.write() as connection:
            now = timestamp(self._runtime.clock.now())
            await connection.execute(
                insert_for(connection, RANKING)
                .values(partition=partition, generation=0, owner=self.owner, ranked_to="{}", updated_at=now)
                .on_conflict_do_nothing()
            )
            row = (
                await connection.execute(
                    update(RANKING)
                    .where(RANKING.c.partition == partition)
                    .values(generation=RANKING.c.generation + 1, owner=self.owner, updated_at=now)
                    .returning(RANKING.c.generation)
                )
            ).one()
        generation: int = row.generation
        return generation


async def refused(connection: AsyncConnection, generations: Mapping[int, int]) -> frozenset[int]:
    """Lock the partitions' rows and compare generations; return those that somebody else has taken over."""
    rows = await connection.execute(_LOCKED, {"partitions": list(generations)})
    found = {row.partition: row.generation for row in rows}
    return frozenset(partition for partition, ours in generations.items() if found.get(partition) != ours)


async def advance(
    connection: AsyncConnection,
    partitions: Collection[int],
    *,
    positions: Mapping[str, int],
    epoch: str,
    day: str,
    now: str,
) -> None:
    """Move `ranked_to` of partitions whose generations were checked in this transaction."""
    ranked_to = json.dumps({"positions": dict(positions), "epoch": epoch, "day": day}, sort_keys=True)
    await connection.execute(_ADVANCE, {"partitions": list(partitions), "reached": ranked_to, "now": now})
