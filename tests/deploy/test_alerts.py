"""Alert rules, dashboards and runbooks name only what there is: each metric exists, each alert has its page."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from services.chassis.telemetry import Metrics

ROOT = Path(__file__).resolve().parents[2]
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "comity.json").read_text("utf-8"))
LABELS = {
    sample
    for family in Metrics().registry._collector_to_names
    for sample in getattr(family, "_labelnames", ())
} | {"le"}


def exposed() -> set[str]:
    """The names that Prometheus sees: a counter's and a histogram's samples have endings of their own."""
    return {name for names in Metrics().registry._collector_to_names.values() for name in names}


def expressions() -> Iterator[tuple[str, str]]:
    yield from ((rule["alert"], rule["expr"]) for rule in RULES)
    for panel in DASHBOARD["panels"]:
        yield from ((panel["title"], target["expr"]) for target in panel["targets"])


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_expression_is_promql(where: str, expression: str) -> None:
    assert promql_parser.parse(expression), where


def test_what_is_no_promql_is_found() -> None:
    for wrong in ("sum by (group (comity_lag)", "rate(comity_lag)", "comity_lag >", "nosuch(comity_lag)"):
        with pytest.raises(ValueError, match=r"."):
            promql_parser.parse(wrong)


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_metric_and_label_that_is_named_exists(where: str, expression: str) -> None:
    named = set(re.findall(r"comity_[a-z_]+", expression))
    assert named, where
    assert named <= exposed(), where
    grouped = {
        label.strip() for found in re.findall(r"by \(([^)]*)\)", expression) for label in found.split(",")
    }
    assert grouped <= LABELS, where


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    pages = {rule["annotations"]["runbook"] for rule in RULES}
    folder = ROOT / "docs" / "runbooks"
    there = {f"docs/runbooks/{path.name}" for path in folder.glob("*.md") if path.name != "README.md"}
    assert pages == there
    listed = (folder / "README.md").read_text("utf-8")
    for rule in RULES:
        text = (ROOT / rule["annotations"]["runbook"]).read_text("utf-8")
        assert f"`{rule['alert']}`" in text
        assert set(re.findall(r"comity_[a-z_]+", text)) <= exposed() | {"comity_lists"}
        assert f"`{rule['alert']}`" in listed
        assert rule["labels"]["severity"] in {"page", "ticket"}
        for link in re.findall(r"\]\(([^)]+)\)", text):
            assert (folder / link).is_file(), (rule["alert"], link)


def test_what_ends_is_noticed_by_who_is_left() -> None:
    """A process that has ended says nothing any more, and a partition that nobody holds has no lag."""
    asked = {rule["alert"]: " ".join(rule["expr"].split()) for rule in RULES}
    assert {"up", "absent(comity_loop_running)"} <= set(
        re.findall(r"\bup\b|absent\(\w+\)", asked["ComityProcessDown"])
    )
    held = "sum by (group) (comity_consumer_assigned_partitions)"
    there = "max by (group) (comity_consumer_partitions)"
    assert asked["ComityPartitionsUnheld"] == f"{there} > ({held} or {there} * 0)"
    assert asked["ComityListsIncomplete"].startswith(
        "max by"
    )  # the process that is worst off, not the best one


def test_alerts_ask_for_ages_rates_and_states_not_for_counts() -> None:
    states = (
        r"_seconds\b|_days\b|rate\(|increase\(|changes\(|_up\b|_running\b|_(halted|assigned)_partitions\b"
    )
    assert [rule["alert"] for rule in RULES if not re.search(states, rule["expr"])] == []
