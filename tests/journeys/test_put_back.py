"""A database that is older than its own log is found before anything is accepted, and `comity restore` mends it.

However it came there: a restore that ended on its way, a whole folder put back from `comity backup`, a file that was lost.
"""

import fcntl
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from schemas.envelope import Sequence
from services.chassis.bus import restoring, said
from services.chassis.bus.errors import BusError
from tests.contracts.world import World, profile, project, started
from tests.journeys.test_restoring import Site

pytestmark = pytest.mark.timeout(600)
ROLES = ("all", "api", "relay")


def relayed(world: World) -> None:
    """Wait until everything accepted is on the log."""
    deadline = time.monotonic() + 60
    while any(one.get("outbox_rows") for one in world.get("public", "/progress")["services"].values()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def revise(world: World, identifier: str, name: str) -> str:
    path = f"/v1/organisations/{identifier}"
    etag = world.ask("admin", "GET", path).headers["ETag"]
    answer = world.made("PUT", path, json=profile(legal_name=name), headers={"If-Match": etag})
    return answer.headers["ETag"]


def names(world: World, *identifiers: str) -> list[tuple[str, str]]:
    """ETag and name of each organisation."""
    found = [world.ask("admin", "GET", f"/v1/organisations/{identifier}") for identifier in identifiers]
    return [(answer.headers["ETag"], answer.json()["legal_name"]) for answer in found]


def revisions(folder: Path) -> dict[str, int]:
    with closing(sqlite3.connect(folder / "members.db")) as members:
        return dict(members.execute("SELECT id, revision FROM organisations"))


def outbox_of(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "members.db")) as members:
        return [row[0] for row in members.execute("SELECT id FROM outbox")]


def log_of(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "log.db")) as log:
        return str(log.execute("SELECT log FROM log_identity").fetchone()[0])


def newest_on_the_log(folder: Path, key: str) -> Sequence:
    with closing(sqlite3.connect(folder / "log.db")) as log:
        query = "SELECT incarnation, version FROM log_key WHERE topic = 'members.v1' AND key = ?"
        return Sequence(*log.execute(query, (key,)).fetchone())


def refused(site: Site, service: str) -> None:
    """No process of the service may start but the restore."""
    for role in ROLES:
        assert f"`comity restore {service}`" in site.comity("run", service, "--role", role, code=1), role
    assert "`comity restore " in site.comity("run", "all", code=1)


@pytest.mark.parametrize("line", ["before it is read", "before it is committed"])
def test_a_restore_that_ends_on_its_way_leaves_what_was_or_what_does_not_start(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, backups = Site(folder=tmp_path / "var"), tmp_path / "backups"
    with started(site.folder) as world:
        kept, _ = world.new_organisation()
        relayed(world)
        site.comity("backup", str(backups), "--service", "members")
        later, _ = world.new_organisation()
        revise(world, kept, "Renamed Since (fictional)")
        revise(world, kept, "Renamed Again (fictional)")
        relayed(world)
        before = names(world, kept, later)
    restore = ("restore", "members", "--from", str(backups / "members.db"))

    stood = revisions(site.folder)
    assert stood == {kept: 3, later: 1}
    with (site.folder / "log.db.lock").open() as another:
        fcntl.flock(another, fcntl.LOCK_EX)
        assert "holds the log" in site.comity(*restore, code=1)
    assert revisions(site.folder) == stood
    assert not list(site.folder.glob("*.restore-*"))

    async def killed(*_: object, **__: object) -> None:
        raise BusError("It ends here.")

    (site.folder / ".members.restore-left").mkdir()  # of one that was killed while it copied
    with monkeypatch.context() as patch:
        if line == "before it is read":
            patch.setattr(restoring, "restore", killed)
        else:
            patch.setattr(said, "know_all", killed)
        assert "It ends here" in site.comity(*restore, code=1)
    assert not list(site.folder.glob("*.restore-*"))
    assert revisions(site.folder) == {kept: 1}
    refused(site, "members")

    assert "took 3 back" in site.comity("restore", "members")
    with started(site.folder) as world:
        assert names(world, kept, later) == before
        assert revise(world, kept, "And on it goes (fictional)") == '"4"'
        relayed(world)
    assert newest_on_the_log(site.folder, kept) == Sequence(2, 4)


def test_a_whole_folder_is_put_back_from_a_backup_that_was_taken_under_load(tmp_path: Path) -> None:
    """The services are copied first and the log last: what was written in between stands in the log alone."""
    site, backups, log = Site(folder=tmp_path / "var"), tmp_path / "backups", tmp_path / "log"
    services = ("identity", "projects", "members", "matches", "notifications")
    with started(site.folder) as world:
        kept, _ = world.new_organisation()
        relayed(world)
        site.comity("backup", str(backups), *(word for name in services for word in ("--service", name)))
        revise(world, kept, "Renamed Meanwhile (fictional)")
        later, _ = world.new_organisation()
        draft, _ = world.new_project(owner=kept)
        relayed(world)
        site.comity("backup", str(log), "--service", "log")
        before = names(world, kept, later)
        revise(world, kept, "In No Backup (fictional)")
        relayed(world)
    for file in site.folder.glob("*.db*"):
        file.unlink()
    for copy in (*backups.iterdir(), log / "log.db"):
        shutil.copy(copy, site.folder)

    refused(site, "members")
    refused(site, "projects")
    assert "took 1 back" in site.comity("restore", "projects")
    assert "took 2 back" in site.comity("restore", "members")
    site.comity("restore", "matches")
    with started(site.folder) as world:
        assert names(world, kept, later) == before
        assert world.get("admin", f"/v1/projects/{draft}")["titles"] == project()["titles"]
        assert revise(world, kept, "And on it goes (fictional)") == '"3"'
        relayed(world)
    assert newest_on_the_log(site.folder, kept) == Sequence(2, 3)
    with started(site.folder) as world:
        assert names(world, kept) == [('"3"', "And on it goes (fictional)")]


def test_a_file_that_was_lost_and_made_anew_is_filled_from_the_log_before_anything_is_accepted(
    tmp_path: Path,
) -> None:
    site = Site(folder=tmp_path / "var")
    with started(site.folder) as world:
        kept, _ = world.new_organisation()
        revise(world, kept, "Renamed (fictional)")
        relayed(world)
        before = names(world, kept)
    for file in site.folder.glob("members.db*"):
        file.unlink()
    assert "`comity migrate`" in site.comity("run", "all", code=1)
    site.comity("migrate")
    refused(site, "members")
    assert "took 2 back" in site.comity("restore", "members")
    with started(site.folder) as world:
        assert names(world, kept) == before


@pytest.mark.parametrize("how", ["from a backup", "in its place"])
def test_a_restore_on_another_log_changes_nothing_unless_told_to(how: str, tmp_path: Path) -> None:
    """A file made anew, a shell without the settings: it would end well, and what the right log holds be dropped as old."""
    site, backups, away = Site(folder=tmp_path / "var"), tmp_path / "backups", tmp_path / "away"
    with started(site.folder) as world:
        kept, _ = world.new_organisation()
        relayed(world)
        site.comity("backup", str(backups), "--service", "members")
        revise(world, kept, "Accepted Since (fictional)")
        relayed(world)
        before = names(world, kept)
    if how == "in its place":
        shutil.copy(backups / "members.db", site.folder)
    words = ["restore", "members"] + (
        ["--from", str(backups / "members.db")] if how == "from a backup" else []
    )
    stood, right = revisions(site.folder), log_of(site.folder)
    away.mkdir()
    for file in site.folder.glob("log.db*"):
        shutil.move(file, away)
    site.comity("migrate")
    site.comity("topics")

    refusal = site.comity(*words, code=1)
    assert f"on log {right}, but this is log {log_of(site.folder)}" in refusal
    assert "If the settings name a wrong log" in refusal
    assert "--another-log" in refusal
    assert revisions(site.folder) == stood
    assert not list(site.folder.glob("*.restore-*"))

    for file in site.folder.glob("log.db*"):
        file.unlink()
    for file in away.iterdir():
        shutil.move(file, site.folder)
    assert "took 1 back" in site.comity(*words)
    with started(site.folder) as world:
        assert names(world, kept) == before


def test_a_backup_of_a_life_begun_on_an_older_copy_of_the_log_replaces_nothing(tmp_path: Path) -> None:
    """It counts in this log, as far as that went then; what was said here since would be old to the life begun there."""
    site, older, right = Site(folder=tmp_path / "var"), tmp_path / "older", tmp_path / "right"

    def moved(there: Path) -> None:
        there.mkdir()
        for name in ("members.db", "log.db"):
            for file in site.folder.glob(f"{name}*"):
                shutil.move(file, there)

    with started(site.folder) as world:
        kept, _ = world.new_organisation()
        relayed(world)
        site.comity("backup", str(older), "--service", "members", "--service", "log")
        revise(world, kept, "Accepted Since (fictional)")
        relayed(world)
        before = names(world, kept)
    stood = revisions(site.folder)

    moved(right)
    for copy in older.iterdir():
        shutil.copy(copy, site.folder)
    assert "incarnation 2" in site.comity("restore", "members")
    site.comity("backup", str(tmp_path / "since"), "--service", "members")
    moved(tmp_path / "gone")
    for file in right.iterdir():
        shutil.move(file, site.folder)

    words = ("restore", "members", "--from", str(tmp_path / "since" / "members.db"))
    refusal = site.comity(*words, code=1)
    assert "said in its incarnation 1" in refusal
    assert "nothing was changed" in refusal
    assert revisions(site.folder) == stood
    assert not list(site.folder.glob("*.restore-*"))
    with started(site.folder) as world:
        assert names(world, kept) == before
        revise(world, kept, "And on it goes (fictional)")
        relayed(world)
    assert newest_on_the_log(site.folder, kept) == Sequence(1, 3)


def test_a_database_whose_log_is_lost_for_good_is_restored_on_another(tmp_path: Path) -> None:
    site, backups = Site(folder=tmp_path / "var"), tmp_path / "backups"
    with started(site.folder) as world:
        kept, _ = world.new_organisation()
        relayed(world)
        site.comity("backup", str(backups), "--service", "members")
    for file in site.folder.glob("log.db*"):
        file.unlink()
    site.comity("migrate")
    site.comity("topics")
    words = ("restore", "members", "--from", str(backups / "members.db"))
    assert "--another-log" in site.comity(*words, code=1)
    assert "incarnation 2; 1 records wait" in site.comity(*words, "--another-log")
    assert revisions(site.folder) == {kept: 1}
    assert "incarnation 3; 1 records wait" in site.comity("restore", "members")  # it counts in this one now


def test_a_restore_that_ended_on_its_way_is_run_again_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits in the outbox of the backup that is in place already is no write that stands nowhere else."""
    site = Site(folder=tmp_path / "var")
    backups = site.folder / "members.restore-1"  # a name that somebody may give it
    with started(site.folder) as world:
        kept, _ = world.new_organisation()
        relayed(world)
    site.comity("restore", "members")
    site.comity("backup", str(backups), "--service", "members")
    with started(site.folder) as world:
        later, _ = world.new_organisation()
        relayed(world)
        before = names(world, kept, later)
    words = ("restore", "members", "--from", str(backups / "members.db"))

    async def killed(*_: object, **__: object) -> None:
        raise BusError("It ends here.")

    with monkeypatch.context() as patch:
        patch.setattr(restoring, "restore", killed)
        assert "It ends here" in site.comity(*words, code=1)
    assert len(outbox_of(site.folder)) == 1
    assert "took 1 back" in site.comity(*words)
    with started(site.folder) as world:
        assert names(world, kept, later) == before
        relayed(world)
