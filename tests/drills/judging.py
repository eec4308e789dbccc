"""Asking the oracle: its order is written to a file, it runs as a process of its own, its verdict is read back."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.drills.deployments import Deployment
from tests.drills.writing import Writer, write_ledger

ORACLE = Path(__file__).with_name("oracle.py")


def judged(
    folder: Path,
    deployment: Deployment,
    everybody: Sequence[Writer],
    *,
    clean: Deployment | None = None,
    patience: float = 180.0,
    dense: bool | None = None,
    letters: int = 0,
) -> dict[str, Any]:
    """Have the oracle judge a deployment by its clients' ledger; what the clients themselves saw go wrong counts too.

    With a `clean` deployment it makes the accepted writes again there and compares the lists. `letters` is how many
    dead letters a drill has planted. Raises RuntimeError if the oracle cannot judge.
    """
    write_ledger(folder / "ledger.jsonl", everybody)
    order = {
        "ledger": str(folder / "ledger.jsonl"),
        "killed": {"addresses": deployment.addresses, "secret": deployment.secret},
        "clean": None if clean is None else {"addresses": clean.addresses, "secret": clean.secret},
        "dense": deployment.dense if dense is None else dense,
        "patience": patience,
        "letters": letters,
    }
    (folder / "order.json").write_text(json.dumps(order))
    asked = [sys.executable, "-I", str(ORACLE), str(folder / "order.json")]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise RuntimeError(f"The oracle could not judge: {answer.stderr[-2_000:]}")
    found = json.loads(answer.stdout)
    wrong = [one for writer in everybody for one in writer.wrong]
    findings = (
        [f"lost: {one}" for one in found["lost"]] + [f"doubled: {one}" for one in found["doubled"]] + wrong
    )
    return {
        "accepted": found["accepted"],
        "lost": len(found["lost"]),
        "doubled": len(found["doubled"]) + len(wrong),
        "lists_identical": found["lists_identical"],
        "versions": found["versions"],
        "lists": found["lists"],
        "findings": findings[:20],
    }
