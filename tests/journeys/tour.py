"""The tour in README.md: which lines of the demo it shows, and the command that writes them there anew.

`python -m tests.journeys.tour` runs the demo and rewrites the blocks, so what stands there was printed. It must not make up
a line: what no run prints alike (ids, how often somebody looked) is written as it came, and left out when it is compared.
"""

import os
import re
import subprocess
import tempfile
import textwrap
from pathlib import Path

from services.console.loading import DEMO_FOLDER
from tests.journeys.conftest import WHY, started, why_of

README = Path(__file__).resolve().parents[2] / "README.md"
BLOCK = re.compile(
    r"(?<=```\n)((?:Top ten for|(?:…\n)?Margin:|A subscriber was|Followed mean|1 [A-Z]).*?)(?=\n```)",
    re.DOTALL,
)
STEPS = re.compile(r"(?<=```sh\n)id=.*?(?=```)", re.DOTALL)
"""What a project manager pastes to publish a project and read its list."""
VOLATILE = (
    (re.compile(r"list version \d+"), "list version"),
    (re.compile(r"reference date [0-9-]+"), "reference date"),
    (re.compile(r"webhook [0-9a-f-]{36}"), "webhook"),
    (re.compile(r"feed: \d+ entries in \d+ batches"), "feed"),
)
"""What is another in each run, with what is left of it."""


def shown(printed: str, why: str) -> tuple[str, ...]:
    """Return the blocks of the tour, from what the demo and `comity why` printed; a message only where one was told."""
    first = re.search(r"^Top ten for .*?(?=^  4  )", printed, re.MULTILINE | re.DOTALL)
    parts = re.search(r"^Margin: .*?sum of the parts", why, re.MULTILINE | re.DOTALL)
    told = re.search(r"^A subscriber was told.*?^  why: [^\n]*", printed, re.MULTILINE | re.DOTALL)
    followed = re.search(r"^Followed meanwhile.*?too\.", printed, re.MULTILINE | re.DOTALL)
    assert first, printed
    assert parts, why
    assert followed, printed
    blocks = [f"{first[0].rstrip()}\n\n   …", f"…\n{parts[0]}\n…"]
    blocks += [told[0]] if told else []
    blocks.append(textwrap.fill(followed[0], 120))
    return tuple(re.sub(r" +$", "", block, flags=re.MULTILINE) for block in blocks)


def own_project(printed: str) -> str:
    """Return what the reader's own project prints, run as it stands there beside a demo that has printed this."""
    found = re.search(
        r"^This list +(http://[^/]+).*^export MANAGER=(\S+)$", printed, re.MULTILINE | re.DOTALL
    )
    assert found, printed
    address, token = found.groups()
    (steps,) = STEPS.findall(README.read_text("utf-8"))
    assert "http://127.0.0.1:8080\n" in steps
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", steps.replace("http://127.0.0.1:8080", address)],
        env={"MANAGER": token, "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip()


def lasting(block: str) -> str:
    """Return a block without what is another in each run, and without its line breaks."""
    for form, name in VOLATILE:
        block = form.sub(name, block)
    return " ".join(block.split())


def rewrite() -> None:
    """Run the demo, and write what it printed into the tour."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "var"
        with started("demo", "--port", "0", folder=folder) as serving:
            serving.said("Serving until Ctrl-C")
            printed = serving.stdout.read_text("utf-8")
            blocks = (*shown(printed, why_of(printed, folder)), own_project(printed))
    text = README.read_text("utf-8")
    assert len(BLOCK.findall(text)) == len(blocks)
    following = iter(blocks)
    text = BLOCK.sub(lambda _: next(following), text)
    suggested = WHY.search(printed)
    assert suggested
    README.write_text(WHY.sub(f".venv/bin/comity {' '.join(suggested.groups())}", text), "utf-8")


def figures() -> dict[str, int]:
    """Return how many initiatives and organisations the demo loads."""
    return {
        kind: sum(len(file.read_text("utf-8").splitlines()) for file in DEMO_FOLDER.glob(pattern))
        for kind, pattern in (
            ("initiatives", "initiatives*.jsonl"),
            ("organisations", "organisations*.jsonl"),
        )
    }


if __name__ == "__main__":
    rewrite()
