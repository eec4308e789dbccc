"""The main job as a user has it: `comity demo`, embedded and split, once and serving."""

import json
import re
import socket
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from schemas.http.suggestion import SUGGESTION
from services.console.connection import Connection
from services.console.hearing import ORGANISATION
from services.console.loading import DEMO_FOLDER, kept_open, records
from services.console.parts.processes import PartFailedError
from services.console.split import PROCESSES, Split
from tests.journeys.conftest import PORTS, Demo, computed_list, digest, free_ports, same_list, started

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("journeys"), pytest.mark.timeout(900)]

PRINTED = json.loads((DEMO_FOLDER / "judged.json").read_text("utf-8"))["printed"]
INITIATIVES = [item["id"] for item in records(DEMO_FOLDER, "initiatives")]
ADDS_UP = ("initiative", "list_version", "epoch", "candidates_total", "candidates")


def answer_of(demo: Demo, run: int) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(demo.runs[run].stdout)  # refuses anything beside one JSON value
    return value


@pytest.mark.parametrize("run", [0, 1], ids=["fresh", "second"])
def test_once_json_prints_every_candidate_with_parts_that_add_up(demo: Demo, run: int) -> None:
    answer = answer_of(demo, run)
    assert set(ADDS_UP) <= answer.keys()
    assert answer["initiative"] == PRINTED
    assert answer["statement"] == SUGGESTION
    assert answer["candidates_total"] == len(answer["candidates"]) >= 80
    assert [row["rank"] for row in answer["candidates"]] == list(range(1, len(answer["candidates"]) + 1))
    assert len({row["organisation"] for row in answer["candidates"]}) == len(answer["candidates"])
    for row in answer["candidates"]:
        assert sum(part["points"] for part in row["parts"]) == row["points"]
        assert sum(part["per_mille"] for part in row["parts"]) == row["fit"]
        assert sum(row["components"].values()) == row["points"]


def test_a_second_run_finds_everything_there_and_changes_nothing(demo: Demo) -> None:
    assert answer_of(demo, 0) == answer_of(demo, 1)


def test_nothing_but_the_answer_is_on_standard_output(demo: Demo) -> None:
    for run in demo.runs:
        assert run.stdout.count("\n") == 1
        assert "Traceback" not in run.stderr


def test_the_serving_demo_prints_ten_rows_with_reasons_and_where_to_go(demo: Demo) -> None:
    lines = demo.printed.splitlines()
    ranks = [match.group(1) for line in lines if (match := re.match(r"^\s{0,2}(\d+)  \S.*fit \d+ ‰", line))]
    assert ranks == [str(number) for number in range(1, 11)]
    best = answer_of(demo, 1)["candidates"]
    words = " ".join(demo.printed.split())
    for row in best[:10]:
        assert row["name"] in words
        assert row["reasons"][0] in words
    assert "suggestion" in demo.printed
    for address in ("/candidates", "/v1/ranking-statement", "/docs"):
        assert f"{demo.addresses['']}" in demo.printed
        assert address in demo.printed


def assert_a_subscriber_was_told(demo: Demo) -> None:
    """See that the printed initiative's notice left with its reasons and was verified, in this run or the one before."""
    deadline = time.monotonic() + 120
    with demo.connection() as reader:
        # What a message said is its organisation's own: the administrator makes it a reader.
        client = {"name": "Journey", "roles": ["organisation_reader"], "organisation": ORGANISATION}
        made = reader.send("POST", "/v1/clients", body=client).json()
        reader.take_token(made["id"], made["secret"])
        while True:
            about = [
                notice
                for notice in reader.items("/v1/notices?limit=200", "items")
                if notice["project"] == PRINTED
            ]
            sent = [reader.read(f"/v1/deliveries/{notice['id']}") for notice in about]
            if sent and sent[0]["state"] == "delivered":
                break
            assert time.monotonic() < deadline, (about, sent)
            time.sleep(0.5)
    assert about[0]["data"]["why"]["shared_terms"]
    assert sent[0]["tries"][-1]["status"] == 204  # the demo's receiver answers so to a right signature only
    assert "signature verified" in demo.printed or "Nothing new for the subscriber" in demo.printed


def test_a_subscriber_is_told_by_a_webhook_that_its_receiver_verifies(demo: Demo) -> None:
    assert_a_subscriber_was_told(demo)


def test_the_receiver_of_the_demo_answers_as_long_as_the_demo_serves(demo: Demo) -> None:
    with demo.connection() as admin:
        [endpoint] = admin.items(f"/v1/endpoints?organisation={ORGANISATION}", "items")
        asked = admin.send("POST", f"/v1/endpoints/{endpoint['id']}/ping")
        assert asked.status_code == 202, asked.text
        deadline = time.monotonic() + 60
        while not (ping := admin.read(f"/v1/deliveries/{asked.json()['id']}"))["tries"] or (
            ping["tries"][0]["outcome"] is None
        ):
            assert time.monotonic() < deadline, ping
            time.sleep(0.2)
    assert ping["state"] == "delivered"


def test_a_subscriber_is_told_where_each_service_is_a_process_of_its_own(split_demo: Demo) -> None:
    assert_a_subscriber_was_told(split_demo)


def test_the_serving_demo_followed_the_feed_and_it_is_what_the_lists_say(demo: Demo) -> None:
    words = " ".join(demo.printed.split())
    told = re.search(r"they are ([\d,]+) lists and ([\d,]+) pairs above the floor", words)
    assert told is not None
    lists, pairs = (int(number.replace(",", "")) for number in told.groups())
    with demo.connection("ANALYST") as asking:
        pages = [asking.read(f"/v1/lists/{one}/candidates?limit=1") for one in INITIATIVES]
        above = sum(page["counts"]["above_floor"] for page in pages if page["state"] == "ranked")
        assert lists == len(pages)
        assert pairs == above > 100
        last = re.search(r"lastEventId=(\S+?)[\"&]", demo.printed)
        assert last is not None
        assert asking.read(f"/v1/feeds/matches?lastEventId={last[1]}") == []


def test_each_printed_token_shows_what_its_role_may_see(demo: Demo) -> None:
    best = answer_of(demo, 1)["candidates"][0]
    path = f"/v1/lists/{PRINTED}/candidates?limit=200"
    views = {}
    for variable in ("MANAGER", "AUDITOR", "ANALYST", "READER"):
        with demo.connection(variable) as asking:
            views[variable] = asking.read(path)
    for variable in ("MANAGER", "AUDITOR", "ANALYST"):
        assert views[variable]["view"] == "whole"
        assert len(views[variable]["candidates"]) == views[variable]["counts"]["candidates"]
    assert views["READER"]["view"] == "own"
    assert [row["organisation"] for row in views["READER"]["candidates"]] == [best["organisation"]]
    with demo.connection("AUDITOR") as auditor, demo.connection("READER") as reader:
        assert auditor.send("GET", "/v1/audit/projects?limit=3").status_code == 200
        assert reader.send("GET", "/v1/audit/projects?limit=3").status_code == 403


def test_the_clients_of_the_demo_are_made_once_and_their_file_is_private(demo: Demo) -> None:
    with demo.connection() as admin:
        names = [client["name"] for client in admin.items("/v1/clients?limit=200", "items")]
    assert sorted(names) == sorted(set(names))
    assert names.count("Demo project manager") == 1  # of three runs
    assert (demo.own / "credentials.json").stat().st_mode & 0o077 == 0


def test_a_command_that_outlives_its_token_gets_a_new_one(demo: Demo) -> None:
    saved = demo.saved()
    with Connection(demo.addresses) as asking:
        asking.take_token(saved["client_id"], saved["client_secret"])
        asking.token = "one that is good no longer"
        assert asking.read("/v1/clients?limit=1")["items"]


def test_everything_is_one_port_with_one_document_and_an_offline_page(demo: Demo) -> None:
    with demo.connection() as asking:
        paths = asking.read("/openapi.json")["paths"]
        for prefix in ("/v1/projects", "/v1/organisations", "/v1/lists", "/v1/tokens"):
            assert any(path.startswith(prefix) for path in paths)
        page = asking.send("GET", "/docs")
        assert page.status_code == 200
        assert not re.findall(r'(?:src|href)="(?:https?:)?//', page.text)
        assert asking.send("GET", "/").status_code == 200


def test_the_demo_answers_on_the_port_of_the_settings(demo: Demo) -> None:
    assert demo.addresses == {"": f"http://127.0.0.1:{demo.port}"}


@pytest.mark.kafka
@pytest.mark.postgresql
def test_the_processes_of_the_split_demo_answer_on_the_ports_that_begin_there(split_demo: Demo) -> None:
    used = {int(address.rpartition(":")[2]) - split_demo.port for address in split_demo.addresses.values()}
    assert used == {place for place, one in enumerate(PROCESSES) if one.role in {"all", "api"}}


def test_a_public_address_is_what_the_demo_prints_and_its_answers_name(tmp_path: Path) -> None:
    public = "https://comity.example/partners"  # nothing answers there, and nothing needs it to
    with started("demo", folder=tmp_path / "var", COMITY_HTTP__PORT="0", COMITY_PUBLIC_URL=public) as serving:
        serving.said("Serving until Ctrl-C")
        printed = serving.stdout.read_text("utf-8")
        addresses = json.loads((tmp_path / "var/demo/credentials.json").read_text("utf-8"))["addresses"]
        token = re.search(r"^export MANAGER=(\S+)$", printed, re.MULTILINE)
        assert token
        with Connection(addresses, token=token[1]) as asking:
            assert asking.read(f"/v1/lists/{PRINTED}/candidates?limit=1")["view"] == "whole"
            assert asking.read("/openapi.json")["servers"] == [{"url": public}]
            assert asking.send("GET", "/v1/nothing").json()["type"] == f"{public}/problems/not-found"
        assert serving.stop() == 0
    # every database was closed: the stop was in good order
    assert not list((tmp_path / "var").glob("**/*.db-wal"))
    assert f"{public}/v1/lists/{PRINTED}/candidates" in printed
    assert f"{public}/docs" in printed
    assert addresses[""] not in printed


def test_ports_of_the_split_demo_that_are_in_use_are_named_before_anything_starts(tmp_path: Path) -> None:
    first = free_ports(PORTS["split"])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first + 2))
        taken.listen()
        with pytest.raises(PartFailedError, match=f"in use: {first + 2}. Set COMITY_HTTP__PORT"):
            Split(tmp_path, port=first).__enter__()
    assert not list(tmp_path.iterdir())


@pytest.mark.kafka
@pytest.mark.postgresql
def test_the_split_demo_answers_what_the_embedded_one_answers(demo: Demo, split_demo: Demo) -> None:
    embedded, split = answer_of(demo, 1), answer_of(split_demo, 0)
    assert embedded["candidates_total"] == split["candidates_total"]
    assert embedded["candidates"] == split["candidates"]
    assert embedded["epoch"] == split["epoch"]


@pytest.mark.kafka
@pytest.mark.postgresql
def test_every_initiative_has_the_same_list_in_both_deployments(demo: Demo, split_demo: Demo) -> None:
    with demo.connection() as one, split_demo.connection() as other:
        different = [project for project in INITIATIVES if not same_list(one, other, project)]
    assert different == []


@pytest.mark.kafka
@pytest.mark.postgresql
def test_the_split_demo_prints_a_record_of_each_topic(split_demo: Demo) -> None:
    for said in (split_demo.printed, split_demo.runs[0].stderr):
        for topic, kind in (
            ("projects.v1", "org.comity.project.revised.v1"),
            ("members.v1", "org.comity.organisation.revised.v1"),
            ("matches.v1", "org.comity.list.versioned.v1"),
        ):
            record = re.search(
                rf"^{re.escape(topic)}, partition \d+, offset \d+, key \S+\n(?:  .*\n)+", said, re.M
            )
            assert record, f"no record of {topic}"
            if topic != "projects.v1":  # the first there may be a flagship's
                assert f"ce_type: {kind}" in record.group()


def initiative(**dates: Any) -> dict[str, Any]:
    return {"id": "x", "titles": [], **dates}


def test_closing_dates_that_are_not_past_stay() -> None:
    given = initiative(deadline="2027-06-30", period={"start": "2020-01-01", "end": "2027-12-31"})
    assert kept_open(given, date(2027, 6, 30)) == given


def test_a_passed_deadline_moves_whole_years_and_takes_the_others_along() -> None:
    given = initiative(deadline="2027-06-30", period={"start": "2020-01-01", "end": "2028-12-31"})
    moved = kept_open(given, date(2029, 7, 1))
    assert moved["deadline"] == "2030-06-30"
    assert moved["period"] == {"start": "2020-01-01", "end": "2031-12-31"}
    assert given["deadline"] == "2027-06-30"


def test_a_passed_end_of_period_or_day_of_review_moves_too() -> None:
    assert kept_open(initiative(review_by="2027-02-01"), date(2027, 2, 2))["review_by"] == "2028-02-01"
    ended = kept_open(initiative(period={"start": "2020-01-01", "end": "2024-02-29"}), date(2024, 3, 1))
    assert ended["period"] == {"start": "2020-01-01", "end": "2025-02-28"}


@pytest.mark.parametrize("day", [date(2026, 11, 24), date(2031, 3, 1), date(2044, 2, 29)])
def test_no_initiative_of_the_demo_is_past_on_any_day(day: date) -> None:
    for item in records(DEMO_FOLDER, "initiatives"):
        kept = kept_open(item, day)
        closing = [kept.get("deadline"), kept.get("review_by"), (kept.get("period") or {}).get("end")]
        assert any(closing)
        assert all(date.fromisoformat(one) >= day for one in closing if one)


def test_the_readme_of_the_demo_says_that_dates_move() -> None:
    assert "whole number of years" in Path(DEMO_FOLDER, "README.md").read_text("utf-8")


def test_lists_that_differ_are_told_apart(demo: Demo) -> None:
    with demo.connection() as one:
        first, second = INITIATIVES[:2]
        assert digest(one, first) != digest(one, second)
        assert computed_list(one, first) != computed_list(one, second)
