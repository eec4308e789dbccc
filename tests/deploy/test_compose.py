"""The compose file describes exactly the processes, settings and topics that the split demo runs."""

import asyncio
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import yaml
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.topics import TOPICS
from services.catalogue import SERVICES
from services.chassis.bus.transports.kafka_topics import topic_settings
from services.chassis.settings import load_settings, paths
from services.console.roles import PREFIX, statements
from services.console.split import PROCESSES, environment

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))
SERVERS = {"postgresql", "kafka", "prepare", "gateway"}
ADDRESSES = {
    "COMITY_DATABASE__URL",
    "COMITY_KAFKA__BOOTSTRAP_SERVERS",
    "COMITY_NOTIFICATIONS__MATCHES_URL",
    "COMITY_IDENTITY__ISSUER",
    "COMITY_IDENTITY__JWKS_URL",
}
"""Where things are differs from machine to machine; everything else is one value."""
OF_CONTAINERS = {"COMITY_PUBLIC_URL", "COMITY_IDENTITY__SERVICE_KEY", "COMITY_HTTP__TRUSTED_PROXIES"}
"""What the demo on one machine leaves to each process, or to the folder that they share."""


def volumes(name: str) -> dict[str, str]:
    """Return what is kept of a container: the volume, or the file, by the place where it is mounted."""
    return {one.split(":")[1]: one.split(":")[0] for one in COMPOSE["services"][name]["volumes"]}


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
        assert described.keys() - OF_CONTAINERS == given.keys() - apart
        for name, value in given.items():
            if name not in apart | ADDRESSES:
                assert described[name] == value, name
    assert COMPOSE["services"]["prepare"]["environment"].keys() - OF_CONTAINERS == given.keys() - apart


def test_the_log_and_the_databases_stand_on_volumes() -> None:
    """Given any setting, Kafka's image drops its own file, and the log stands in /tmp unless a setting says where."""
    kafka, postgresql = COMPOSE["services"]["kafka"], COMPOSE["services"]["postgresql"]
    assert volumes("kafka")[kafka["environment"]["KAFKA_LOG_DIRS"]] in COMPOSE["volumes"]
    at = postgresql["environment"].get("PGDATA", "/var/lib/postgresql/data")
    assert volumes("postgresql")[at] in COMPOSE["volumes"]


def test_all_go_by_the_address_of_the_gateway_which_is_the_one_that_is_published() -> None:
    """Links, pages of problems and mails are opened by people and programs outside."""
    (port,) = COMPOSE["services"]["gateway"]["ports"]
    host, outside, _ = port.split(":")
    for process in PROCESSES:
        entry = COMPOSE["services"][process.name]
        assert entry["environment"]["COMITY_PUBLIC_URL"] == f"http://{host}:{outside}"
        assert "ports" not in entry
        assert entry["environment"]["COMITY_HTTP__TRUSTED_PROXIES"] == "*", "only the gateway reaches it"


def test_keys_are_with_the_service_that_uses_them() -> None:
    """What signs tokens and what seals the secrets of webhooks are files of the data folder."""
    data = "/var/lib/comity"
    kept = {process.name: volumes(process.name)[data] for process in PROCESSES}
    for owner in ("identity", "notifications"):
        assert [name for name, volume in kept.items() if volume == kept[owner]] == [owner]
    assert set(kept.values()) <= COMPOSE["volumes"].keys()
    assert COMPOSE["services"]["prepare"].get("volumes", []) == []


def test_topics_are_created_before_any_process_starts() -> None:
    assert "comity topics" in COMPOSE["services"]["prepare"]["entrypoint"][-1]
    for name, entry in COMPOSE["services"].items():
        if name not in SERVERS:
            assert entry["depends_on"]["prepare"]["condition"] == "service_completed_successfully"


async def test_what_it_prepares_are_the_topics_of_the_catalogue(
    kafka_broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The very command and settings of `prepare`, on an Apache Kafka that is elsewhere; then the broker is asked."""
    described = COMPOSE["services"]["prepare"]
    command = described["entrypoint"][-1].rpartition("&& ")[2].split()
    prefix = f"compose-{uuid.uuid4().hex[:8]}-"
    apart = {
        "COMITY_DATA_FOLDER": str(tmp_path),
        "COMITY_KAFKA__BOOTSTRAP_SERVERS": kafka_broker,
        "COMITY_KAFKA__PREFIX": prefix,
    }
    given = described["environment"] | apart
    comity = Path(sys.executable).with_name(command[0])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COMITY_")}
    done = await asyncio.to_thread(
        subprocess.run,
        [comity, *command[1:]],
        env=kept | given,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    for name in [name for name in os.environ if name.startswith("COMITY_")]:
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_broker)
    await admin.start()
    try:
        made = {name for name in await admin.list_topics() if name.startswith(prefix)}
        facts = {one["topic"]: one for one in await admin.describe_topics(sorted(made))}
        answers = await admin.describe_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name) for name in made]
        )
        await admin.delete_topics(sorted(made))
    finally:
        await admin.close()
    assert made == {prefix + name for name in TOPICS}
    configured = {
        one[3]: {entry[0]: entry[1] for entry in one[4]} for each in answers for one in each.resources
    }
    for name, topic in TOPICS.items():
        partitions = facts[prefix + name]["partitions"]
        assert len(partitions) == topic.partitions
        assert {len(one["replicas"]) for one in partitions} == {
            int(given["COMITY_KAFKA__REPLICATION_FACTOR"])
        }
        wanted = topic_settings(topic, settings)
        assert {key: configured[prefix + name][key] for key in wanted} == wanted


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
