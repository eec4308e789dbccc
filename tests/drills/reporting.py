"""What every drill prints, and how it ends: figures as JSON or as lines, a line that counts, an exit code."""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """One drill that has been run: what had to be true, and what was measured."""

    name: str
    passed: Mapping[str, bool]
    figures: Mapping[str, Any]


def parser(description: str | None, *, rounds: int, meaning: str = "rounds") -> argparse.ArgumentParser:
    """Return the options that every drill has."""
    options = argparse.ArgumentParser(
        description=(description or "").split("\n\n", maxsplit=1)[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--rounds", type=int, default=rounds, help=f"{meaning}; {rounds} by default")
    options.add_argument("--seed", type=int, default=1, help="of every choice that the drill makes")
    options.add_argument("--json", action="store_true", help="print one JSON object")
    return options


def report(drill: Drill, *, as_json: bool) -> None:
    """Print a drill and end the process: 0 if everything that had to be true was, else 1."""
    failed = [name for name, fine in drill.passed.items() if not fine]
    if as_json:
        fine = [name for name in drill.passed if name not in failed]
        print(json.dumps({"drill": drill.name, **drill.figures, "passed": fine, "failed": failed}, indent=2))
    else:
        for name, value in drill.figures.items():
            print(f"{drill.name} {name}: {value}")
        for name in failed:
            print(f"{drill.name} FAILED: {name}")
        print(f"drill {drill.name}: {len(drill.passed) - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)
