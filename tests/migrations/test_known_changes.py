"""What was told and dismissed before changes were known by their revision keeps its meaning in the new tables."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from migrations.running import upgrade
from services.chassis.database import Database
from services.chassis.settings import load_settings

PROJECT = "INSERT INTO projects (id, incarnation, version, state, facts_hash) VALUES (:id, 1, 4, 'published', 'now')"
LIST = (
    "INSERT INTO lists (project, incarnation, number, project_revision, above_floor, final, reference_date, seen_at, due,"
    " told_facts) VALUES (:id, 0, 1, 1, 0, false, '2026-11-23', '', false, :facts)"
)
DISMISSAL = "INSERT INTO dismissals VALUES ('o', :id, 1, 'other', :facts, '')"


@pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql"))]
)
async def test_told_changes_and_dismissals_are_taken_over(
    request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    url: Any = request.getfixturevalue("postgresql_url")() if database == "postgresql" else None
    settings = load_settings(data_folder=tmp_path, database={"url": url})
    held = Database.for_service(settings, "notifications")
    try:
        await upgrade(held, "notifications", to="notifications_0012")
        async with held.write() as connection:
            for project, facts in (("same", "now"), ("changed", "then"), ("unread", "now")):
                if project != "unread":
                    await connection.execute(text(PROJECT), {"id": project})
                await connection.execute(text(LIST), {"id": project, "facts": facts})
                await connection.execute(text(DISMISSAL), {"id": project, "facts": facts})
        await upgrade(held, "notifications")
        async with held.read() as connection:
            told = await connection.execute(text("SELECT project, told_incarnation, told_version FROM lists"))
            dismissed = await connection.execute(
                text("SELECT project, incarnation, version, lifted FROM dismissals")
            )
            assert {tuple(row) for row in told} == {
                ("same", 1, 4),
                ("changed", None, None),  # a cycle has still to tell of it
                ("unread", None, None),
            }
            assert {tuple(row) for row in dismissed} == {
                ("same", 1, 4, False),
                ("changed", 1, 4, True),
                ("unread", None, None, False),
            }
    finally:
        await held.close()
