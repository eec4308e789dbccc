"""schemathesis over the running system: every operation, every check, as every role.

`COMITY_FUZZ_EXAMPLES` sets the examples an operation for every role (`make fuzz`: 50). Without it: 50 and the phases that
enumerate bounds and follow links as BDT administrator, 5 for each other role. What the fuzzer is told beyond the OpenAPI
document stands in `schemathesis.toml` and `fuzz_rules.py`.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.world import World, populate, started

REPOSITORY = Path(__file__).resolve().parents[2]
SEED = 20261124
SECONDS = 900  # far above what a run takes; a hanging one must not hold the suite
ROLES = (
    ("bdt_admin", "admin"),
    ("public", "public"),
    ("organisation_reader", "reader_a"),
    ("organisation_editor", "editor_a"),
    ("organisation_admin", "owner_a"),
    ("project_manager", "manager"),
    ("office_officer", "officer"),
    ("bdt_analyst", "analyst"),
    ("bdt_editor", "editor"),
    ("auditor", "auditor"),
)
LIVES = frozenset({"bdt_admin", "bdt_editor"})
"""Roles whose projects nobody else made here: each step of a project's life was theirs, and the fuzzer's."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SECONDS + 60)]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world of its own, which nobody has to find as it was, and in which no drawn `timeout` is waited out for long."""
    with started(tmp_path_factory.mktemp("fuzzed"), http={"wait_seconds": 0.2}) as running:
        populate(running)
        yield running


# Two groups, so that two workers share the time, each with a world of its own.
@pytest.mark.parametrize(
    ("role", "caller"),
    [
        pytest.param(
            role,
            caller,
            id=role,
            marks=pytest.mark.xdist_group("fuzz-admin" if role == "bdt_admin" else "fuzz-others"),
        )
        for role, caller in ROLES
    ],
)
def test_schemathesis_finds_nothing(fuzzed: World, tmp_path: Path, role: str, caller: str) -> None:
    asked = os.environ.get("COMITY_FUZZ_EXAMPLES")
    thorough = role == "bdt_admin" or asked is not None
    phases = "examples,coverage,fuzzing,stateful" if thorough else "fuzzing"
    token = fuzzed.tokens.get(caller)
    authorization = f"Bearer {token}" if token else ""
    command = [
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", str(Path(__file__).with_name("schemathesis.toml"))),
        *("run", f"{fuzzed.address}/openapi.json"),
        *("--checks", "all", "--phases", phases, "--seed", str(SEED)),
        *("--max-examples", asked or ("50" if thorough else "5")),
        *("--continue-on-failure", "--request-timeout", "30", "--no-color"),
        *("--generation-database", "none", "--warnings", "off"),
        *(("--header", f"Authorization: {authorization}") if authorization else ()),
    ]
    ran = subprocess.run(
        command,
        cwd=REPOSITORY,
        env=os.environ
        | {
            "SCHEMATHESIS_HOOKS": "tests.contracts.fuzz_rules",
            "PYTHONPATH": str(REPOSITORY),
            "COMITY_TEST_AUTHORIZATION": authorization,
        },
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    report = ran.stdout + ran.stderr
    print(report[:1500], report[-1500:])  # noqa: T201 - shown with -rP: what was tried, and how long it took
    assert ran.returncode == 0, report[-20_000:]
    operations = sum(len(methods) for methods in fuzzed.get("public", "/openapi.json")["paths"].values())
    assert f"Selected: {operations}/{operations}" in report
    assert f"Tested: {operations}" in report
    if role in LIVES:
        assert taken(fuzzed, fuzzed.clients[caller]) >= {
            "project.published",
            "project.closed",
            "project.withdrawn",
        }


def taken(world: World, principal: str) -> set[str]:
    """Return what somebody did with projects, by the audit trail."""
    found: set[str] = set()
    path = "/v1/audit/projects?limit=200"
    cursor = ""
    while cursor is not None:
        page = world.get("admin", f"{path}&cursor={cursor}" if cursor else path)
        found |= {row["action"] for row in page["items"] if row["principal"] == principal}
        cursor = page["next"]
    return found
