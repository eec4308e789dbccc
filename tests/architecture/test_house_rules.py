"""The rules of the house that a linter cannot state, each as a test."""

import ast
import os
import re
import subprocess
from pathlib import Path

import pytest

from services.catalogue import SERVICES

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("services", "schemas", "matching", "migrations")
BANNED_NAMES = {"utils", "helpers", "common", "misc", "base", "manager", "core"}
SERVICE_FILES = {"__init__", "routes", "commands", "queries", "rules", "tables", "events", "consumers"}

BESIDE = {"matches": {"worker", "epochs"}, "notifications": {"worker", "mail"}}
"""What a service has beside the names that all share; CONTRIBUTING says why."""


def tracked(*suffixes: str) -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    files = [ROOT / name for name in names if name]
    return [path for path in files if path.is_file() and (not suffixes or path.suffix in suffixes)]


def python_files() -> list[Path]:
    return [path for path in tracked(".py") if path.relative_to(ROOT).parts[0] in PACKAGES]


def test_no_file_is_longer_than_five_hundred_lines() -> None:
    long = {
        str(p.relative_to(ROOT)): n for p in tracked(".py") if (n := p.read_text("utf-8").count("\n")) > 500
    }
    assert long == {}


def test_no_file_has_a_name_that_says_nothing() -> None:
    parts = {part.removesuffix(".py") for path in tracked(".py") for part in path.relative_to(ROOT).parts}
    assert parts & BANNED_NAMES == set()


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in python_files()
        if path.read_text("utf-8").strip() and not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert silent == []


def test_every_service_has_the_same_file_names() -> None:
    odd = [
        str(path.relative_to(ROOT))
        for name in SERVICES
        for path in (ROOT / "services" / name).iterdir()
        if path.name != "__pycache__" and path.stem not in SERVICE_FILES | BESIDE.get(name, set())
    ]
    assert odd == []


def test_every_part_of_the_chassis_serves_two_services_or_the_chassis_itself() -> None:
    imports: dict[str, set[str]] = {}
    for path in python_files():
        user = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                if name.startswith("services.chassis") and name != user:
                    imports.setdefault(name, set()).add(
                        "chassis" if user.startswith("services.chassis") else ".".join(user.split(".")[:2])
                    )
    lonely = []
    for path in python_files():
        module = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        if not module.startswith("services.chassis.") or module.endswith("__init__"):
            continue
        users = imports.get(module, set())
        # The console starts and loads every service, so what it uses serves all of them.
        if not users & {"chassis", "services.console"} and len(users) < 2:
            lonely.append((module, sorted(users)))
    assert lonely == []


@pytest.mark.parametrize("word", ["exclusive", "award"])
def test_no_field_or_route_is_exclusive_or_awards(word: str) -> None:
    """Promise 4: there is no such field and no such endpoint to be found in what crosses a process boundary."""
    looked_at = set()
    for path in tracked(".py"):
        parts = path.relative_to(ROOT).parts
        if parts[0] == "schemas" or "routes" in (*parts, path.stem):
            looked_at.add(parts[0])
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                    assert word not in node.target.id, path
                if (
                    isinstance(node, ast.Constant)
                    and isinstance(node.value, str)
                    and node.value.startswith("/v1")
                ):
                    assert word not in node.value, path
    assert {"schemas", "services"} <= looked_at


def test_nothing_committed_names_a_package_registry_or_a_machine() -> None:
    pattern = re.compile(
        r"pypi\.|pythonhosted|registry\.npm|npmjs\.|repo1\.|repo\.maven|maven\.org|deb\.debian|(?<![\w.}])/(work|root)/[a-z]"
    )
    found = []
    for path in tracked(
        ".py", ".md", ".toml", ".yml", ".yaml", ".sh", ".lock", ".xml", ".json", ".properties", ""
    ):
        if path == Path(__file__) or path.stat().st_size > 3_000_000:
            continue
        for number, line in enumerate(path.read_text("utf-8", errors="ignore").split("\n"), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}")
    assert found == []


def test_our_generic_package_names_are_not_taken_by_another_distribution() -> None:
    for name in PACKAGES:
        module = __import__(name)
        assert Path(str(module.__file__)).resolve().is_relative_to(ROOT)


@pytest.mark.xdist_group("house-rules")
def test_tests_of_one_group_run_on_one_worker(request: pytest.FixtureRequest) -> None:
    """A group is told by the end of a test's id; were it lost, every heavy fixture would be made once for each worker."""
    grouped = os.environ.get("PYTEST_XDIST_WORKER") and request.config.getoption("loadgroup", default=False)
    assert request.node.nodeid.endswith("@house-rules") == bool(grouped)


def test_decisions_are_numbered_once_and_without_a_gap() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [int(page.name.partition("-")[0]) for page in pages]
    assert numbers == list(range(1, len(pages) + 1))
    for page, number in zip(pages, numbers, strict=True):
        assert page.read_text("utf-8").startswith(f"# {number}. "), page.name
