"""Every benchmark that needs no server runs, small, and prints one object of the common form."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SMALL = {
    "sql_log": ["--records", "600"],
    "catch_up": ["--profiles", "60"],
    "deliveries": ["--messages", "60", "--subscriptions", "20"],
    "http_vs_bare": ["--requests", "40", "--clients", "2", "--organisations", "20", "--projects", "20"],
    "sse_fanout": ["--clients", "10", "--broadcasts", "3", "--rest", "0.2"],
    "feed_replay": ["--entries", "1200"],
    "kernel_vs_peers": ["--sizes", "300", "1000", "--queries", "3"],
    "index_update": ["--candidates", "1000", "--updates", "1000"],
    "cost_growth": ["--sizes", "300", "3000", "--queries", "3"],
    "rerank": ["--sizes", "60x6"],
    "write_to_list": [
        *("--deployment", "embedded", "--organisations", "20", "--projects", "4", "--writes", "3"),
        *("--rest", "0"),
    ],
}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_prints_one_object_with_claims(name: str, tmp_path: Path) -> None:
    _prints_one_object(name, *SMALL[name], folder=tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_import_of_a_register_prints_one_object_with_claims(test_data: Path, tmp_path: Path) -> None:
    register = str(test_data / "cordis-horizon-ict")
    small = ("--organisations", "30", "--queries", "3")
    printed = _prints_one_object("importing", register, *small, folder=tmp_path)
    assert (printed["figures"]["organisations"], printed["figures"]["lists"]) == (30, 3)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_integers_beside_floats_prints_one_object_with_claims(test_data: Path, tmp_path: Path) -> None:
    register = str(test_data / "cordis-horizon-ict")
    printed = _prints_one_object("integer_scores", register, "--queries", "3", folder=tmp_path)
    assert printed["figures"]["queries"] == 3


def _prints_one_object(name: str, *arguments: str, folder: Path) -> Any:
    command = [sys.executable, f"benchmarks/{name}.py", "--json", *arguments]
    there = os.environ | {
        "TMPDIR": str(folder)
    }  # where tests keep files, which is quicker than where a claim is measured
    done = subprocess.run(
        command, cwd=ROOT, env=there, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert list(printed)[:2] == ["ratios", "claims"]
    assert printed["ratios"]
    for claim in printed["claims"]:
        assert set(claim) == {"name", "value", "unit", "goal", "met"}
        assert claim["value"] > 0
    return printed


def test_every_script_is_in_the_table() -> None:
    table = (ROOT / "benchmarks" / "README.md").read_text("utf-8")
    scripts = {path.name for path in (ROOT / "benchmarks").glob("*.py")}
    assert all(f"`{script}`" in table for script in scripts)


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.stem)
def test_a_benchmark_finds_what_it_measures(path: Path) -> None:
    """Those that need a server are run by hand alone, and what they call may have another name by then."""
    importlib.import_module(f"benchmarks.{path.stem}")
