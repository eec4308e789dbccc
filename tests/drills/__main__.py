"""A short seeded part of the drills, two at a time: `python -m tests.drills`, as `make drills` does.

Each drill is a command of its own, with more rounds. What waits, for a lease or for nothing
to move any more, leaves the machine to the other one. The last line counts what had to be true: "N passed, N failed".
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

SHORT = (
    ("workers", "--rounds", "1", "--no-mutants"),
    ("messages", "--rounds", "6", "--no-mutants"),
    ("kill", "--deployment", "sqlite", "--rounds", "6"),
    ("faults", "--down-seconds", "8"),
    ("kill", "--deployment", "split", "--rounds", "4", "--mutants", "0"),
    ("soak", "--rounds", "4"),
    ("order", "--rounds", "2"),
)
"""The longest first."""

AT_ONCE = 2


def run(command: Sequence[str]) -> dict[str, Any]:
    """Run one drill to its end and say how it went; what it found."""
    name, *options = command
    begun = time.monotonic()
    asked = [sys.executable, "-m", f"tests.drills.{name}", *options, "--json"]
    done = subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=False)
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        found = {"passed": [], "failed": [f"it ended with {done.returncode}"]}
    line = f"{' '.join(command)}: {len(found['passed'])} passed, {len(found['failed'])} failed"
    print(f"{line}, {time.monotonic() - begun:.0f} s", flush=True)
    if found["failed"]:
        print(json.dumps(found, indent=2), flush=True)
    return found


def main() -> None:
    """Run them all, whatever fails; the exit code is 0 if everything that had to be true was."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(run, SHORT))
    passed, failed = (sum(len(one[name]) for one in found) for name in ("passed", "failed"))
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
