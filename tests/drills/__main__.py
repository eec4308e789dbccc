"""A short seeded part of the drills of one process, one after the other: `python -m tests.drills`, as `make drills` does.

Each drill is a command of its own, with more rounds; those on servers, of workers and of soaking are run by hand. The last line counts what had to be true: "N passed,
N failed".
"""

import json
import subprocess
import sys
import time

SHORT = (
    ("kill", "--rounds", "6"),
    ("order", "--rounds", "2"),
    ("faults", "--only", "strange-records", "raising-handler"),
)


def main() -> None:
    """Run them all, whatever fails; the exit code is 0 if everything that had to be true was."""
    passed = failed = 0
    for name, *options in SHORT:
        begun = time.monotonic()
        command = [sys.executable, "-m", f"tests.drills.{name}", *options, "--json"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        try:
            found = json.loads(done.stdout)
        except ValueError:
            found = {"passed": [], "failed": [f"it ended with {done.returncode}"]}
        passed += len(found["passed"])
        failed += len(found["failed"])
        print(f"{name} {' '.join(options)}: {time.monotonic() - begun:.0f} s", flush=True)
        if found["failed"]:
            print(json.dumps(found, indent=2), flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
