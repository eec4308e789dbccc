"""News becomes rows: what was told last of a project is the newest by its id, however often a row was made."""

from sqlalchemy import select, update

from schemas.webhooks.notifications import MATCH_PROPOSED
from services.notifications.tables import NOTICES
from services.notifications.worker.news import News, insert_notices
from tests.services.notifications.hall import Hall


async def test_what_was_dropped_and_is_news_again_is_the_newest(hall: Hall) -> None:
    ada, project = await hall.member("Ada"), await hall.open_project()
    mine = await hall.subscribe(channel="feed")

    def news(cause: str) -> News:
        return News(
            subscription=mine,
            organisation=ada,
            type=MATCH_PROPOSED,
            rule="above-floor",
            cause=cause,
            fits=True,
        )

    for cause in ("first", "second", "first"):
        async with hall.runtime.database.write() as connection:
            await insert_notices(
                hall.runtime, connection, project, [news(cause)], list_version=1, cycle=f"{project}|1"
            )
            held = await connection.scalars(
                select(NOTICES.c.cause).where(NOTICES.c.state == "waiting").order_by(NOTICES.c.id)
            )
            newest = held.all()[-1]
            assert newest == cause
            dropped = update(NOTICES).where(NOTICES.c.cause == "first")
            await connection.execute(dropped.values(state="dropped"))
