"""The order of statements that makes the order of events the order of commits: the aggregate's row, then the outbox."""

from tests.services.matches.conftest import *  # noqa: F403 - the town is a fixture there
from tests.services.matches.test_work import Work, counted
from tests.services.matches.town import Town, uuid_of


def assert_row_before_event(work: Work, database: str, table: str) -> None:
    (statements,) = [one for one in work.of(database) if any("INTO outbox" in each for each in one)]
    rows = [
        n for n, one in enumerate(statements) if one.startswith((f"INSERT INTO {table} ", f"UPDATE {table} "))
    ]
    posted = [n for n, one in enumerate(statements) if "INTO outbox" in one]
    assert rows
    assert max(rows) < min(posted), statements


async def test_an_event_is_posted_after_its_aggregates_row(town: Town) -> None:
    for _ in range(2):  # when it is made and when it is revised
        with counted(town) as work:
            await town.organisation("Ada", hq_country="KEN" if town.revisions else "UGA")
        assert_row_before_event(work, "members", "organisations")
    for countries in (["KEN"], ["UGA"]):
        with counted(town) as work:
            await town.draft("schools", countries=countries)
        assert_row_before_event(work, "projects", "projects")
    with counted(town) as work:
        await town.step(uuid_of("schools"), "publish")
    assert_row_before_event(work, "projects", "projects")
