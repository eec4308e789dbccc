"""Time moves over a graduation, a deadline and the end of a membership: which lists changed, and why; and no clock is read."""

import ast
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from matching.epoch import canonical
from services.chassis.runtime import Clock
from services.matches.commands import first_epoch
from services.members.commands.dates import apply_dates
from services.projects.commands.dates import write_what_the_date_changed
from tests.services.matches.town import Town, analysis, uuid_of

ROOT = Path(__file__).resolve().parents[3]
HERE = {"required": True, "reason": "The work is on the spot."}
BEGIN, END = datetime(2026, 11, 24, 12, tzinfo=UTC), datetime(2026, 12, 4, 12, tzinfo=UTC)


def with_graduation(country: str, last_day: str) -> bytes:
    """The shipped epoch, with the last day on which a country is a least developed one."""
    body = json.loads(first_epoch(None))
    groups = [one for one in body["reference"]["groups"] if one[:2] != ["ldc", country]]
    body["reference"]["groups"] = sorted(
        [*groups, ["ldc", country, None, last_day]], key=lambda one: [value or "" for value in one]
    )
    body["analyser"]["golden"] = analysis().golden
    return canonical(body)


async def shown(town: Town, projects: Mapping[str, str]) -> dict[str, Any]:
    """What dated facts show in each list: its state, whether it serves an LDC, and everybody's labels and points."""
    found: dict[str, Any] = {}
    for name, identifier in projects.items():
        listed = await town.list_of(identifier)
        versions = await town.versions(identifier)
        found[name] = {
            "final": versions[0]["final"],
            "serves_ldc": listed["serves_ldc"],
            "labels": {row["name"]: sorted(row["labels"]) for row in listed["candidates"]},
            "points": {row["name"]: row["points"] for row in listed["candidates"]},
        }
    return found


def why(before: Any, after: Any) -> set[str]:
    """Name what differs between two looks at one list."""
    told = {name for name in ("final", "serves_ldc") if before[name] != after[name]}
    for name in before["labels"].keys() & after["labels"].keys():
        gone = set(before["labels"][name]) ^ set(after["labels"][name])
        told |= {f"{name}: {label}" for label in gone}
    return told


async def test_each_day_changes_the_lists_that_its_dated_facts_touch_and_no_other(town: Town) -> None:
    assert (await town.call("POST", "/v1/epochs", with_graduation("UGA", "2026-11-27"))).status_code == 201
    await town.organisation("Graduate", hq_country="UGA")
    ending = [{"state": "active", "from": "2020-01-01", "to": "2026-11-29"}]
    await town.organisation("Member", hq_country="KEN", category="associate", membership=ending)
    await town.organisation("Steady", hq_country="TZA")
    projects = {
        "in Uganda": await town.published("uganda", countries=["UGA"], presence_required=HERE),
        "in Kenya": await town.published("kenya", countries=["KEN"], presence_required=HERE),
        "in Tanzania": await town.published("tanzania", countries=["TZA"], presence_required=HERE),
        "soon over": await town.published(
            "over",
            countries=["TZA"],
            presence_required=HERE,
            deadline="2026-12-01",
            owner=uuid_of("Graduate"),
        ),
    }
    await town.settle()
    changed: dict[str, dict[str, set[str]]] = {}
    before, first = await shown(town, projects), await shown(town, projects)
    town.clock.moment = BEGIN
    while town.clock.moment < END:
        town.clock.moment += timedelta(days=1)
        day = town.clock.moment.date().isoformat()
        await write_what_the_date_changed(town.runtimes["projects"])
        await apply_dates(town.runtimes["members"])
        assert (await town.call("POST", "/v1/days", {"day": day})).status_code == 201
        await town.settle()
        after = await shown(town, projects)
        reasons = {name: told for name in projects if (told := why(before[name], after[name]))}
        if reasons:
            changed[day] = reasons
        before = after
    assert changed == {
        "2026-11-28": {
            "in Uganda": {"serves_ldc", "Graduate: ldc_entity"}
        },  # the first day after the group's last
        "2026-11-30": {"in Kenya": {"Member: non_member"}},  # the first day after the term's end
        "2026-12-02": {"soon over": {"final"}},  # the first day after the deadline: its owner closed it
    }
    # A date gives and takes no points.
    assert {name: one["points"] for name, one in before.items()} == {
        name: one["points"] for name, one in first.items()
    }


async def test_ranking_asks_no_clock(town: Town) -> None:
    """The same list whatever the time of day is, and with a clock that fails whoever asks it."""
    await town.organisation("Ada", membership=[{"state": "active", "from": "2020-01-01", "to": "2026-11-30"}])
    await town.organisation("Bea", hq_country="KEN")
    project = await town.published("schools")
    await town.settle()
    packed = (await town.ranked(project)).packed()
    for years in (-30, 30):
        town.clock.moment += timedelta(days=365 * years)
        assert (await town.ranked(project)).packed() == packed

    class Broken(Clock):
        def now(self) -> NoReturn:
            raise AssertionError("ranking read the clock")

        def monotonic(self) -> NoReturn:
            raise AssertionError("ranking read the clock")

    town.worker.runtime.clock = Broken()
    assert (await town.ranked(project)).packed() == packed


def test_no_module_that_ranks_can_read_a_clock() -> None:
    """The engine has no clock to read, and the worker's modules that decide a list import none."""
    files = [*(ROOT / "matching").rglob("*.py")]
    files += [ROOT / "services" / "matches" / "rules" / "material.py"]
    files += [
        ROOT / "services" / "matches" / "worker" / name for name in ("engines.py", "documents.py", "rows.py")
    ]
    assert len(files) > 30
    for path in files:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                assert "time" not in {alias.name for alias in node.names}, path
            elif isinstance(node, ast.ImportFrom):
                assert node.module != "time", path
            elif isinstance(node, ast.Attribute):
                assert node.attr not in {"now", "today", "utcnow", "monotonic", "perf_counter"}, (
                    path,
                    node.lineno,
                )
