"""What was told before ids followed from news, notices named their deadline, endpoints their last failure, and the feed no hours."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from migrations.running import upgrade
from services.chassis.database import Database
from services.chassis.settings import load_settings
from services.notifications.rules.identifiers import identifier_of_news

SUBSCRIPTION = (
    "INSERT INTO subscriptions (id, organisation, revision, state, channel, language, cadence, conditions, time_zone, quiet,"
    " created_at, changed_at) VALUES (:id, 'o', 1, 'active', :id, 'en', 'instant', :empty, 'UTC', :empty, '', '')"
)
ENDPOINT = (
    "INSERT INTO endpoints (id, organisation, revision, state, url, failures, failing_since, created_at, changed_at)"
    " VALUES (:id, 'o', 1, 'active', '', 1, :since, '', '')"
)
DELIVERY = (
    "INSERT INTO deliveries (id, organisation, channel, type, endpoint, subscription, state, attempts, earlier, due_at,"
    " place, created_at) VALUES ('told', 'o', 'webhook', 't', 'fails', 'webhook', 'retrying', 2, 0, '', '', '')"
)
ATTEMPT = (
    "INSERT INTO attempts (delivery, number, endpoint, started_at, ended_at, outcome)"
    " VALUES ('told', :number, 'fails', '', :ended, 'failed')"
)
NOTICE = (
    "INSERT INTO notices (id, subscription, organisation, project, cause, type, rule, state, place, made_at, data, delivery)"
    " VALUES (:id, 'webhook', 'o', 'p', :id, 't', 'r', 'sent', '', '', :data, :delivery)"
)


@pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql"))]
)
async def test_what_was_told_is_known_as_it_was_told(
    request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    url: Any = request.getfixturevalue("postgresql_url")() if database == "postgresql" else None
    held = Database.for_service(load_settings(data_folder=tmp_path, database={"url": url}), "notifications")
    try:
        await upgrade(held, "notifications", to="notifications_0016")
        async with held.write() as connection:
            for channel in ("webhook", "feed"):
                await connection.execute(text(SUBSCRIPTION), {"id": channel, "empty": b"{}"})
            for name, since in (("fails", "2026-11-01"), ("answers", None)):
                await connection.execute(text(ENDPOINT), {"id": name, "since": since})
            await connection.execute(text(DELIVERY))
            for number, ended in ((1, "2026-11-01"), (2, "2026-11-03")):
                await connection.execute(text(ATTEMPT), {"number": number, "ended": ended})
            for name, data, delivery in (
                ("told", b'{"deadline":"2027-06-30"}', "told"),
                ("open", b'{"deadline":null}', None),
                ("waits", None, None),
            ):
                await connection.execute(text(NOTICE), {"id": name, "data": data, "delivery": delivery})
        await upgrade(held, "notifications")
        async with held.read() as connection:
            notices = (await connection.execute(text("SELECT * FROM notices"))).mappings().all()
            failing = await connection.execute(text("SELECT id, failed_at, outage_since FROM endpoints"))
            assert {one["id"]: one["deadline"] for one in notices} == {
                "told": "2027-06-30",
                "open": "",
                "waits": None,
            }
            assert {one["id"] for one in notices if identifier_of_news(one) == one["id"]} == {"told"}
            hours = await connection.execute(text("SELECT channel, quiet FROM subscriptions"))
            assert {row.channel: row.quiet for row in hours} == {"webhook": b"{}", "feed": None}
            assert {tuple(row) for row in failing} == {
                ("fails", "2026-11-03", "2026-11-01"),
                ("answers", None, None),
            }
    finally:
        await held.close()
