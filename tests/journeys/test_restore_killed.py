"""A restore that is killed, at whichever step: what was stands whole or the service does not start, and once more ends right.

In a process of its own that ends by SIGKILL, as of the out-of-memory killer; what it had open is as it left it.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contracts.world import started
from tests.journeys.dying import STEPS
from tests.journeys.test_put_back import outbox_of, relayed, revise, revisions
from tests.journeys.test_restoring import Site

pytestmark = pytest.mark.timeout(300)
REPOSITORY = Path(__file__).resolve().parents[2]
IN_PLACE = tuple(STEPS).index("once it is in place")


@dataclass(frozen=True, kw_only=True)
class Stood:
    """A stopped system, a backup of one of its services, and what has been accepted since."""

    folder: Path
    backup: Path
    organisations: tuple[str, str]


@pytest.fixture(scope="module")
def stood(tmp_path_factory: pytest.TempPathFactory) -> Stood:
    folder = tmp_path_factory.mktemp("stood")
    site, backups = Site(folder=folder / "var"), folder / "backups"
    with started(site.folder) as world:
        kept, _ = world.new_organisation()
        relayed(world)
        site.comity("backup", str(backups), "--service", "members")
        later, _ = world.new_organisation()
        revise(world, kept, "Renamed Since (fictional)")
        relayed(world)
        return Stood(
            folder=site.folder,
            backup=backups / "members.db",
            organisations=(kept, later),
        )


def killed(folder: Path, step: str, *words: str) -> None:
    """Run the command until that step, and no further."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COMITY_")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.journeys.dying", step, *words],
        cwd=REPOSITORY,
        env=kept | {"COMITY_DATA_FOLDER": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("step", STEPS)
def test_a_restore_that_is_killed_leaves_what_was_or_what_does_not_start_and_ends_right_once_more(
    step: str, stood: Stood, tmp_path: Path
) -> None:
    site, reached = Site(folder=tmp_path / "var"), tuple(STEPS).index(step)
    shutil.copytree(stood.folder, site.folder)
    words = ("restore", "members", "--from", str(stood.backup))
    kept, later = stood.organisations

    killed(site.folder, step, *words)
    if step == "amid its pages":
        assert (site.folder / "members.db-wal").stat().st_size > 0
    whole = step == "once all is committed"
    assert revisions(site.folder) == ({kept: 2, later: 1} if whole or reached < IN_PLACE else {kept: 1})
    with closing(sqlite3.connect(site.folder / "members.db")) as members:
        assert members.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    if reached >= IN_PLACE and not whole:
        assert "`comity restore members`" in site.comity("run", "members", "--role", "relay", code=1)

    if whole:  # what it says anew waits, and nobody may give that up unasked
        assert "or say --discard-outbox" in site.comity(*words, code=1)
    else:
        assert "took 2 back" in site.comity(*words)
    assert not list(site.folder.glob(".members.restore-*"))
    assert revisions(site.folder) == {kept: 2, later: 1}
    assert len(outbox_of(site.folder)) == 2
