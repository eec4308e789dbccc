"""Imports end to end: the command line, the HTTP API, a whole Comity in this process."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services.console.connection import Connection
from services.console.exits import Ended
from services.console.importing import app
from services.console.mapping.identifiers import identifier_of
from services.console.parts.processes import free_port
from services.console.reaching import reach

MAPS = Path(__file__).parents[3] / "data" / "maps"
PARTNERS = """code;name;kind;country;small;skills;joined;mother
3;Aegean Holding;LTD;EL;no;satellite links;2019-01-01;
7;Aegean Networks;LTD;EL;yes;radio links|solar power;2021-03-04;3
8;Nowhere Networks;LTD;Atlantis;yes;;;
9;Register test;TEST;EL;no;;;
10;College of Radio;UNI;KE;no;training of radio engineers;;
"""
CALLS = """{"ref": "C-1", "title": "Radio links for islands", "goal": "Link ten islands by radio.", "where": "GR"}
{"ref": "C-2", "title": "Radio training", "goal": "Train radio engineers.", "where": "KE", "until": "2020-01-01"}
{"ref": "C-3", "title": "Training", "goal": "Training of radio engineers in schools.", "until": "2099-01-01"}
"""


def run(system: Connection | None, *arguments: str) -> Result:
    at = [] if system is None else ["--url", system.address(""), "--token", system.token or ""]
    return CliRunner().invoke(app, [*arguments, *at])


def write(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
    return path


def said(result: Result) -> dict[str, Any]:
    return json.loads(
        result.stdout.splitlines()[-1]
    )  # before it stand the logs of the system in this process


def test_rows_are_taken_and_bad_ones_told(system: Connection, tmp_path: Path) -> None:
    file = write(tmp_path, "partners.csv", PARTNERS)
    arguments = ("organisations", str(file), "--map", str(MAPS / "partners.toml"), "--json")
    result = run(system, *arguments)
    assert result.exit_code == 5
    counts = said(result)
    assert (counts["rows"], counts["created"], counts["skipped"], counts["refused"]) == (5, 3, 1, 1)
    assert "line 4: /hq_country: country-code: 'Atlantis' is no country" in " ".join(result.stderr.split())
    child = system.read(f"/v1/organisations/{identifier_of('organisations', 'register', '7')}")
    assert child["parent"] == identifier_of("organisations", "register", "3")
    assert child["provenance"] == {"constants": ["contact", "descriptions", "offers"]}
    again = said(run(system, *arguments))
    assert (again["created"], again["changed"], again["unchanged"]) == (0, 0, 3)
    assert system.read(f"/v1/organisations/{child['id']}")["revision"] == 1


def test_a_changed_row_makes_one_revision_of_one_record(system: Connection, tmp_path: Path) -> None:
    file = write(tmp_path, "partners.csv", PARTNERS.replace("College of Radio", "Radio College"))
    result = run(system, "organisations", str(file), "--map", str(MAPS / "partners.toml"), "--json")
    assert (said(result)["changed"], said(result)["unchanged"]) == (1, 2)
    college = system.read(f"/v1/organisations/{identifier_of('organisations', 'register', '10')}")
    assert (college["legal_name"], college["revision"]) == ("Radio College", 2)


def test_projects_are_published_and_waited_for(system: Connection, tmp_path: Path) -> None:
    map_file = write(
        tmp_path, "calls.toml", (MAPS / "calls.toml").read_text("utf-8") + 'review_by = "2199-12-31"\n'
    )
    file = write(tmp_path, "calls.jsonl.gz", CALLS)
    arguments = ("projects", str(file), "--map", str(map_file), "--wait", "--json")
    result = run(system, *arguments)
    assert result.exit_code == 5
    assert (said(result)["created"], said(result)["refused"]) == (2, 1)
    assert "line 2: /deadline" in " ".join(result.stderr.split())
    project = identifier_of("projects", "calls", "C-1")
    standing = system.read(f"/v1/projects/{project}")
    assert standing["state"] == "published"
    assert standing["provenance"]["constants"] == ["level", "needs", "owner", "review_by"]
    answer = system.read(f"/v1/lists/{project}/candidates?include=parts")
    assert answer["state"] != "ranking"
    parts = [part for row in answer["candidates"] for part in row["parts"]]
    assert {part["component"] for part in parts} <= {
        "text",
        "places",
        "tags",
        "languages",
    }  # the need is a constant
    again = said(run(system, *arguments))
    assert (again["created"], again["changed"], again["unchanged"]) == (0, 0, 2)


def test_a_dry_run_checks_without_a_running_comity(tmp_path: Path) -> None:
    file = write(tmp_path, "partners.csv", PARTNERS)
    result = run(
        None, "organisations", str(file), "--map", str(MAPS / "partners.toml"), "--dry-run", "--json"
    )
    assert result.exit_code == 5
    counts = said(result)
    assert (counts["valid"], counts["refused"], counts["skipped"], counts["created"]) == (3, 1, 1, 0)


def test_a_row_of_the_same_record_is_taken_once(tmp_path: Path) -> None:
    line = json.dumps({"ref": "C-1", "title": "Radio", "goal": "Radio links.", "until": "2099-01-01"}) + "\n"
    file = write(tmp_path, "calls.jsonl", line + line)
    result = run(None, "projects", str(file), "--map", str(MAPS / "calls.toml"), "--dry-run", "--json")
    assert (said(result)["valid"], said(result)["refused"]) == (1, 1)
    assert "line 2: /id: repeated: Line 1 has the same id" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", "code|name\n1|A\n", "lacks the columns"),
        ("a.csv", "", "is empty"),
        ("a.csv", "code;name;kind\n1;A;LTD\n", "country"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, name: str, content: str, sentence: str
) -> None:
    result = run(
        None,
        "organisations",
        str(write(tmp_path, name, content)),
        "--map",
        str(MAPS / "partners.toml"),
        "--dry-run",
    )
    assert result.exit_code == 5
    assert sentence in " ".join(result.stderr.split())


def test_a_truncated_file_keeps_the_rows_before_the_cut(tmp_path: Path) -> None:
    rows = "".join(
        json.dumps(
            {"ref": f"C-{n}", "title": f"Radio {n * 7919 % 10007}", "goal": "Links.", "until": "2099-01-01"}
        )
        + "\n"
        for n in range(5000)
    )
    packed = gzip.compress(rows.encode())
    file = tmp_path / "calls.jsonl.gz"
    file.write_bytes(packed[: len(packed) * 3 // 4])
    result = run(None, "projects", str(file), "--map", str(MAPS / "calls.toml"), "--dry-run", "--json")
    assert result.exit_code == 5
    assert 0 < said(result)["valid"] < 5000
    assert "truncated gzip" in " ".join(result.stderr.split())


ORGANISATIONS = [
    {
        "id": "c1",
        "name": "Alpha GmbH",
        "short_name": "AL",
        "country": "DE",
        "type": "PRC",
        "sme": True,
        "history": [{"project": "p1", "role": "coordinator"}, {"project": "gone", "role": "participant"}],
    }
]
PLAIN = {
    "legal_name": "Beta",
    "category": "other_entity",
    "hq_country": "FRA",
    "descriptions": [{"language": "en", "text": "We build radio links for islands."}],
    "offers": [{"kind": "training", "texts": [{"language": "en", "text": "Courses on radio links."}]}],
    "contact": {"name": "Desk", "email": "desk@example.org"},
    "languages": ["en"],
}
OTHER = {"external_ids": [{"scheme": "ror", "value": "2"}]}
PAST = {
    "id": "p1",
    "title": "Radio links",
    "text": "Links by radio for islands.",
    "keywords": "radio",
    "start": "2019-01-01",
    "programme_part": "H2020",
}


def with_evidence(tmp_path: Path, evidence: bytes) -> Result:
    file = write(tmp_path, "organisations.jsonl", "".join(json.dumps(one) + "\n" for one in ORGANISATIONS))
    (tmp_path / "past.jsonl").write_bytes(evidence)
    at = ("--evidence", str(tmp_path / "past.jsonl"), "--map", "cordis-organisations")
    return run(None, "organisations", str(file), *at, "--dry-run", "--json")


def test_a_bad_row_of_the_evidence_is_told_as_one_of_the_file(tmp_path: Path) -> None:
    good = json.dumps(PAST).encode()
    without = json.dumps({**PAST, "id": None}).encode()
    again = json.dumps({**PAST, "title": "Another"}).encode()
    lines = (good, b"{broken", b'{"text": "caf\xe9"}', without, again, b"")
    result = with_evidence(tmp_path, b"\n".join(lines))
    assert result.exit_code == 5
    for told in (
        "past.jsonl, line 2: json:",
        "past.jsonl, line 3: utf-8:",
        "past.jsonl, line 4: /id: external-id:",
        "past.jsonl, line 5: /id: external-id: p1 stands in line 1 already",
    ):
        assert told in result.stderr
    counts = said(result)
    assert (counts["valid"], counts["refused"], counts["evidence_refused"]) == (1, 0, 4)
    assert (counts["evidence"], counts["evidence_left_out"]) == (1, 1)
    assert with_evidence(tmp_path, good).exit_code == 0


@pytest.mark.parametrize("history", [5, "p1", {"project": "p1"}, [5, "x"], [{"project": "p1"}, "p1"]])
def test_a_history_that_is_no_list_of_objects_is_told(tmp_path: Path, history: object) -> None:
    file = write(tmp_path, "organisations.jsonl", json.dumps({**ORGANISATIONS[0], "history": history}) + "\n")
    (tmp_path / "past.jsonl").write_text(json.dumps(PAST) + "\n")
    at = ("--evidence", str(tmp_path / "past.jsonl"), "--map", "cordis-organisations")
    result = run(None, "organisations", str(file), *at, "--dry-run", "--json")
    assert result.exit_code == 5
    assert "/evidence: shape: history is no list of objects" in result.stderr
    assert said(result)["refused"] == 1


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        ({"id": "c\ud800"}, "no-lone-surrogates"),
        ({"external_ids": [{"scheme": "ror", "value": "\ud800"}]}, "id-required"),
        ({"external_ids": 5}, "id-required"),
        ({"external_ids": True}, "id-required"),
    ],
)
def test_an_id_that_is_none_costs_its_own_row_only(tmp_path: Path, bad: dict[str, object], rule: str) -> None:
    mapped = "id" in bad
    good = ORGANISATIONS[0] if mapped else {"external_ids": [{"scheme": "ror", "value": "1"}], **PLAIN}
    rows = [good, {**good, **bad}, {**good, "id": "c2"} if mapped else {**good, **OTHER}]
    file = write(tmp_path, "organisations.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    at = ("--map", "cordis-organisations") if mapped else ()
    result = run(None, "organisations", str(file), *at, "--dry-run", "--json")
    assert result.exit_code == 5, result.output
    assert f"line 2: /id: {rule}:" in result.stderr
    assert (said(result)["valid"], said(result)["refused"]) == (2, 1)


def test_another_file_as_evidence_is_told(tmp_path: Path) -> None:
    result = with_evidence(tmp_path, json.dumps(ORGANISATIONS[0]).encode())
    assert result.exit_code == 5
    assert "has the columns keywords, start, text" in result.stderr


def test_without_evidence_its_columns_are_not_needed(tmp_path: Path) -> None:
    file = write(tmp_path, "a.csv", "id,name,short_name,country,type,sme\nc1,Alpha GmbH,AL,DE,PRC,true\n")
    result = run(None, "organisations", str(file), "--map", "cordis-organisations", "--dry-run", "--json")
    assert result.exit_code == 0, result.stderr
    assert said(result)["valid"] == 1
    plain = run(None, "organisations", str(file), "--map", "cordis-organisations", "--dry-run")
    assert plain.stderr.count("\n") == 1


def many_calls(tmp_path: Path) -> Path:
    rows = [
        {"ref": f"D-{n}", "title": f"Radio {n}", "goal": "Links.", "where": "", "until": "2099-01-01"}
        for n in range(60)
    ]
    return write(tmp_path, "many.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def test_a_server_that_takes_nothing_is_one_sentence_and_one_account(
    system: Connection, tmp_path: Path
) -> None:
    arguments = ["projects", str(many_calls(tmp_path)), "--map", str(MAPS / "calls.toml"), "--json"]
    refused = CliRunner().invoke(app, [*arguments, "--url", system.address(""), "--token", "x.y.z"])
    nowhere = f"http://127.0.0.1:{free_port()}"
    away = CliRunner().invoke(app, [*arguments, "--wait", "--url", nowhere, "--token", "t"])
    for result, code, words in ((refused, 4, "401"), (away, 3, f"No Comity answers at {nowhere}")):
        assert result.exit_code == code
        assert result.stderr.count("\n") == 1
        assert words in result.stderr
        counts = said(result)
        assert (counts["created"], counts["refused"], counts["waited"]) == (0, 0, False)
        assert counts["unsent"] == counts["rows"] > 0


def test_a_client_of_the_environment_gets_its_tokens_itself_and_again(
    system: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, secret = system._credentials or ("", "")
    monkeypatch.setenv("COMITY_CLIENT_ID", client)
    monkeypatch.setenv("COMITY_CLIENT_SECRET", secret)
    with reach(system.address(""), None) as connection:
        assert connection.token
        connection.token = "it.has.ended"
        assert connection.read("/v1/clients?limit=1") is not None
    monkeypatch.setenv("COMITY_CLIENT_SECRET", "wrong")
    with pytest.raises(Ended, match="401"), reach(system.address(""), None):
        pass


def test_evidence_needs_a_map_that_joins_it(tmp_path: Path) -> None:
    file = write(tmp_path, "calls.jsonl", CALLS)
    result = run(None, "organisations", str(file), "--evidence", str(file), "--dry-run")
    assert result.exit_code == 5
    assert "--evidence needs a --map" in result.stderr
