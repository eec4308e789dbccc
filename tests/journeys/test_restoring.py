"""A service's database is lost and goes on from an older backup: nothing accepted is lost, nothing is doubled.

On both deployments, with the tools that an operator has: `comity backup` and `comity restore` on SQLite files,
`pg_dump`, `pg_restore` and `comity restore` on PostgreSQL and Apache Kafka.
"""

import contextlib
import io
import json
import sqlite3
import subprocess
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx2
import pytest

from services.__main__ import main
from services.console.parts import postgresql
from tests.contracts.world import World, profile, project, started
from tests.journeys.conftest import started as running

pytestmark = pytest.mark.timeout(900)
RECOVERY = Path(__file__).resolve().parents[2] / "docs" / "guide" / "recovery.md"
PASSWORD = "it's secret"  # that of every test, for roles are the whole server's
SERVICES = ("projects", "members", "matches")


@dataclass(kw_only=True)
class Site:
    """A deployment's places, and how its operator takes a backup and puts one back."""

    folder: Path
    administrator: str = ""  # of PostgreSQL; services log in as their own roles
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {
            f"COMITY_{section}__{name}".upper(): str(value)
            for section, values in self.sections.items()
            for name, value in values.items()
        }

    def comity(self, *words: str, code: int = 0) -> str:
        """Run the command within this process, which spares its start; what it said on stdout, or why it failed."""
        said, complained = io.StringIO(), io.StringIO()
        with (  # noqa: PT012 - the environment is set for the command
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(complained),
            pytest.raises(SystemExit) as ended,
        ):
            for name, value in (
                self.environment | {"COMITY_DATA_FOLDER": str(self.folder), "COMITY_HTTP__PORT": "0"}
            ).items():
                patch.setenv(name, value)
            patch.setattr("sys.argv", ["comity", *words])
            main()
        assert (ended.value.code or 0) == code, (words, said.getvalue(), complained.getvalue())
        return said.getvalue() if code == 0 else complained.getvalue()

    def back_up(self, to: Path) -> None:
        if not self.sections:
            self.comity("backup", str(to))
            return
        to.mkdir()
        for service in (*SERVICES, "notifications"):
            self._tool(
                "pg_dump", "--format=custom", f"--schema={service}", f"--file={to / service}.db", "--dbname="
            )

    def restore(self, service: str, backups: Path) -> dict[str, Any]:
        if not self.sections:
            return json.loads(
                self.comity("restore", service, "--from", str(backups / f"{service}.db"), "--json")
            )
        # The page's own words, as the administrator that they are for.
        words = "pg_restore --clean --if-exists --single-transaction --dbname="
        assert f"`{words}ADMINISTRATOR_URL FILE`" in RECOVERY.read_text("utf-8")
        self._tool(*words.split(), str(backups / f"{service}.db"))
        return json.loads(self.comity("restore", service, "--json"))

    def make_roles(self) -> None:
        """Have the administrator make a role for each service, as `comity roles` prints them."""
        named = urlsplit(self.administrator).path[1:]
        printed = self.comity("roles", "--database", named, "--password", PASSWORD)
        statements = self.folder.with_suffix(".sql")
        statements.write_text(printed, "utf-8")
        self._tool("psql", "--quiet", "--set=ON_ERROR_STOP=1", f"--file={statements}", "--dbname=")

    def _tool(self, name: str, *words: str) -> None:
        plain = urlunsplit(urlsplit(self.administrator)._replace(scheme="postgresql"))
        told = [f"--dbname={plain}" if word == "--dbname=" else word for word in words]
        done = subprocess.run(
            [str(postgresql.install().folder / name), *told], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture(params=["embedded", pytest.param("split", marks=[pytest.mark.postgresql, pytest.mark.kafka])])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    if request.param == "embedded":
        return Site(folder=tmp_path / "var")
    administrator = request.getfixturevalue("postgresql_url")()
    server = urlsplit(administrator)
    named = server._replace(netloc=f"comity_{{service}}:{PASSWORD}@{server.hostname}:{server.port}")
    split = Site(
        folder=tmp_path / "var",
        administrator=administrator,
        sections={
            "database": {"url": urlunsplit(named), "pool_size": 4},
            "log": {"transport": "kafka", "partitions": 2},
            "kafka": {
                "bootstrap_servers": request.getfixturevalue("kafka_broker"),
                "replication_factor": 1,
                "min_insync_replicas": 1,
                "prefix": f"t{uuid.uuid4().hex[:8]}.",
            },
        },
    )
    split.make_roles()
    return split


def revise(world: World, kind: str, identifier: str, body: dict[str, Any]) -> None:
    etag = world.ask("admin", "GET", f"/v1/{kind}/{identifier}").headers["ETag"]
    world.made("PUT", f"/v1/{kind}/{identifier}", json=body, headers={"If-Match": etag})


def publish(world: World, identifier: str) -> None:
    etag = world.ask("admin", "GET", f"/v1/projects/{identifier}").headers["ETag"]
    world.made("POST", f"/v1/projects/{identifier}/publish", headers={"If-Match": etag})


def seen(world: World, kind: str, identifiers: list[str]) -> dict[str, Any]:
    """What the public doors say of each: the ETag and the record without the contact, or the status of a refusal."""
    found: dict[str, Any] = {}
    for identifier in identifiers:
        answer = world.ask("admin", "GET", f"/v1/{kind}/{identifier}")
        body = answer.json()
        for name in ("contact", "revised_at", "registered_at", "created_at", "changed_at", "candidates"):
            body.pop(name, None)
        found[identifier] = (
            (answer.headers.get("ETag"), body) if answer.status_code == 200 else answer.status_code
        )
    return found


def rows(world: World, identifier: str) -> list[dict[str, Any]]:
    found = world.get("admin", f"/v1/lists/{identifier}/candidates?limit=200")["candidates"]
    return [{name: row[name] for name in ("rank", "organisation", "points", "band")} for row in found]


def test_services_go_on_from_older_backups_without_loss_or_doubling(site: Site, tmp_path: Path) -> None:
    backups = tmp_path / "backups"
    with started(site.folder, **site.sections) as world:
        owner, _ = world.new_organisation()
        kept, revised, gone = [world.new_organisation()[0] for _ in range(3)]
        first, second = [world.new_project(owner=owner)[0] for _ in range(2)]
        publish(world, first)
        world.settle()
        site.back_up(backups)
        assert "has its database open" in site.comity("restore", "members", code=1)

        # What the backups will not know.
        later, _ = world.new_organisation()
        revise(world, "organisations", revised, profile(legal_name="Renamed Since (fictional)"))
        world.made("DELETE", f"/v1/organisations/{gone}", headers={"If-Match": '"1"'})
        revise(
            world,
            "projects",
            first,
            project(owner=owner, titles=[{"language": "en", "text": "Better fibre"}]),
        )
        publish(world, second)
        draft, _ = world.new_project(owner=owner)
        world.settle()
        organisations, projects = [kept, revised, gone, later], [first, second, draft]
        before = seen(world, "organisations", organisations) | seen(world, "projects", projects)
        lists = {identifier: rows(world, identifier) for identifier in (first, second)}
        assert before[gone] == 410

    done = {service: site.restore(service, backups) for service in SERVICES}
    assert (
        site.restore("notifications", backups) == {}
    )  # it says nothing on the log, and reads on from where it was
    assert {name: one["incarnation"] for name, one in done.items()} == dict.fromkeys(SERVICES, 2)
    assert done["members"]["taken_back"] == 3
    assert done["projects"]["taken_back"] == 3
    assert (done["members"]["posted"], done["projects"]["posted"]) == (5, 3)
    assert all("list.versioned" in one for one in done["matches"]["gone"])

    with started(site.folder, **site.sections) as world:
        world.settle()
        assert seen(world, "organisations", organisations) | seen(world, "projects", projects) == before
        assert {identifier: rows(world, identifier) for identifier in lists} == lists
        # It goes on where it was: the next revision is the next number, and it reaches the lists once.
        revise(world, "organisations", later, profile(legal_name="And on it goes (fictional)"))
        world.settle()
        assert seen(world, "organisations", [later])[later][0] == '"2"'
        names = [row["organisation"] for row in rows(world, first)]
        assert sorted(names) == sorted({kept, revised, later})
        again, _ = world.new_organisation()
        world.settle()
        assert again in {row["organisation"] for row in rows(world, second)}
        for reader in ("matches", "notifications"):
            assert world.get("admin", f"/v1/dead-letters/{reader}")["items"] == []


def test_a_restore_refuses_what_is_no_backup_of_the_service(tmp_path: Path) -> None:
    site, backups = Site(folder=tmp_path / "var"), tmp_path / "backups"
    with started(site.folder) as world:
        world.settle()
    site.comity("backup", str(backups), "--service", "projects", "--service", "log")
    assert sorted(path.name for path in backups.iterdir()) == ["log.db", "projects.db"]
    assert "not an empty folder" in site.comity("backup", str(backups), code=2)
    assert "no owner 'x'" in site.comity("backup", str(tmp_path / "other"), "--service", "x", code=2)
    wrong = site.comity("restore", "members", "--from", str(backups / "projects.db"), code=2)
    assert "is no backup of members" in wrong
    assert "not a file" in site.comity("restore", "members", "--from", str(tmp_path / "none.db"), code=2)
    assert "no service 'x'" in site.comity("restore", "x", code=2)


def test_a_restore_gives_up_nothing_that_waits_for_the_relay_unless_told_to(tmp_path: Path) -> None:
    site, backups = Site(folder=tmp_path / "var"), tmp_path / "backups"
    with started(site.folder) as world:
        owner, _ = world.new_organisation()
        world.settle()
    site.comity("backup", str(backups), "--service", "members")
    words = ("restore", "members", "--from", str(backups / "members.db"))
    assert json.loads(site.comity(*words, "--json"))["posted"] == 1  # it waits, and stands nowhere else
    for _ in ("tables of this release", "of an older one"):
        refused = site.comity(*words, code=1)
        assert "1 accepted writes of members wait in the outbox" in refused
        assert "comity run members --role relay" in refused
        with contextlib.closing(sqlite3.connect(site.folder / "members.db")) as members:
            members.execute("DROP TABLE IF EXISTS positions")
    assert json.loads(site.comity(*words, "--discard-outbox", "--json"))["incarnation"] == 2
    with started(site.folder) as world:
        world.settle()
        assert world.get("admin", f"/v1/organisations/{owner}")["id"] == owner


def test_a_log_from_an_older_backup_is_filled_again_and_read_anew(tmp_path: Path) -> None:
    """The log itself is lost: the readers stop loudly; republishing and rebuilding bring everything back."""
    site, backups = Site(folder=tmp_path / "var"), tmp_path / "backups"
    with started(site.folder) as world:
        owner, _ = world.new_organisation()
        kept, _ = world.new_organisation()
        first, _ = world.new_project(owner=owner)
        publish(world, first)
        world.settle()
        site.comity("backup", str(backups), "--service", "log")
        later, _ = world.new_organisation()
        revise(world, "organisations", kept, profile(legal_name="Renamed Since (fictional)"))
        world.settle()
        lists, figures = rows(world, first), figures_of_lists(site)
        assert figures
        # Beside the running system: nothing is news, and nothing is said twice.
        assert site.comity("replay", "matches", "members.v1", "--json") == '{"records": 4, "parked": 0}\n'
        assert "no record" in site.comity("replay", "matches", "members.v1", "--from", "1000")
        assert site.comity("republish", "members", kept) == "members: 1 records wait for the relay.\n"
        world.settle()
        assert "has its database open" in site.comity("rebuild", "matches", code=1)
        assert "no organisation" in site.comity("republish", "members", first, code=1)
    (site.folder / "log.db").write_bytes((backups / "log.db").read_bytes())
    stopped = site.comity("run", "matches", "--role", "worker", code=1)
    assert "The log was cut" in stopped

    assert site.comity("republish", "members", "--all") == "members: 3 records wait for the relay.\n"
    assert site.comity("republish", "projects", "--all") == "projects: 1 records wait for the relay.\n"
    assert "wait for the relay" in site.comity("republish", "matches", "--all")
    # The relay belongs to a running service; the readers wait until it has brought everything there.
    relay_all(site)
    built = json.loads(site.comity("rebuild", "matches", "--json"))["groups"]
    assert built[0]["erased"] == []
    site.comity("rebuild", "projects")
    built = json.loads(site.comity("rebuild", "notifications", "--json"))["groups"]
    assert (built[0]["group"], built[0]["erased"]) == ("notifications", [])
    assert figures_of_lists(site) == figures
    notices = told(site)
    with started(site.folder) as world:
        world.settle()
        assert rows(world, first) == lists
        assert (figures_of_lists(site), told(site)) == (figures, notices)
        revise(world, "organisations", later, profile(legal_name="And on it goes (fictional)"))
        world.settle()
        assert {row["organisation"] for row in rows(world, first)} == {kept, later}


def figures_of_lists(site: Site) -> list[Any]:
    """What `projects` keeps of the newest version of each list."""
    return looked_up(site, "projects", "SELECT project, record FROM list_summaries ORDER BY project")


def told(site: Site) -> list[Any]:
    """What anybody was told."""
    return looked_up(site, "notifications", "SELECT id, type, list_version FROM notices ORDER BY id")


def looked_up(site: Site, service: str, query: str) -> list[Any]:
    with contextlib.closing(
        sqlite3.connect(f"file:{site.folder / service}.db?mode=ro", uri=True)
    ) as database:
        return database.execute(query).fetchall()


def relay_all(site: Site) -> None:
    """Run the relays alone, without a consumer, until the outboxes are empty."""
    with running("run", "all", "--role", "relay", folder=site.folder, COMITY_HTTP__PORT="0") as process:
        address = process.said(r"answers at (http://\S+)").group(1)
        deadline = time.monotonic() + 60
        while True:
            told = httpx2.get(f"{address}/progress", timeout=30.0, trust_env=False).json()["services"]
            if not any(one.get("outbox_rows") for one in told.values()):
                return
            assert time.monotonic() < deadline, told
            time.sleep(0.1)
