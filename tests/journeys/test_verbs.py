"""The verbs of the `comity` command as a user types them: exit codes, one JSON value, sentences instead of traces."""

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from services.catalogue import SERVICES
from services.console.exits import Exit
from services.console.loading import DEMO_FOLDER
from services.console.parts.processes import free_port
from tests.journeys.conftest import Demo, Started, comity, started

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("journeys"), pytest.mark.timeout(600)]

PRINTED = json.loads((DEMO_FOLDER / "judged.json").read_text("utf-8"))["printed"]
COMITY_TOML = Path(__file__).resolve().parents[2] / "deploy" / "comity.toml"
NOBODY = "018f3c2a-7d10-7000-8000-0000000000aa"


def ended(code: Exit, *arguments: str, folder: Path, **more: str) -> str:
    """Run a verb that ends with this code; what it said on stderr, which is no trace, and on stdout, which is nothing."""
    done = comity(*arguments, folder=folder, **more)
    assert done.returncode == code, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    if code is not Exit.DONE:
        assert done.stdout == ""
        assert done.stderr.strip()
    return done.stderr


def json_of(*arguments: str, folder: Path, **more: str) -> Any:
    done = comity(*arguments, folder=folder, **more)
    assert done.returncode == Exit.DONE, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder that was migrated and has its topics, and no data."""
    folder = tmp_path_factory.mktemp("verbs") / "var"
    migrated = comity("migrate", folder=folder)
    assert migrated.returncode == Exit.DONE, migrated.stderr
    assert migrated.stdout == ""
    assert all(f"{name}: {name}_" in migrated.stderr for name in (*SERVICES, "log"))
    made = comity("topics", folder=folder)
    assert made.returncode == Exit.DONE, made.stderr
    assert "projects.v1: 8 partitions, state, owner projects" in made.stdout
    return folder


@contextmanager
def running(folder: Path) -> Iterator[tuple[Started, str]]:
    with started("run", "all", folder=folder, COMITY_HTTP__PORT="0") as process:
        yield process, process.said(r"answers at (http://\S+)").group(1)


# rank and why, on the demo that serves


def test_rank_finds_the_running_demo_and_prints_ten(demo: Demo) -> None:
    done = comity("rank", PRINTED, folder=demo.folder)
    assert done.returncode == Exit.DONE, done.stderr
    answer = json_of("rank", PRINTED, "--json", folder=demo.folder)
    listed, _, lane = done.stdout.partition(answer["also_fits"]["label"])
    assert len(re.findall(r"fit \d+ ‰", listed)) == len(answer["candidates"]) == 10
    assert len(re.findall(r"fit \d+ ‰", lane)) == len(answer["also_fits"]["candidates"]) > 0
    assert done.stderr == ""


def test_rank_explained_shows_the_words_of_both_and_parts_that_add_up(demo: Demo) -> None:
    done = comity("rank", PRINTED, "--top", "2", "--explain", folder=demo.folder)
    answer = json_of("rank", PRINTED, "--top", "2", "--json", folder=demo.folder)
    assert len(answer["candidates"]) == 2
    for row in answer["candidates"]:
        assert f"{row['points']:,}" in done.stdout
        for part in row["parts"]:
            points = re.escape(format(part["points"], ","))
            assert re.search(rf"^\s+{points}\s", done.stdout, re.MULTILINE)
    words = [part for part in answer["candidates"][0]["parts"] if part["component"] == "text"]
    assert re.search(rf"{re.escape(words[0]['asked'])}\s+{re.escape(words[0]['found'])}", done.stdout)


def test_why_shows_parts_margin_and_gaps(demo: Demo) -> None:
    third = json_of("rank", PRINTED, "--top", "3", "--json", folder=demo.folder)["candidates"][2]
    answer = json_of("why", PRINTED, third["organisation"], "--json", folder=demo.folder)
    assert answer["rank"] == 3
    assert sum(part["points"] for part in answer["parts"]) == answer["points"] == third["points"]
    done = comity("why", PRINTED, third["organisation"], folder=demo.folder)
    assert done.returncode == Exit.DONE
    assert (
        f"Margin: {answer['margin']['points']:,} points ({answer['margin']['fit']} ‰) to rank 2."
        in done.stdout
    )
    assert answer["gaps"][0]["sentence"] in " ".join(done.stdout.split())


def test_why_not_names_the_rule_that_leaves_one_out(demo: Demo) -> None:
    with demo.connection() as asking:
        left_out = asking.read(f"/v1/lists/{PRINTED}/candidates?eligibility=excluded")["excluded"][0]
    answer = json_of("why", PRINTED, left_out["organisation"], "--json", folder=demo.folder)
    assert answer["rank"] is None
    done = comity("why", PRINTED, left_out["organisation"], folder=demo.folder)
    assert done.returncode == Exit.DONE, done.stderr
    assert left_out["failed_rules"][0]["sentence"] in " ".join(done.stdout.split())
    assert f"Left out by the rule {left_out['code']}." in done.stdout


def test_an_organisation_reads_its_own_row_and_is_refused_anothers(demo: Demo) -> None:
    url, token = demo.addresses[""], demo.token("READER")
    own = json_of("rank", PRINTED, "--url", url, "--token", token, "--json", folder=demo.folder)["candidates"]
    assert len(own) == 1
    with demo.connection() as asking:
        rows = asking.read(f"/v1/lists/{PRINTED}/candidates?limit=2")["candidates"]
    other = next(row["organisation"] for row in rows if row["organisation"] != own[0]["organisation"])
    said = ended(Exit.REFUSED, "why", PRINTED, other, "--url", url, folder=demo.folder, COMITY_TOKEN=token)
    assert said.startswith("403 ")


@pytest.mark.parametrize("project", [NOBODY, "no-uuid", "a/../b?limit=1"])
def test_what_is_not_there_is_a_refusal_in_one_sentence(demo: Demo, project: str) -> None:
    said = ended(Exit.REFUSED, "rank", project, "--json", folder=demo.folder)
    assert re.match(r"4\d\d ", said)
    assert said.count("\n") == 1


def test_an_unknown_token_is_refused_and_none_says_how_to_give_one(demo: Demo, tmp_path: Path) -> None:
    url = demo.addresses[""]
    at = ("--url", url)
    assert ended(Exit.REFUSED, "rank", PRINTED, *at, "--token", "x.y.z", folder=tmp_path / "var").startswith(
        "401 "
    )
    assert "--token" in ended(Exit.REFUSED, "rank", PRINTED, *at, folder=tmp_path / "var")


@pytest.mark.parametrize("verb", [("rank", PRINTED), ("why", PRINTED, NOBODY)], ids=["rank", "why"])
def test_an_address_where_nothing_answers_is_unreachable(tmp_path: Path, verb: tuple[str, ...]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    said = ended(Exit.UNREACHABLE, *verb, "--url", url, "--token", "t", "--json", folder=tmp_path / "var")
    assert url in said


def test_with_nothing_running_and_no_data_it_says_what_to_do(tmp_path: Path) -> None:
    assert "comity demo" in ended(Exit.UNREACHABLE, "rank", PRINTED, folder=tmp_path / "var")
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize(
    "line",
    [
        ("rank",),
        ("rank", PRINTED, "--top", "0"),
        ("rank", PRINTED, "--url", "localhost:8080"),
        ("why", PRINTED),
        ("demo", "--json"),
        ("demo", "--deployment", "cloud"),
        ("run", "nothing"),
        ("run", "all", "--role", "king"),
        ("migrate", "nobody"),
        ("schemas", "wsdl"),
        ("settings", "nothing"),
        ("nothing",),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_ends_with_2(tmp_path: Path, line: tuple[str, ...]) -> None:
    ended(Exit.USAGE, *line, folder=tmp_path / "var")


def test_an_unknown_setting_ends_with_2_and_names_a_near_one(tmp_path: Path) -> None:
    said = ended(Exit.USAGE, "settings", "show", folder=tmp_path / "var", COMITY_HTTP__PROT="1")
    assert "COMITY_HTTP__PORT" in said


# what is printed without a running system


def test_schemas_and_settings_are_one_document_on_standard_output(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    assert json_of("schemas", folder=folder)["openapi"].startswith("3.1")
    assert json_of("schemas", "asyncapi", folder=folder)["asyncapi"].startswith("3.")
    shown = json_of(
        "settings", "show", folder=folder, COMITY_DATABASE__URL="postgresql+asyncpg://u:secret@h/d"
    )
    assert shown["database.url"] == "(set, hidden)"
    assert comity("settings", "default", folder=folder).stdout.startswith("# Every setting")
    assert not folder.exists()


def test_doctor_on_an_empty_folder_says_what_is_missing_and_makes_nothing(tmp_path: Path) -> None:
    done = comity("doctor", "--json", folder=tmp_path / "var")
    assert done.returncode == Exit.UNREACHABLE
    answer = json.loads(done.stdout)
    assert not answer["well"]
    assert "comity migrate" in answer["probes"]["tables of projects"]["says"]
    assert answer["probes"]["analyser"]["well"]
    assert not list((tmp_path / "var").glob("*.db"))


def test_doctor_asks_where_spans_are_sent(tmp_path: Path) -> None:
    away = {"COMITY_TELEMETRY__TRACES_URL": f"http://127.0.0.1:{free_port()}/v1/traces"}
    probes = json.loads(comity("doctor", "--json", folder=tmp_path / "var", **away).stdout)["probes"]
    assert (probes["traces"]["well"], "does not answer" in probes["traces"]["says"]) == (False, True)


def test_doctor_says_whose_settings_it_prints(tmp_path: Path) -> None:
    said = comity("doctor", folder=tmp_path / "var").stdout
    assert said.startswith("Settings of this environment, as a process started here would take them;")
    assert "COMITY_CONFIG names none" in said.splitlines()[1]


def test_doctor_works_beside_the_running_demo(demo: Demo) -> None:
    answer = json_of("doctor", "--json", folder=demo.own)
    assert answer["well"], answer["probes"]
    assert demo.addresses[""] in answer["probes"]["running system"]["says"]
    assert re.match(r"\d+ of \d+ different words", answer["probes"]["words"]["says"])
    saved, said = demo.saved(), json.dumps(answer)
    assert not [secret for secret in (saved["client_secret"], saved["endpoint"]["secret"]) if secret in said]
    done = comity("doctor", folder=demo.own)
    assert done.returncode == Exit.DONE
    assert "FAIL" not in done.stdout


def test_a_list_version_of_the_running_demo_is_recomputed_to_the_bit(demo: Demo) -> None:
    answer = json_of("recompute", f"{PRINTED.upper()}/1", "--json", folder=demo.folder)
    assert answer["same"] is True
    assert answer["candidates"] > 80


def test_doctor_names_a_broker_that_is_away(prepared: Path) -> None:
    away = {"COMITY_LOG__TRANSPORT": "kafka", "COMITY_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"}
    done = comity("doctor", "--json", folder=prepared, **away)
    assert done.returncode == Exit.UNREACHABLE
    assert not json.loads(done.stdout)["probes"]["log"]["well"]
    ended(Exit.UNREACHABLE, "topics", folder=prepared, **away)


def test_migrate_says_that_the_database_is_away(tmp_path: Path) -> None:
    url = f"postgresql+asyncpg://nobody:nothing@127.0.0.1:{free_port()}/none"
    said = ended(Exit.UNREACHABLE, "migrate", folder=tmp_path / "var", COMITY_DATABASE__URL=url)
    assert "nothing" not in said


# run


@pytest.mark.parametrize(
    "verb", [("run", "all"), ("run", "projects", "--role", "relay"), ("topics",)], ids=" ".join
)
def test_without_migrated_tables_it_says_so_in_a_sentence(tmp_path: Path, verb: tuple[str, ...]) -> None:
    said = ended(Exit.FAILED, *verb, folder=tmp_path / "var", COMITY_HTTP__PORT="0")
    assert "comity migrate" in said
    assert not list((tmp_path / "var").glob("*.db"))


def test_run_prints_its_address_logs_json_lines_and_stops_on_sigterm(prepared: Path) -> None:
    with running(prepared) as (process, address):
        client = process.said(r"client_id=(\S+) client_secret=(\S+)")
        for path in ("/healthz", "/readyz", "/progress"):
            assert httpx2.get(address + path, trust_env=False).status_code == 200
        token = httpx2.post(
            f"{address}/v1/tokens",
            data={
                "grant_type": "client_credentials",
                "client_id": client.group(1),
                "client_secret": client.group(2),
            },
            trust_env=False,
        )
        assert token.status_code == 200
        for verb in (("rank", PRINTED), ("import", "projects", str(COMITY_TOML), "--json")):
            said = ended(Exit.REFUSED, *verb, folder=prepared)
            assert f"is running at {address}" in said
            assert "--token" in said
        assert client.group(2) not in (prepared / "credentials.json").read_text("utf-8")
        begun = time.monotonic()
        assert process.stop() == Exit.DONE
        assert time.monotonic() - begun < 20.0  # the default of lifecycle.stop_seconds
        lines = [json.loads(line) for line in process.stderr.read_text("utf-8").splitlines()]
    assert {"ready", "stopping"} <= {line["event"] for line in lines}
    assert all({"event", "level", "timestamp", "logger"} <= line.keys() for line in lines)
    assert client.group(2) not in process.stderr.read_text("utf-8")
    assert "comity run all" in ended(Exit.REFUSED, "rank", PRINTED, folder=prepared)
    assert (
        process.stdout.read_text("utf-8")
        .splitlines()[0]
        .startswith("Comity (all, role all) answers at http://")
    )


def test_a_second_process_on_the_same_log_is_refused_with_a_sentence_that_names_kafka(prepared: Path) -> None:
    with running(prepared) as (process, address):
        said = ended(Exit.FAILED, "run", "all", folder=prepared, COMITY_HTTP__PORT="0")
        last = said.splitlines()[-1]
        assert "Kafka" in last
        assert str(process.process.pid) in last
        assert "Kafka" in ended(Exit.FAILED, "topics", folder=prepared)
        assert httpx2.get(f"{address}/readyz", trust_env=False).status_code == 200


def test_a_busy_port_is_a_sentence(prepared: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = ended(Exit.FAILED, "run", "all", folder=prepared, COMITY_HTTP__PORT=port)
        assert port in said
        assert "COMITY_HTTP__PORT" in said
        assert (
            "--port 0" in ended(Exit.FAILED, "demo", "--port", port, folder=tmp_path / "var").splitlines()[-1]
        )


def test_a_demo_whose_credentials_are_gone_says_how_to_begin_anew(prepared: Path, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "demo").symlink_to(prepared)
    with running(prepared) as (process, _):
        assert process.stop() == Exit.DONE
    (prepared / "credentials.json").unlink(missing_ok=True)
    said = ended(Exit.FAILED, "demo", "--once", folder=tmp_path / "var")
    assert "credentials.json" in said
