"""What every benchmark prints: ratios first, then each claim with its goal, then the figures and the machine.

One form, so that figures of different days and machines can be put side by side. It must not measure anything.
"""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A figure held against its goal; `at_least`: the goal is a least value, otherwise a most."""

    name: str
    value: float
    unit: str
    goal: float
    at_least: bool = True

    @property
    def met(self) -> bool:
        """Whether the figure reaches the goal."""
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def to_json(self) -> dict[str, Any]:
        """Return name, value, unit, goal and whether it is met."""
        body = asdict(self)
        del body["at_least"]
        return body | {"met": self.met}


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processors, and the load before the run."""
    return {"processors": os.cpu_count(), "load_before": round(os.getloadavg()[0], 2)}


def report(
    *,
    ratios: Mapping[str, float],
    claims: Sequence[Claim],
    figures: Mapping[str, Any],
    machine: Mapping[str, Any],
    as_json: bool,
) -> None:
    """Print one JSON object, or lines for people."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    if as_json:
        body = {
            "ratios": dict(ratios),
            "claims": [claim.to_json() for claim in claims],
            "figures": dict(figures),
            "machine": dict(machine),
            "commit": commit.stdout.strip(),
        }
        print(json.dumps(body))
        return
    for name, ratio in ratios.items():
        print(f"{name}: {ratio}")
    for claim in claims:
        sign, met = ("≥" if claim.at_least else "≤"), ("met" if claim.met else "not met")
        print(f"{claim.name}: {claim.value:,} {claim.unit} (goal {sign} {claim.goal:,}, {met})")
    for name, value in figures.items():
        print(f"{name}: {value}")
