"""A whole register imported: organisations with their past projects as evidence, then projects until every list is complete.

What: `comity import` on a folder in the shape of cordis-horizon-ict, with nothing running before, so that it starts the
embedded system itself; seconds and peak memory of each command. The peer in the same run is the dry run: the same rows
read, mapped and checked, and nothing written. Why: bulk import goes through the API's own commands, and the price of that
must be known. It must not reach around them.

`python -m benchmarks.importing DIR [--organisations N] [--queries N] [--json]`
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.report import Claim, machine, report

MOST_SECONDS, MOST_GB = 180.0, 1.5
"""Goals for the whole set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One command: what it printed, how long it took, the most memory that it held."""

    said: dict[str, Any]
    seconds: float
    gigabytes: float


def comity(*arguments: str, folder: Path) -> Ran:
    """Run a verb that prints JSON. A row that is not taken ends the benchmark."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COMITY_")}
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, "-m", "services", *arguments, "--json"],
            env=kept | {"COMITY_DATA_FOLDER": str(folder), "COMITY_TELEMETRY__LEVEL": "warning"},
            stdout=printed,
            stderr=errors,
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        for file in (printed, errors):
            file.seek(0)
        if child.returncode:
            raise SystemExit(errors.read().decode()[-2000:])
        said = json.loads(printed.read().splitlines()[-1])
    return Ran(said=said, seconds=seconds, gigabytes=usage.ru_maxrss * 1024 / 1e9)


def head_of(source: Path, target: Path, rows: int) -> Path:
    """Write the first rows of a packed file; the file itself if all are wanted."""
    if not rows:
        return source
    with gzip.open(source, "rt", encoding="utf-8") as lines, target.open("w", encoding="utf-8") as part:
        part.writelines(islice(lines, rows))
    return target


def run(data: Path, *, organisations: int, queries: int) -> dict[str, Any]:
    """Import and measure; the folder is gone afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        register = head_of(data / "organisations.jsonl.gz", folder / "organisations.jsonl", organisations)
        calls = head_of(data / "queries_dev.jsonl.gz", folder / "queries.jsonl", queries)
        first = ["import", "organisations", str(register), "--map", "cordis-organisations"]
        first += ["--evidence", str(data / "projects.jsonl.gz")]
        second = ["import", "projects", str(calls), "--map", "cordis-projects"]
        system = folder / "comity"
        dry = comity(*first, "--dry-run", folder=system)
        imported = comity(*first, folder=system)
        published = comity(*second, "--wait", folder=system)
    for ran in (imported, published):
        if ran.said["created"] != ran.said["rows"]:
            raise SystemExit(f"{ran.said['created']} of {ran.said['rows']} rows were created")
    if not published.said["waited"]:
        raise SystemExit("the lists were not waited for")
    return {
        "organisations": imported.said["created"],
        "evidence": imported.said["evidence"],
        "lists": published.said["created"],
        "dry_run_seconds": round(dry.seconds, 1),
        "organisations_seconds": round(imported.seconds, 1),
        "lists_seconds": round(published.seconds, 1),
        "seconds": round(imported.seconds + published.seconds, 1),
        "peak_gb": round(max(imported.gigabytes, published.gigabytes), 3),
        "import_over_dry_run": round(imported.seconds / dry.seconds, 2),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it and print ratios, claims and figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="a folder in the shape of cordis-horizon-ict")
    parser.add_argument("--organisations", type=int, default=0, help="only so many, 0 for all")
    parser.add_argument("--queries", type=int, default=0, help="only so many, 0 for all")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    asked = parser.parse_args(arguments)
    before = machine()
    figures = run(asked.folder, organisations=asked.organisations, queries=asked.queries)
    report(
        ratios={"import / dry run": figures["import_over_dry_run"]},
        claims=[
            Claim(
                name="a register and its lists, imported",
                value=figures["seconds"],
                unit="s",
                goal=MOST_SECONDS,
                at_least=False,
            ),
            Claim(name="peak memory", value=figures["peak_gb"], unit="GB", goal=MOST_GB, at_least=False),
        ],
        figures=figures,
        machine=before,
        as_json=asked.json,
    )


if __name__ == "__main__":
    main()
