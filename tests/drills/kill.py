"""The kill drill: whatever is killed when, nothing accepted is lost and nothing is done twice (promise 8).

By hand: `python -m tests.drills.kill --rounds 200 --seed 1 --deployment sqlite --json`. Careful clients write while parts
of the system are killed with SIGKILL, at random moments and at named lines, and started again. Then the oracle, a process
that knows only HTTP, judges what it finds. Before that the drill proves its worth: with each of several mutants switched
on, the oracle has to find the fault.
"""

import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.chassis.bus.failpoints import LINES
from tests.drills.deployments import Deployment, Split, Sqlite
from tests.drills.judging import judged
from tests.drills.processes import DidNotStartError, Starter
from tests.drills.reporting import Drill, parser, report
from tests.drills.writing import Door, Writer, writers
from tests.mutants.catalogue import MUTANTS

LONGEST_ROUND = 8.0
PATIENCE_WITH_MUTANT = 8.0
MUTANT_ROUNDS = 2
MUTANTS_AT_ONCE = 3  # each waits more than it works
SENTENCE = 160  # as much of a finding says what it is
ENOUGH = 6
"""Of how many mutants the fault has to be found before the drill is believed."""

DEPLOYMENTS: dict[str, type[Deployment]] = {"sqlite": Sqlite, "split": Split}


@dataclass(kw_only=True)
class Killing:
    """One drill on one deployment."""

    deployment: Deployment
    rounds: int
    seed: int
    lines: tuple[str, ...] = LINES
    hits: int = 6  # a line kills at one of its first so many times
    longest: float = LONGEST_ROUND  # how long a line is waited for
    ways: tuple[int, int, int] = (1, 5, 4)  # how often while starting, at a line, at any moment
    everybody: list[Writer] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)

    def run(self, door: Door) -> None:
        """Write and kill, round after round, and end with everything up and nothing unanswered."""
        chance = random.Random(self.seed)
        self.everybody = writers(self.seed)
        for writer in self.everybody:
            writer.register(door)
        for writer in self.everybody:
            writer.publish(door)
        stop = threading.Event()
        with ThreadPoolExecutor(len(self.everybody)) as pool:
            writing = [pool.submit(writer.write, door, stop) for writer in self.everybody]
            try:
                for _ in range(self.rounds):
                    self._round(chance)
                for part in self.deployment.parts:
                    self._up(part)
                self.deployment.ready()
            finally:
                stop.set()
            for one in writing:
                one.result()
        for writer in self.everybody:
            writer.write(door, stop)  # only what is still unanswered
        self.everybody[0].draft(door)

    def _round(self, chance: random.Random) -> None:
        """Kill one part: while it starts, at a named line, or at any moment; it is started again either way."""
        part = chance.choice(self.deployment.parts)
        how = chance.choices(["starting", "line", "moment"], weights=self.ways)[0]
        line, hit = chance.choice(self.lines), chance.randint(1, self.hits)
        moment = chance.uniform(0.0, 1.0)
        if how == "starting":
            self.deployment.kill(part)
            self.deployment.start(part)
            time.sleep(moment * 0.5)
        elif how == "line" and part in self.deployment.coded:
            self.deployment.kill(part)
            self.deployment.start(part, line=line, hit=hit)
            self.deployment.ready()
            deadline = time.monotonic() + self.longest
            while self.deployment.running(part) and time.monotonic() < deadline:
                time.sleep(0.01)
            how = "moment" if self.deployment.running(part) else line
        else:
            self._up(part)
            self.deployment.ready()
            time.sleep(0.1 + moment)
            how = "moment"
        self.deployment.kill(part)
        self.killed[f"{part} {how}" if len(self.deployment.parts) > 1 else how] += 1
        self.deployment.start(part)

    def _up(self, part: str) -> None:
        if not self.deployment.running(part):
            self.deployment.start(part)


def drill(starter: Starter, folder: Path, *, deployment: str, rounds: int, seed: int) -> dict[str, Any]:
    """Run the drill on the product as it is; the oracle's verdict with figures of the killing."""
    begun = time.monotonic()
    with ExitStack() as stack:
        one = stack.enter_context(DEPLOYMENTS[deployment](starter, folder / "killed"))
        one.prepare()
        for part in one.coded:
            one.start(part)
        one.ready()
        door = stack.enter_context(Door(one.addresses, one.secret))
        killing = Killing(deployment=one, rounds=rounds, seed=seed)
        killing.run(door)
        clean = stack.enter_context(Sqlite(starter, folder / "clean"))
        clean.prepare()
        clean.start("everything")
        clean.ready()
        verdict = judged(folder, one, killing.everybody, clean=clean)
    return verdict | {
        "deployment": deployment,
        "rounds": rounds,
        "seed": seed,
        "killed": dict(sorted(killing.killed.items())),
        "repeated": sum(writer.repeated for writer in killing.everybody),
        "seconds": round(time.monotonic() - begun, 1),
    }


def with_mutant(starter: Starter, folder: Path, *, mutant: str, seed: int) -> str | None:
    """Run a short drill with a mutant; what the oracle found, None if it found nothing."""
    lines = MUTANTS[mutant].lines or LINES
    with ExitStack() as stack:
        one = stack.enter_context(Sqlite(starter, folder / mutant, mutant=mutant))
        one.prepare()
        one.start("everything")
        one.ready()
        door = stack.enter_context(Door(one.addresses, one.secret))
        killing = Killing(
            deployment=one, rounds=MUTANT_ROUNDS, seed=seed, lines=lines, hits=4, longest=20.0, ways=(0, 1, 0)
        )
        try:
            killing.run(door)
        except DidNotStartError as error:
            return f"it does not start any more: {error}"
        verdict = judged(folder / mutant, one, killing.everybody, patience=PATIENCE_WITH_MUTANT)
    found = verdict["findings"]
    return found[0][:SENTENCE] if found else None


def proved(starter: Starter, folder: Path, mutants: Sequence[str], *, seed: int) -> dict[str, str | None]:
    """Run the drill with each mutant, some at a time; what the oracle found of each."""
    with ThreadPoolExecutor(MUTANTS_AT_ONCE) as pool:
        found = pool.map(lambda name: with_mutant(starter, folder, mutant=name, seed=seed), mutants)
        return dict(zip(mutants, found, strict=True))


def main() -> None:
    """Prove that the drill finds faults, run it, and print what it found."""
    options = parser(__doc__, rounds=10)
    options.add_argument("--deployment", choices=sorted(DEPLOYMENTS), default="sqlite")
    options.add_argument(
        "--mutants", type=int, default=None, help="how many mutants to prove with; all by default"
    )
    given = options.parse_args()
    drilled = [name for name, one in MUTANTS.items() if "kill" in one.drills][: given.mutants]
    with Starter() as starter, tempfile.TemporaryDirectory(prefix="comity-kill-") as folder:
        caught = proved(starter, Path(folder), drilled, seed=given.seed)
        verdict = drill(
            starter, Path(folder), deployment=given.deployment, rounds=given.rounds, seed=given.seed
        )
    report(
        Drill(name="kill", passed=held(verdict, caught), figures=verdict | {"mutants": caught}),
        as_json=given.json,
    )


def held(verdict: Mapping[str, Any], caught: Mapping[str, str | None]) -> dict[str, bool]:
    """Return what had to be true; of the mutants nothing where none was drilled."""
    enough = min(ENOUGH, len(caught))
    proof = {f"catches {enough} of the mutants": sum(map(bool, caught.values())) >= enough} if enough else {}
    return proof | {
        "nothing lost": verdict["lost"] == 0,
        "nothing doubled": verdict["doubled"] == 0,
        "lists identical": verdict["lists_identical"] is True,
    }


if __name__ == "__main__":
    main()
