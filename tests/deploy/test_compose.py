"""The compose file describes exactly the processes, settings and topics that the split demo runs."""

from pathlib import Path

import yaml

from services.catalogue import SERVICES
from services.chassis.settings import paths
from services.console.roles import PREFIX, statements
from services.console.split import PROCESSES, environment

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))
SERVERS = {"postgresql", "kafka", "prepare"}
ADDRESSES = {
    "COMITY_DATABASE__URL",
    "COMITY_KAFKA__BOOTSTRAP_SERVERS",
    "COMITY_NOTIFICATIONS__MATCHES_URL",
    "COMITY_IDENTITY__ISSUER",
    "COMITY_IDENTITY__JWKS_URL",
}
"""Where things are differs from machine to machine; everything else is one value."""


def test_the_processes_are_those_of_the_split_demo() -> None:
    commands = {name: entry["command"] for name, entry in COMPOSE["services"].items() if name not in SERVERS}
    assert commands == {p.name: ["run", p.service, "--role", p.role] for p in PROCESSES}


def test_every_service_of_the_catalogue_has_a_process_that_answers_and_one_that_relays() -> None:
    for name, service in SERVICES.items():
        roles = {p.role for p in PROCESSES if p.service == name}
        assert roles & {"all", "api"}
        if service.topics:
            assert roles & {"all", "relay"}
    assert sum(p.service == "matches" and p.role == "worker" for p in PROCESSES) == 2


def test_every_setting_that_it_names_exists() -> None:
    known = {"COMITY_" + path.replace(".", "__").upper() for path in paths()}
    for entry in COMPOSE["services"].values():
        for name in entry.get("environment", {}):
            if name.startswith("COMITY_"):
                assert name in known


def test_the_settings_are_those_that_the_split_demo_gives_its_processes() -> None:
    given = environment(
        folder=Path("/data"), database="database", servers="servers", issuer="issuer", matches="matches"
    )
    apart = {"COMITY_DATA_FOLDER"}  # the image sets it
    for process in PROCESSES:
        described = COMPOSE["services"][process.name]["environment"]
        assert described.keys() - {"COMITY_PUBLIC_URL"} == given.keys() - apart
        for name, value in given.items():
            if name not in apart | ADDRESSES:
                assert described[name] == value, name
    assert COMPOSE["services"]["prepare"]["environment"].keys() == given.keys() - apart


def test_topics_are_created_before_any_process_starts() -> None:
    assert "comity topics" in COMPOSE["services"]["prepare"]["entrypoint"][-1]
    for name, entry in COMPOSE["services"].items():
        if name not in SERVERS:
            assert entry["depends_on"]["prepare"]["condition"] == "service_completed_successfully"


def test_the_database_server_begins_with_a_schema_and_a_role_for_each_service() -> None:
    (mounted,) = [one for one in COMPOSE["services"]["postgresql"]["volumes"] if one.endswith("roles.sql:ro")]
    file = ROOT / "deploy" / mounted.split(":")[0]
    wanted = [f"{one};" for one in statements(SERVICES, database="comity", password="comity")]
    assert file.read_text("utf-8").split("\n")[1:] == [*"\n".join(wanted).split("\n"), ""], (
        "run: COMITY_LOG__TRANSPORT=kafka comity roles --password comity > deploy/postgresql/roles.sql"
    )
    url = COMPOSE["services"]["projects"]["environment"]["COMITY_DATABASE__URL"]
    assert url.startswith(f"postgresql+asyncpg://{PREFIX}{{service}}:comity@")


def test_the_image_runs_the_command_without_root() -> None:
    lines = (ROOT / "deploy" / "Containerfile").read_text("utf-8").split("\n")
    assert 'ENTRYPOINT ["comity"]' in lines
    assert "USER 65532" in lines
