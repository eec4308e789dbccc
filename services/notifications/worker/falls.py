"""Who has fallen below a floor, or asks for a project no more, is told no more that it stood: what had not arrived is taken back, in a cycle or before it.

*What.* A cycle takes it back in its own transaction, before it tells of the fall. *Why also before it.* A cycle is put off where
a message that it would stop moves on, and thousands are on their way at a time: what is stopped in small transactions does
not move any more. *Why a mark.* A pair that rises again before its fall was told stands as it did when it was told last, which
is no news, unless what it was told never came; one of an organisation that is away is looked at once that is back. *Why not an end.* With a project all of its pairs go, a moment after the end was
told; whoever was told of the end was told of the project. *Never:* tell anybody anything.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import and_, bindparam, not_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.database import Contended
from services.chassis.runtime import Runtime, timestamp
from services.notifications.commands.dismissals import UNDISMISSED
from services.notifications.commands.leaving import take_back
from services.notifications.tables import STANDINGS
from services.notifications.worker.telling import ENDS

FALLEN = and_(STANDINGS.c.fresh, not_(STANDINGS.c.standing), STANDINGS.c.told_band.is_not(None))
"""Pairs that stood at the last cycle and do not now. Of one that rose and fell since, the word that it fell before stands."""
TAKEN_BACK = ""
"""In place of the band that a pair was told in: it has fallen since, and something of what it was told was taken back."""
AT_ONCE = 1_000
"""Ids in one statement: databases bound the number of its parameters, and join badly what came in a moment ago."""

_MARK = (
    update(STANDINGS)
    .where(
        STANDINGS.c.project == bindparam("this_project"), STANDINGS.c.organisation == bindparam("this_one")
    )
    .values(told_band=TAKEN_BACK)
)
_LOOK_AGAIN = _MARK.values(fresh=True, told_band=UNDISMISSED)


async def fallen_of(connection: AsyncConnection, project: str) -> list[Sequence[str]]:
    """Return the organisations that have fallen, so many at a time."""
    query = select(STANDINGS.c.organisation).where(STANDINGS.c.project == project, FALLEN)
    found = (await connection.scalars(query.order_by(STANDINGS.c.organisation))).all()
    return [found[start : start + AT_ONCE] for start in range(0, len(found), AT_ONCE)]


async def take_back_from(connection: AsyncConnection, project: str, some: Sequence[str], *, now: str) -> None:
    """Take back what has not arrived at those of these that have fallen, and mark whom something was taken back from."""
    held = (
        select(STANDINGS.c.organisation)
        .where(STANDINGS.c.project == project, STANDINGS.c.organisation.in_(some), FALLEN)
        .with_for_update()
    )
    fallen = (await connection.scalars(held)).all()
    untold = await take_back(connection, project=project, organisations=fallen, but=ENDS, now=now)
    if untold:
        await connection.execute(_MARK, [{"this_project": project, "this_one": one} for one in untold])


async def take_back_of(
    connection: AsyncConnection, project: str, pairs: Sequence[Mapping[str, Any]], *, now: str
) -> frozenset[str]:
    """Take back, to these subscriptions, what has not arrived of a project that they do not ask for any more; returns to whose."""
    untold: set[str] = set()
    for start in range(0, len(pairs), AT_ONCE):
        some = [pair["subscription"] for pair in pairs[start : start + AT_ONCE]]
        untold |= set(
            await take_back(
                connection,
                project=project,
                subscriptions=some,
                but=ENDS,
                states=("waiting", "ready"),
                now=now,
            )
        )
    return frozenset(untold)


async def look_again(connection: AsyncConnection, project: str, organisations: Collection[str]) -> None:
    """Have the pairs of these, which are away, looked at once they are back: news for whoever does not know the project then."""
    if organisations:
        marked = [{"this_project": project, "this_one": one} for one in sorted(organisations)]
        await connection.execute(_LOOK_AGAIN, marked)


async def stop(runtime: Runtime, project: str) -> None:
    """Take back what a cycle would that is put off; what is in the way of that too is left to the next time."""
    async with runtime.database.read() as connection:
        fallen = await fallen_of(connection, project)
    for some in fallen:
        with suppress(Contended):
            async with runtime.database.write() as connection:
                await take_back_from(connection, project, some, now=timestamp(runtime.clock.now()))
