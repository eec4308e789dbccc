"""Who follows the match feed over the upgrade has what lies there now: of what moved, came to rest or was erased before it."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import insert, text

from migrations.running import upgrade
from schemas.topics import LIST_REMOVED, LIST_VERSIONED, STANDING_CROSSED, STANDING_LOST
from services.chassis.database import Database
from services.chassis.settings import load_settings
from services.matches.queries import feeds
from services.matches.rules.feeds import Asked, Viewer
from services.matches.tables import DOCUMENTS

FIRST = (
    "INSERT INTO feed (incarnation, type, subject, project, organisation, flagship, level, regions, latest, deleted, fed_at,"
    " body) VALUES (1, :type, :subject, :project, :organisation, NULL, 'national', :regions, true, :deleted,"
    " '2026-11-23T00:00:00.000000Z', :body)"
)
WHOLE, OWN = Viewer(whole=True), Viewer(organisation="One")


def entry(project: str, organisation: str | None, regions: str, *, lost: bool = False) -> dict[str, Any]:
    subject = f"{project}/{organisation}" if organisation else project
    kind = STANDING_LOST if lost else STANDING_CROSSED if organisation else LIST_VERSIONED
    said = {"specversion": "1.0", "type": kind, "source": "/comity/feeds/matches", "subject": subject}
    said |= {"time": "2026-11-23T00:00:00.000000Z", "sequence": "1.1", "eventid": subject}
    said |= {"method": "DELETE"} if lost else {"data": {"number": 1}}
    return {
        "type": kind,
        "subject": subject,
        "project": project,
        "organisation": organisation,
        "regions": regions,
        "deleted": lost,
        "body": orjson.dumps(said)[1:],
    }


async def told(database: Database, viewer: Viewer, after: feeds.Place, **asked: Any) -> dict[str, str]:
    """Of each subject the last word that is told from a place on."""
    async with database.read() as connection:
        page = await feeds.page(connection, viewer, Asked(**asked), after=after)
    said = {}
    for one in page.entries:
        body = orjson.loads(one.json())
        said[body["subject"]] = body.get("method", "there")
    return said


@pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql"))]
)
async def test_what_was_told_before_follows_its_project(
    request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    url: Any = request.getfixturevalue("postgresql_url")() if database == "postgresql" else None
    settings = load_settings(data_folder=tmp_path, database={"url": url})
    held = Database.for_service(settings, "matches")
    try:
        await upgrade(held, "matches", to="matches_0007")
        async with held.write() as connection:
            for number, (project, state) in enumerate(
                {"open": "published", "moved": "published", "resting": "dormant", "erased": None}.items()
            ):
                record = orjson.dumps({"state": state}) if state else None
                row = {"kind": "project", "id": project, "incarnation": 1, "version": 1, "topic": "t"}
                row |= {"partition": 0, "offset": number, "event_id": project, "latest": True}
                row |= {"erased": not state, "content_hash": "", "record": record}
                await connection.execute(insert(DOCUMENTS).values(row))
                if state:
                    for organisation in ("One", "Two"):
                        await connection.execute(text(FIRST), entry(project, organisation, " AFR "))
                lies = " EUR " if project == "moved" else " AFR "
                await connection.execute(text(FIRST), entry(project, None, lies))
            await connection.execute(text(FIRST), entry("moved", "Lost", " AFR ", lost=True))
        async with held.read() as connection:
            last = (await connection.execute(text("SELECT max(position) FROM feed"))).scalar_one()
        behind = feeds.Place(position=last)
        await upgrade(held, "matches")
        assert await told(held, OWN, behind) == {"moved/One": "there", "resting/One": "DELETE"}
        assert await told(held, OWN, behind, region="AFR") == {"moved/One": "DELETE", "resting/One": "DELETE"}
        gone = await told(held, WHOLE, behind, region="AFR")
        assert gone == dict.fromkeys(("moved/One", "moved/Two", "moved/Lost", "erased"), "DELETE") | {
            f"resting{name}": "there" for name in ("", "/One", "/Two")
        }
        assert await told(held, OWN, feeds.BEGINNING, region="EUR") == {"moved/One": "there"}
        assert await told(held, WHOLE, behind) == {"erased": "DELETE"}
        team = Viewer(projects=frozenset({"resting"}))
        assert set((await told(held, team, feeds.BEGINNING)).values()) == {"there"}
        async with held.read() as connection:
            page = await feeds.page(connection, OWN, None, after=feeds.BEGINNING, current=True)
            assert {one.project for one in page.entries} == {"open", "moved"}
            page = await feeds.page(connection, WHOLE, None, after=feeds.BEGINNING, current=True)
            assert {one.project for one in page.entries if one.type == LIST_REMOVED} == {"erased"}
            assert len(page.entries) == 11
    finally:
        await held.close()
