"""Evaluation on a small part of the third-party data, and the proof that an import ranks as the evaluation did."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from services.__main__ import app
from services.chassis.runtime import Clock
from services.chassis.settings import load_settings
from services.console.connection import Connection, saved_credentials
from services.console.embedded import Embedded
from services.console.evaluate import show
from services.console.evaluation import Evaluation, points_order
from services.console.judgement import Judgement

pytestmark = pytest.mark.timeout(600)
ORGANISATIONS = 150
QUERIES = 20


@pytest.fixture(scope="module")
def folder(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the same shape: some organisations, all past projects, twenty queries with a partner among them."""
    whole, part = test_data / "cordis-horizon-ict", tmp_path_factory.mktemp("part")
    organisations = gzip.decompress((whole / "organisations.jsonl.gz").read_bytes()).decode().splitlines()
    organisations = sorted(organisations, key=lambda line: -len(json.loads(line)["history"]))[:ORGANISATIONS]
    known = {json.loads(line)["id"] for line in organisations}
    header, *pairs = (whole / "qrels_dev.tsv").read_text("utf-8").splitlines()
    pairs = [pair for pair in pairs if pair.split("\t")[1] in known]
    asked = list(dict.fromkeys(pair.split("\t")[0] for pair in pairs))[:QUERIES]
    with gzip.open(whole / "queries_dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        queries = [line.rstrip("\n") for line in lines if json.loads(line)["id"] in asked]
    (part / "organisations.jsonl").write_text("\n".join(organisations) + "\n", "utf-8")
    (part / "projects.jsonl.gz").write_bytes((whole / "projects.jsonl.gz").read_bytes())
    with gzip.open(part / "queries_dev.jsonl.gz", "wt", encoding="utf-8") as packed:
        packed.write("\n".join(queries) + "\n")
    kept = [pair for pair in pairs if pair.split("\t")[0] in asked]
    (part / "qrels_dev.tsv").write_text("\n".join([header, *kept]) + "\n", "utf-8")
    return part


@pytest.fixture(scope="module")
def evaluation(folder: Path) -> Evaluation:
    return Evaluation(folder)


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Connection]:
    settings = load_settings(
        data_folder=tmp_path / "comity", http={"host": "127.0.0.1", "port": 0}, telemetry={"level": "warning"}
    )
    with Embedded(settings) as embedded, Connection({"": embedded.address}) as connection:
        saved = saved_credentials(settings.data_folder) or {}
        connection.take_token(saved["client_id"], saved["client_secret"])
        yield connection


@pytest.mark.slow
def test_imported_lists_have_the_points_that_the_evaluation_computed(
    folder: Path,
    evaluation: Evaluation,
    system: Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    epoch = tmp_path / "epoch.json"
    epoch.write_bytes(evaluation.epoch.dumps())
    at = ["--url", system.address(""), "--token", system.token or ""]
    organisations = [
        "import",
        "organisations",
        str(folder / "organisations.jsonl"),
        "--map",
        "cordis-organisations",
    ]
    organisations += ["--evidence", str(folder / "projects.jsonl.gz")]
    projects = [
        "import",
        "projects",
        str(folder / "queries_dev.jsonl.gz"),
        "--map",
        "cordis-projects",
        "--wait",
    ]
    for arguments in (organisations, ["epoch", "publish", str(epoch)], projects):
        with monkeypatch.context() as patch:
            if arguments is organisations:  # what is on record since the day before is no copy
                patch.setattr(Clock, "now", lambda _: datetime.now(UTC) - timedelta(days=1))
            result = CliRunner().invoke(app, [*arguments, *at])
        assert result.exit_code == 0, result.stderr
    assert len(evaluation.projects) == QUERIES
    assert evaluation.asked == folder / "queries_dev.jsonl.gz"  # what a line about queries names
    compared = 0
    for project in evaluation.projects:
        ranked = evaluation.view.rank(project, "2026-01-01")
        expected = dict(zip(ranked.members, ranked.points.tolist(), strict=True))
        path = f"/v1/lists/{project}/candidates?limit=200"
        assert system.read(path)["epoch"] == evaluation.epoch.hash
        found = {row["organisation"]: row["points"] for row in system.items(path, "candidates")}
        assert found == expected
        compared += sum(points > 0 for points in found.values())
    assert compared > QUERIES * 10


@pytest.mark.slow
def test_figures_are_within_bounds_and_beside_them_the_placed_order(evaluation: Evaluation) -> None:
    figures = evaluation.figures()
    assert figures["queries"] == QUERIES
    assert figures["candidates"] == ORGANISATIONS
    for figure in (figures, figures["tail"], figures["placed"]):
        assert all(0.0 <= figure[name] <= 1.0 for name in ("ndcg@10", "recall@10", "recall@100", "mrr"))
    assert figures["ndcg@10"] > 0.1
    assert 0 < figures["above_floor"]["candidates"] < figures["above_floor"]["partners"] <= 1


@pytest.mark.slow
def test_only_queries_of_the_file_are_scored_refused_rows_of_it_as_nothing(
    folder: Path, evaluation: Evaluation, tmp_path: Path
) -> None:
    with gzip.open(folder / "queries_dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines][: QUERIES // 2]
    rows[0] = {"id": rows[0]["id"]}  # no title: it becomes no project, and counts as one that found nobody
    asked = tmp_path / "queries.jsonl"
    asked.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    told = CliRunner().invoke(app, ["evaluate", str(folder), "--queries", str(asked), "--json"])
    assert told.exit_code == 0, told.stderr
    expected = Judgement()
    for row in rows:
        ranked = evaluation.ranked(row["id"]) if len(row) > 1 else None
        relevant = {evaluation.organisation_id(one) for one in evaluation.answers[row["id"]]}
        expected.add([] if ranked is None else points_order(ranked), relevant, tail=frozenset())
    figures = json.loads(told.stdout)
    assert figures["queries"] == QUERIES // 2
    assert figures["ndcg@10"] == expected.figures()["ndcg@10"] > 0.1
    assert f"{QUERIES - QUERIES // 2} queries with true partners are not in {asked}: they" in told.stderr


@pytest.mark.slow
def test_a_constant_text_is_never_indexed(evaluation: Evaluation) -> None:
    member = next(iter(evaluation.members.values()))
    assert member.offers[0].texts[0].text.startswith("The source gives no offer")
    assert "offers" in member.constants
    assert evaluation.epoch.profile.frequencies.keys().isdisjoint({"w:en:sourc", "w:en:give", "w:en:offer"})
    project = next(iter(evaluation.projects))
    ranked = evaluation.view.rank(project, "2026-01-01")
    assert ranked.components[:, 0].any()  # a name is no constant
    assert not ranked.components[:, 2].any()


@pytest.mark.slow
def test_points_order_is_by_points(evaluation: Evaluation) -> None:
    ranked = evaluation.view.rank(next(iter(evaluation.projects)), "2026-01-01")
    points = dict(zip(ranked.members, ranked.points.tolist(), strict=True))
    assert np.all(np.diff([points[one] for one in points_order(ranked)]) <= 0)


@pytest.mark.slow
def test_presence_is_required_where_the_query_names_a_country(test_data: Path) -> None:
    found = Evaluation(test_data / "worldbank-agencies", require_presence=True)
    countries = {project.id: project.countries for project in found.projects.values()}
    project = next(key for key, places in countries.items() if places)
    ranked = found.view.rank(project, "2026-01-01")
    assert set(ranked.country.tolist()) == set(countries[project])
    assert found.refused == []


def test_each_figure_is_readable_on_a_narrow_screen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("ndcg@10", "recall@10", "recall@100", "mrr")
    shown = {f"{where} {name}": n / 10_000 for n, (where, name) in enumerate(product("abcd", names), 1234)}
    figures = {name: shown[f"a {name}"] for name in names} | {
        "queries": 20,
        "candidates": 150,
        "seconds": 1.0,
    }
    figures["tail"] = {name: shown[f"b {name}"] for name in names} | {"queries": 5}
    figures["placed"] = {name: shown[f"c {name}"] for name in names}
    figures["placed"]["tail"] = {name: shown[f"d {name}"] for name in names}
    figures |= {"above_floor": {"partners": 0.5, "candidates": 0.1}, "epoch": "0" * 64}
    monkeypatch.setenv("COLUMNS", "80")
    show(figures)
    out = capsys.readouterr().out
    for text in (*(f"{value:.4f}" for value in shown.values()), "nDCG@10", "R@100", "tail"):
        assert text in out, out


def test_measures_are_those_of_the_definitions() -> None:
    judgement = Judgement()
    judgement.add(["a", "b", "c", "d"], {"b", "d"}, tail={"c", "d"})
    judgement.add([], {"a"}, tail={"c"})  # an unanswered query counts as 0, and has no partner in the tail
    figures = judgement.figures()
    ideal = 1 + 1 / np.log2(3)
    assert figures["ndcg@10"] == pytest.approx((1 / np.log2(3) + 1 / np.log2(5)) / ideal / 2, abs=1e-4)
    assert figures["recall@10"] == 0.5
    assert figures["mrr"] == 0.25
    assert figures["tail"] == pytest.approx(
        {"ndcg@10": 1 / np.log2(3), "recall@10": 1, "recall@100": 1, "mrr": 0.5, "queries": 1}, abs=1e-4
    )


def test_a_folder_without_files_is_refused_with_a_sentence(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["evaluate", str(tmp_path)])
    assert result.exit_code == 5
    assert "cannot be read" in result.stderr
