"""How much work lies between a write and its list: transactions and statements, which do not depend on the machine."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from matching.ledger_rows import root
from matching.view import View
from services.chassis.bus.relay import Relay
from services.chassis.sqlite import Cursor
from services.matches.queries import computed, listing
from services.matches.queries.computed import Computed
from services.matches.queries.reasons import Awaited, say
from services.matches.worker.ranker import CHUNK
from tests.services.matches.town import PARTITIONS, Town, uuid_of

WRITES = ("INSERT", "UPDATE", "DELETE")
MANY = 40


@dataclass(slots=True)
class Work:
    """The transactions that one town committed: the database's name and the statements, in their order.

    Other tests' servers may be running in this process, on databases of the same names.
    """

    folder: Path
    done: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    _open: dict[int, list[str]] = field(default_factory=dict)

    def executed(self, connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        self._open.setdefault(id(connection), []).append(" ".join(statement.split()))

    def committed(self, connection: Connection) -> None:
        statements = self._open.pop(id(connection), None)
        database = Path(connection.engine.url.database or "")
        if statements and database.parent == self.folder:
            self.done.append((database.stem, tuple(statements)))

    def of(self, database: str) -> list[tuple[str, ...]]:
        return [statements for name, statements in self.done if name == database]

    @property
    def writing(self) -> list[str]:
        """The databases that were written to, one for each commit that had to reach the disk."""
        return [name for name, statements in self.done if any(one.startswith(WRITES) for one in statements)]


@contextmanager
def counted(town: Town) -> Iterator[Work]:
    work = Work(folder=town.settings.data_folder)
    event.listen(Engine, "before_cursor_execute", work.executed)
    event.listen(Engine, "commit", work.committed)
    try:
        yield work
    finally:
        event.remove(Engine, "before_cursor_execute", work.executed)
        event.remove(Engine, "commit", work.committed)


@pytest.fixture
async def settled(town: Town) -> Town:
    """A town with one list that many organisations stand on."""
    for number in range(MANY):
        await town.organisation(f"Organisation {number}")
    await town.published("schools")
    await town.settle()
    return town


async def test_a_revision_is_one_transaction_of_six_statements(settled: Town) -> None:
    with counted(settled) as work:
        await settled.draft("schools", titles=[{"language": "en", "text": "Another title"}])
    assert work.writing == ["projects"]
    ((statements),) = work.of("projects")
    assert [one.split(" ", 1)[0] for one in statements] == [
        "SELECT",
        "UPDATE",
        "INSERT",
        "SELECT",
        "INSERT",
        "INSERT",
    ]


async def test_a_revision_writes_what_it_is_found_by_only_if_that_changed(settled: Town) -> None:
    with counted(settled) as work:
        await settled.draft("schools", countries=["UGA"])
    ((statements),) = work.of("projects")
    assert sum("facets" in one for one in statements) == 2


async def test_an_event_leaves_the_outbox_in_one_append_and_one_removal(settled: Town) -> None:
    await settled.draft("schools", countries=["UGA"])
    runtime = settled.runtimes["projects"]
    async with runtime.transport.appender("projects") as appender:
        with counted(settled) as work:
            assert await Relay(runtime).step(appender) == 1
    assert work.writing == ["log", "projects"]
    assert [len(one) for one in work.of("projects")] == [1, 1]
    ((appended),) = work.of("log")
    assert len(appended) == 5


async def test_a_revision_is_archived_with_three_statements_and_a_first_one_with_two(settled: Town) -> None:
    await settled.draft("schools", countries=["UGA"])
    await settled.organisation("Somebody new")
    await settled.relay()
    with counted(settled) as work:
        assert await settled.consume() == 2
    archived = [one for statements in work.of("matches") for one in statements if "documents" in one]
    assert sorted(one.split(" ", 1)[0] for one in archived) == [
        "INSERT",
        "INSERT",
        "SELECT",
        "SELECT",
        "UPDATE",
    ]


async def test_a_burst_is_archived_with_one_look_and_one_insert_for_each_partition(settled: Town) -> None:
    for number in range(MANY):
        await settled.organisation(f"Somebody new {number}")
    await settled.relay()
    with counted(settled) as work:
        assert await settled.consume() == MANY
    statements = [one for of in work.of("matches") for one in of if "documents" in one]
    assert sorted(one.split(" ", 1)[0] for one in statements) == [
        *["INSERT"] * PARTITIONS,
        *["SELECT"] * PARTITIONS,
    ]


async def test_what_one_burst_says_of_a_key_is_archived_as_if_it_came_one_by_one(settled: Town) -> None:
    name = await settled.organisation("Often revised")
    await settled.organisation("Often revised", short_name="Often")
    await settled.organisation("Often revised", short_name="More often")
    gone = await settled.organisation("Gone at once")
    await settled.withdraw(gone)
    await settled.erase("organisations", gone)
    await settled.relay()
    assert await settled.consume() == 6
    rows = await settled.rows("SELECT id, version, latest, erased, record FROM documents ORDER BY version")
    told = {
        one: [
            (row["version"], bool(row["latest"]), bool(row["erased"]), bool(row["record"]))
            for row in rows
            if row["id"] == one
        ]
        for one in (name, gone)
    }
    assert told[name] == [(1, False, False, True), (2, False, False, True), (3, True, False, True)]
    assert told[gone] == [(1, False, True, False), (2, False, True, False), (3, True, True, False)]


async def test_following_asks_once_and_reads_once_where_something_moved(settled: Town) -> None:
    with counted(settled) as work:
        assert not await settled.worker.index.follow()
    assert [len(one) for one in work.of("matches")] == [1]
    await settled.draft("schools", countries=["UGA"])
    await settled.relay()
    await settled.consume()
    with counted(settled) as work:
        assert await settled.worker.index.follow()
    assert [len(one) for one in work.of("matches")] == [2]


async def test_a_pass_over_a_few_lists_is_one_writing_transaction_whatever_crossed(settled: Town) -> None:
    far = [
        {"language": "en", "text": "Audit of insurance contracts of shipping companies in large harbours."}
    ]
    need = {"id": "n1", "kind": "funding", "texts": far}
    await settled.draft("schools", titles=far, summaries=far, needs=[need])
    await moved(settled)
    with counted(settled) as work:
        assert await settled.worker.ranker.step()
    assert work.writing == ["matches"], "versions, standings, events and ranked_to go together"
    reading, statements = work.of("matches")
    assert len(reading) == 1, "which versions stand, for the lane; read while the list is ranked"
    assert [one.split(" ", 1)[0] for one in statements] == [
        "SELECT",  # the generation
        "UPDATE",  # the version before is shown no more
        "INSERT",  # the version
        "SELECT",  # the incarnation
        "DELETE",
        "INSERT",
        "UPDATE",
    ]
    await settled.relay()
    lost = [one for one in await settled.told("standings.v1") if one is None]
    assert len(lost) == MANY


async def test_what_a_list_is_written_by_is_few_rows_however_many_lists_stand(
    settled: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ranking beside it takes the interpreter at each row that is read."""
    for number in range(2 * PARTITIONS):
        await settled.published(f"list {number}")
    await settled.settle()
    await settled.draft("schools", countries=["UGA"])
    await moved(settled)
    taken: list[int] = []
    take = Cursor._take

    def count(cursor: Cursor, size: int | None) -> None:
        take(cursor, size)
        taken.append(len(cursor._rows))

    monkeypatch.setattr(Cursor, "_take", count)
    assert await settled.worker.ranker.step()
    assert max(taken) == PARTITIONS, "the generations; which version of each list stands is one"


async def test_a_write_goes_to_one_thread_between_the_index_and_its_list(
    settled: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To be ranked; which lists a changed organisation touches is worked out in a thread as well."""
    handed: list[str] = []
    submit = ThreadPoolExecutor.submit

    def count(pool: ThreadPoolExecutor, work: Any, *given: Any) -> Any:
        done = work.args[0] if isinstance(work, partial) else work  # as `to_thread` hands it on
        handed.append(getattr(done, "__qualname__", ""))
        return submit(pool, work, *given)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", count)
    await settled.draft("schools", countries=["UGA"])
    await moved(settled)
    handed.clear()
    assert await settled.worker.ranker.step()
    assert [name for name in handed if name.startswith("Ranker.")] == ["Ranker._outcomes"]
    await settled.organisation("Organisation 1", aliases=["O1"])
    await moved(settled)
    handed.clear()
    assert await settled.worker.ranker.step()
    assert [name for name in handed if name.startswith("Ranker.")] == ["Ranker._targets"]


async def test_a_pass_with_nothing_to_say_is_one_transaction_of_two_statements(settled: Town) -> None:
    await settled.organisation("Organisation 1", aliases=["O1"])
    await moved(settled)
    with counted(settled) as work:
        assert await settled.worker.ranker.step()
    assert [len(one) for one in work.of("matches")] == [2]


async def test_a_full_pass_is_one_transaction_a_chunk(town: Town) -> None:
    ada = await town.organisation("Ada")
    for number in range(CHUNK + 1):
        await town.published(f"project {number}")
    await moved(town)
    while town.worker.owned.arriving:
        await town.worker.ranker.step()
    await town.withdraw(ada)  # a rule's input, so every list is ranked again, and has a row less
    await moved(town)
    with counted(town) as work:
        assert await town.worker.ranker.step()
    assert len(work.writing) == 2


def ranks_counted(town: Town, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count the rankings of a town's projects from here on: the project of each, in order.

    Other tests' servers may be running in this process, and rank theirs.
    """
    ranked: list[str] = []
    rank = View.rank

    def count(view: View, project: str, day: str) -> Any:
        if project in town.revisions:
            ranked.append(project)
        return rank(view, project, day)

    monkeypatch.setattr(View, "rank", count)
    return ranked


async def test_the_reader_of_a_write_gets_the_list_that_was_ranked(
    settled: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = await settled.draft("schools", countries=["UGA"])
    await settled.settle()
    ranked = ranks_counted(settled, monkeypatch)
    token = f"projects.v1:{project}:1.{settled.revisions[project]}"
    with counted(settled) as work:
        page = await settled.list_of(project, f"limit=10&token={token}")
    assert (page["covers_token"], len(page["candidates"])) == (True, 10)
    assert ranked == []
    assert [len(one) for one in work.of("matches")] == [1, 1, 1], "the token; project and version; the names"
    assert work.writing == []


async def test_a_list_is_ranked_anew_only_when_its_project_or_a_member_has_changed(
    settled: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, project = await settled.published("water"), uuid_of("schools")
    await settled.settle()
    first = await settled.list_of(project)
    ranked = ranks_counted(settled, monkeypatch)
    await settled.draft("water", countries=["UGA"])
    await moved(settled)
    after = await settled.list_of(project)
    assert (ranked, after["as_of"] != first["as_of"]) == ([], True)
    assert after["candidates"] == first["candidates"]
    await settled.list_of(other)
    assert ranked == [other]
    await settled.organisation("Organisation 3", legal_name="Another Name")
    await moved(settled)
    await settled.list_of(project)
    assert ranked == [other, project]


async def test_a_page_costs_the_same_statements_whatever_its_length(settled: Town) -> None:
    counts = []
    for limit in (1, MANY):
        with counted(settled) as work:
            page = await settled.list_of(uuid_of("schools"), f"limit={limit}")
        assert len(page["candidates"]) == limit
        counts.append([len(one) for one in work.of("matches")])
    assert counts[0] == counts[1] == [1, 1]


async def moved(town: Town) -> None:
    """Take every event as far as the index, and rank nothing."""
    while await town.relay() + await town.consume() + await town.worker.index.follow():
        pass


async def test_a_page_reads_no_record_that_it_has_read_and_shows_every_revision(settled: Town) -> None:
    """Names are kept by revision: who is revised meanwhile is shown as they are now."""
    project = uuid_of("schools")
    who = await settled.names_of(project)
    with counted(settled) as work:
        assert await settled.names_of(project) == who
    assert [len(one) for one in work.of("matches")] == [1, 1]
    await settled.organisation("Organisation 3", legal_name="Another Name")
    await settled.relay()
    await settled.consume()
    assert sorted(await settled.names_of(project)) == sorted({*who, "Another Name"} - {"Organisation 3"})


async def test_the_root_of_rows_that_stay_the_same_is_worked_out_once(
    settled: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranked = await settled.ranked(uuid_of("schools"))
    rooted = []

    def count(header: bytes, packed: bytes) -> str:
        rooted.append(header)
        return root(header, packed)

    monkeypatch.setattr(computed, "root", count)
    first, again = (Computed.of(replace(ranked, reference_date="2031-01-01")) for _ in range(2))
    other = Computed.of(replace(ranked, reference_date="2031-01-02"))
    assert first.digest == again.digest == replace(ranked, reference_date="2031-01-01").digest()
    assert (other.digest != first.digest, other.rows_digest == first.rows_digest) == (True, True)
    assert len(rooted) == 2


@pytest.mark.parametrize("waiting", [True, False])
async def test_the_reasons_of_a_first_page_are_said_while_its_version_is_written_where_somebody_waits(
    settled: Town, waiting: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, project = settled.runtimes["matches"], uuid_of("schools")
    awaited: Awaited = runtime.state["awaited"]
    await settled.draft("schools", objectives=[{"language": "en", "text": "Satellite backhaul for clinics."}])
    with awaited.by_reader(project, "en") if waiting else nullcontext():
        await settled.settle()
    pinned = await settled.worker.index.pin()
    anew: list[str] = []

    def count(_runtime: Any, view: View, _project: str, names: Sequence[str], language: str) -> Any:
        anew.extend(names)
        return say(runtime, view, project, names, language)

    monkeypatch.setattr(listing, "say", count)
    page = await settled.get(f"/v1/lists/{project}/candidates?limit=10", who="bdt_admin")
    beside = page["also_fits"]["candidates"]
    shown = [row["organisation"] for row in (*page["candidates"], *beside)]
    assert (len(shown) > len(beside) > 0, anew) == (True, [] if waiting else shown)
    told = pinned.view.reasons_told(project, shown)
    assert told == {name: pinned.view.reasons(project, name) for name in shown}
