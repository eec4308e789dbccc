"""What was told before notices said whether their project fits says so, and a list by which day it was told."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from migrations.running import upgrade
from services.chassis.database import Database
from services.chassis.settings import load_settings

SUBSCRIPTION = (
    "INSERT INTO subscriptions (id, organisation, revision, state, channel, language, cadence, conditions, time_zone,"
    " created_at, changed_at) VALUES (:id, 'o', 1, 'active', 'feed', 'en', 'instant', :conditions, 'UTC', '', '')"
)
NOTICE = (
    "INSERT INTO notices (id, subscription, organisation, project, cause, type, rule, state, place, made_at, data)"
    " VALUES (:id, :subscription, 'o', 'p', :id, :type, :rule, 'sent', '', '', :data)"
)
LIST = (
    "INSERT INTO lists (project, incarnation, number, project_revision, above_floor, final, reference_date, seen_at, due,"
    " told_asked) VALUES (:id, 0, 1, 1, 0, false, '2026-11-23', '', false, :asked)"
)
STANDING = (
    "INSERT INTO standings (project, organisation, incarnation, version, standing, fit, band, told_band, fresh, crossed_at)"
    " VALUES ('p', 'o', 0, 1, true, 1, 'weak', 'weak', false, '')"
)
TOLD = {
    "proposed": ("any", "match.proposed.v1", "above-floor", "good", True),
    "left": ("any", "opportunity.updated.v1", "left-conditions", "good", False),
    "lost": ("any", "match.withdrawn.v1", "fell-below-floor", None, False),
    "closed": ("any", "opportunity.closed.v1", "project-closed", None, False),
    "near": ("any", "opportunity.closing-soon.v1", "deadline-near", None, None),
    "fell": ("any", "match.rescored.v1", "band-fell", "weak", True),
    "fell within": ("good", "match.rescored.v1", "band-fell", "good", True),
    "fell out": ("good", "match.rescored.v1", "band-fell", "possible", False),
    "fell and waits": ("good", "match.rescored.v1", "band-fell", "", False),
}
"""By its id: what a notice was made for, its type, rule and band (empty: not known yet), and whether its project fits by it."""


@pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql"))]
)
async def test_what_was_told_says_whether_its_project_fits(
    request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    url: Any = request.getfixturevalue("postgresql_url")() if database == "postgresql" else None
    held = Database.for_service(load_settings(data_folder=tmp_path, database={"url": url}), "notifications")
    try:
        await upgrade(held, "notifications", to="notifications_0021")
        async with held.write() as connection:
            for name, conditions in (("any", b"{}"), ("good", b'{"minimum_band":"good"}')):
                await connection.execute(text(SUBSCRIPTION), {"id": name, "conditions": conditions})
            await connection.execute(text(STANDING))
            for name, asked in (("told", b"{}"), ("new", None)):
                await connection.execute(text(LIST), {"id": name, "asked": asked})
            for name, (subscription, kind, rule, band, _) in TOLD.items():
                data = b'{"band":"%s"}' % band.encode() if band else None if band == "" else b'{"band":null}'
                values = {"id": name, "subscription": subscription, "type": f"org.comity.{kind}"}
                await connection.execute(text(NOTICE), values | {"rule": rule, "data": data})
        await upgrade(held, "notifications")
        async with held.read() as connection:
            notices = await connection.execute(text("SELECT id, fits FROM notices"))
            lists = await connection.execute(text("SELECT project, told_day FROM lists"))
            found = {row.id: None if row.fits is None else bool(row.fits) for row in notices}
            assert found == {name: fits for name, (*_, fits) in TOLD.items()}
            assert {tuple(row) for row in lists} == {("told", "2026-11-23"), ("new", None)}
    finally:
        await held.close()
