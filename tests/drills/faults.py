"""The faults drill: the world breaks in every way that somebody has seen it break, and nothing is skipped in silence.

By hand: `python -m tests.drills.faults --rounds 1 --seed 1 --json`, or some of them: `--only other-logs`. On SQLite: a log that
was cut, cut and grown again, or replaced under the stored positions (a loud stop; the right log back, everything goes on);
records that no reader can take; a handler that raises on one key; clocks that jump. On PostgreSQL and Kafka: the broker
down at the start and under load, the database down. After each, the oracle judges what the clients were promised.
"""

import json
import random
import shutil
import sqlite3
import tempfile
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.drills.deployments import BROKER, DATABASE, Deployment, Split, Sqlite
from tests.drills.judging import judged
from tests.drills.processes import DidNotStartError, Starter
from tests.drills.reporting import Drill, parser, report
from tests.drills.writing import Door, Writer, writers

DOWN_SECONDS = 20.0
PATIENCE_SECONDS = 120.0
MUTANT_SECONDS = 6.0
"""How long after it began to answer a process has to be there, to have gone on: a loud stop comes with the first records."""

EVERYTHING = "everything"


Findings = dict[str, list[str]]
"""What had to be true → what is wrong with it; an empty list means that it is."""


@dataclass(kw_only=True)
class Scene:
    """One town under one fault: its deployment, its clients and their ledger."""

    starter: Starter
    folder: Path
    seed: int
    mutants: bool = True
    down_seconds: float = DOWN_SECONDS

    @contextmanager
    def sqlite(self) -> Iterator["Town"]:
        with Sqlite(self.starter, self.folder) as one:
            one.prepare()
            one.start(EVERYTHING)
            one.ready()
            with Door(one.addresses, one.secret) as door:
                yield Town(deployment=one, door=door, everybody=writers(self.seed), folder=self.folder)


@dataclass(kw_only=True)
class Town:
    """A deployment with careful clients."""

    deployment: Deployment
    door: Door
    everybody: list[Writer]
    folder: Path
    begun: bool = False

    @property
    def data(self) -> Path:
        return self.folder / "var"

    def write(self, times: int) -> None:
        """Let every client write so many times."""
        if not self.begun:
            for writer in self.everybody:
                writer.register(self.door)
            for writer in self.everybody:
                writer.publish(self.door)
            self.begun = True
        with ThreadPoolExecutor(len(self.everybody)) as pool:
            stop = threading.Event()
            list(pool.map(lambda writer: writer.write(self.door, stop, limit=times), self.everybody))

    def settled(self) -> None:
        """Wait until everything that was written is ranked."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.door.send("GET", "/v1/ranking-progress").json().get("complete"):
            if time.monotonic() > deadline:
                raise TimeoutError("The lists are not complete.")
            time.sleep(0.1)

    @property
    def accepted(self) -> int:
        return sum(len(writer.accepted) for writer in self.everybody)

    def stop(self) -> None:
        self.deployment.processes[EVERYTHING].stop()

    def start(self, **how: Any) -> None:
        self.deployment.start(EVERYTHING, **how)
        self.deployment.ready()

    def verdict(self, *, dense: bool = True, letters: int = 0) -> list[str]:
        """What the oracle finds wrong; so many letters are expected."""
        found = judged(
            self.folder,
            self.deployment,
            self.everybody,
            patience=PATIENCE_SECONDS,
            dense=dense,
            letters=letters,
        )
        return list(found["findings"])


def other_logs(scene: Scene) -> Findings:
    """Under stored positions another log: the process must stop with a sentence, and with the right one go on.

    For each check that stops it there is a log that only this check tells from the right one, and a mutant without it.
    """
    with scene.sqlite() as town:
        town.write(3)
        town.settled()
        town.stop()
        early = shutil.copytree(town.data, scene.folder / "early")
        town.start()
        town.write(4)
        town.settled()
        town.stop()
        kept = shutil.copytree(town.data, scene.folder / "kept")
        logs: tuple[tuple[str, Callable[[], object], str | None], ...] = (
            ("the log was replaced by a new one", lambda: remove_log(town.data), None),
            ("the log was cut", lambda: swap_log(town.data, early), "end-of-log-not-compared"),
            ("the log was cut and grew again", lambda: regrow(town.data, early), "last-event-not-compared"),
            ("the log is a copy of another", lambda: rename(town.data), "log-identity-not-compared"),
        )
        found: Findings = {}
        for name, meddle, mutant in logs:
            meddle()
            found[name] = stops_loudly(town)
            put_back(town.data, kept)
            if mutant is not None and scene.mutants:
                meddle()
                found[f"catches {mutant}"] = [] if goes_on(town, mutant) else [f"{mutant} is not noticed"]
                put_back(town.data, kept)
        town.start()
        town.write(1)
        return found | {"the right log back": town.verdict()}


def stops_loudly(town: Town) -> list[str]:
    """Start on a log that is not the one of the positions: the process must end with a sentence."""
    town.deployment.start(EVERYTHING)
    process = town.deployment.processes[EVERYTHING]
    try:
        code = process.wait(PATIENCE_SECONDS)
    except DidNotStartError:
        process.kill()
        return ["it went on, on a log that is not the one that it has read"]
    said = process.output()
    faults = [] if code == 1 else [f"it ended with {code} instead of 1"]
    if "The log was replaced" not in said and "The log was cut" not in said:
        faults.append(f"it did not say what is wrong: {said[-300:]}")
    return faults


def goes_on(town: Town, mutant: str) -> bool:
    """Start on such a log with a mutant; whether the process is still there a while after it began to answer."""
    town.deployment.start(EVERYTHING, mutant=mutant)
    process = town.deployment.processes[EVERYTHING]
    with suppress(DidNotStartError):
        process.said("answers at")
        process.wait(MUTANT_SECONDS)
    went_on = process.running
    process.kill()
    return went_on


def remove_log(data: Path) -> None:
    for path in data.glob("log.db*"):
        path.unlink()


def swap_log(data: Path, other: Path) -> None:
    remove_log(data)
    for path in other.glob("log.db*"):
        shutil.copy(path, data / path.name)


def put_back(data: Path, kept: Path) -> None:
    shutil.rmtree(data)
    shutil.copytree(kept, data)


def regrow(data: Path, early: Path) -> None:
    """Let the log be the early one which has grown to the same ends with other events."""
    with closing(sqlite3.connect(data / "log.db")) as log, log:
        log.execute("ATTACH ? AS early", (str(early / "log.db"),))
        later = log.execute(
            'SELECT topic, partition, "offset", headers FROM log_record AS record WHERE "offset" >= (SELECT '
            "next_offset FROM early.log_partition AS held "
            "WHERE held.topic = record.topic AND held.partition = record.partition)"
        ).fetchall()
        for *place, headers in later:
            other = uuid.uuid4().hex
            log.execute(
                "UPDATE log_record SET event_id = ?, headers = ? "
                'WHERE topic = ? AND partition = ? AND "offset" = ?',
                (other, changed(json.loads(headers), "ce_id", other), *place),
            )


def rename(data: Path) -> None:
    """Let the log have every record where it was, under an identity of its own."""
    with closing(sqlite3.connect(data / "log.db")) as log, log:
        log.execute("UPDATE log_identity SET log = ?", (uuid.uuid4().hex,))


def strange_records(scene: Scene) -> Findings:
    """Records of a type, a version or a shape that no reader takes, a large one among them, and one older than what is known."""
    with scene.sqlite() as town:
        town.write(3)
        town.settled()
        town.stop()
        with closing(sqlite3.connect(town.data / "log.db")) as log, log:
            example = log.execute(
                "SELECT headers, value, key FROM log_record WHERE topic = 'members.v1' AND value IS NOT NULL LIMIT 1"
            ).fetchone()
            for partition, (headers, value) in enumerate(strange(example)):
                append(log, partition, headers, value)
            append(log, 7, example[0], example[1], key=example[2])  # older than known: the same again
        # Its owner starts on nothing that it has not said, unless something of its own stands behind it.
        with closing(sqlite3.connect(town.data / "members.db")) as members, members:
            members.execute("UPDATE positions SET next_offset = next_offset + 10 WHERE group_name = 'outbox'")
        town.start()
        town.write(2)
        faults = town.verdict(dense=False, letters=5)
        asked = town.door.send("GET", "/v1/dead-letters/matches?limit=50").json()["items"]
        places = {(one["topic"], one["partition"]) for one in asked}
        if len(places) != 5:
            faults.append(f"5 dead letters with their coordinates were expected: {asked}")
        return {"records that nobody takes": faults}


def strange(example: tuple[bytes, bytes, str]) -> Iterator[tuple[bytes, bytes]]:
    """Yield headers and values that differ from an example in one thing each."""
    headers = json.loads(example[0])
    kind = next(said for key, said in headers if key == "ce_type")
    yield changed(headers, "ce_type", kind.replace("revised", "sponsored")), example[1]  # unknown type
    yield changed(headers, "ce_type", kind.replace(".v1", ".v9")), example[1]  # unknown version
    yield example[0], b'{"id": 7}'  # broken schema
    yield example[0], json.dumps({"padding": "x" * 2_000_000}).encode()  # broken too, and large
    yield b"[]", b"\\x00 no event at all"


def changed(headers: list[list[str]], name: str, value: str) -> bytes:
    """Return headers as the log stores them, with another value of one."""
    return json.dumps([[key, value if key == name else said] for key, said in headers]).encode()


def append(
    log: sqlite3.Connection, partition: int, headers: bytes, value: bytes, *, key: str | None = None
) -> None:
    """Append past the outbox and the relay, as nobody but a drill does."""
    at = ("members.v1", partition)
    (offset,) = log.execute(
        "SELECT next_offset FROM log_partition WHERE topic = ? AND partition = ?", at
    ).fetchone()
    log.execute(
        'INSERT INTO log_record (topic, partition, "offset", event_id, key, headers, value, appended_at) '
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (*at, offset, uuid.uuid4().hex, key or str(uuid.uuid4()), headers, value, time.time_ns() // 1_000),
    )
    log.execute(
        "UPDATE log_partition SET next_offset = next_offset + 1 WHERE topic = ? AND partition = ?", at
    )


def raising_handler(scene: Scene) -> Findings:
    """The archive raises on one key; the others flow. Mended, and replayed, it is as if nothing had been."""
    with scene.sqlite() as town:
        town.write(2)
        town.settled()
        victim = next(entry["id"] for entry in town.everybody[0].accepted if entry["kind"] == "projects")
        town.stop()
        town.start(raises=victim)
        town.write(10)
        deadline = time.monotonic() + 60
        letters: list[Any] = []
        while not letters and time.monotonic() < deadline:
            letters = town.door.send("GET", "/v1/dead-letters/matches?limit=200").json()["items"]
            time.sleep(0.1)
        faults = [] if letters else ["nothing was set aside"]
        faults += [f"{one['key']} was set aside too" for one in letters if one["key"] != victim]
        town.stop()
        town.start()
        answer = town.door.send(
            "POST",
            f"/v1/dead-letters/matches/{letters[0]['id']}/replay",
            headers={"Idempotency-Key": uuid.uuid4().hex},
        )
        if answer.status_code not in {200, 201, 204}:
            faults.append(f"the replay answers {answer.status_code} {answer.text[:300]}")
        return {"a handler that raises on one key": faults + town.verdict()}


def jumping_clocks(scene: Scene) -> Findings:
    """The clock is two days ahead after a restart, then a day behind: neither the log's nor the services' order minds."""
    with scene.sqlite() as town:
        days = []
        for ahead in (0, 2 * 86_400, -86_400):
            if ahead:
                town.stop()
                town.start(clock=ahead)
            town.write(2)
            town.settled()
            days.append(town.door.send("GET", "/v1/ranking-progress").json()["day"])
        faults = [] if days == sorted(days) else [f"the reference date went back: {days}"]
        return {"clocks that jump": faults + town.verdict()}


def servers(scene: Scene) -> Findings:
    """The broker is away at the start; under load the broker, then the database is: what was accepted is there afterwards."""
    found: Findings = {}
    with ExitStack() as stack:
        one = stack.enter_context(Split(scene.starter, scene.folder))
        one.prepare()
        one.kill(BROKER)
        for name in one.coded:
            one.start(name)
        time.sleep(5)
        one.start(BROKER)
        one.ready()  # processes come up when it does, as a supervisor restarts them
        door = stack.enter_context(Door(one.addresses, one.secret))
        town = Town(deployment=one, door=door, everybody=writers(scene.seed), folder=scene.folder)
        town.write(2)
        found["the broker down at the start"] = town.verdict(dense=False)
        for part in (BROKER, DATABASE):
            meanwhile = outage(town, part, scene.down_seconds)
            faults = town.verdict(dense=False)
            if part == BROKER and meanwhile < 20:
                faults.append(f"only {meanwhile} writes were accepted while the broker was away")
            found[f"the {part} down under load"] = faults
    return found


def outage(town: Town, part: str, seconds: float) -> int:
    """Take a server away while clients write; how many writes were accepted meanwhile."""
    one, stop = town.deployment, threading.Event()
    with ThreadPoolExecutor(len(town.everybody)) as pool:
        writing = [pool.submit(writer.write, town.door, stop) for writer in town.everybody]
        try:
            time.sleep(1)
            before = town.accepted
            one.kill(part)
            time.sleep(seconds)
            meanwhile = town.accepted - before
            one.start(part)
            time.sleep(1)
        finally:
            stop.set()
        for each in writing:
            each.result()
    one.ready()
    for writer in town.everybody:
        writer.write(town.door, stop)  # only what is still unanswered
    return meanwhile


FAULTS: dict[str, Callable[[Scene], Findings]] = {
    "other-logs": other_logs,
    "strange-records": strange_records,
    "raising-handler": raising_handler,
    "jumping-clocks": jumping_clocks,
    "servers": servers,
}


def main() -> None:
    """Let every fault happen, prove that a mutant of each stop is noticed, and print what was found."""
    options = parser(__doc__, rounds=1, meaning="times that every fault happens")
    options.add_argument("--only", nargs="+", choices=FAULTS, default=list(FAULTS), help="these faults alone")
    options.add_argument("--down-seconds", type=float, default=DOWN_SECONDS, help="how long a server is away")
    options.add_argument(
        "--no-mutants", action="store_true", help="without the proof that the drill finds faults"
    )
    given = options.parse_args()
    begun = time.monotonic()
    faults: Findings = {}
    with Starter() as starter, tempfile.TemporaryDirectory(prefix="comity-faults-") as folder:
        for number in range(given.rounds):
            for name in given.only:
                scene = Scene(
                    starter=starter,
                    folder=Path(folder) / f"{name} {number}",
                    seed=random.Random(f"{given.seed} {number} {name}").randrange(1_000_000),
                    mutants=not given.no_mutants,
                    down_seconds=given.down_seconds,
                )
                for sentence, found in happened(name, scene).items():
                    faults.setdefault(sentence, []).extend(found)
    figures = {
        "rounds": given.rounds,
        "seed": given.seed,
        "down_seconds": given.down_seconds,
        "faults": {name: found[:5] for name, found in faults.items() if found},
        "seconds": round(time.monotonic() - begun, 1),
    }
    passed = {name: not found for name, found in faults.items()}
    report(Drill(name="faults", passed=passed, figures=figures), as_json=given.json)


def happened(name: str, scene: Scene) -> Findings:
    """Let one fault happen; whatever breaks the drill itself is a finding."""
    try:
        return FAULTS[name](scene)
    except Exception:  # noqa: BLE001 - said in the report, and the next fault happens
        return {name: [f"the drill could not go on: {traceback.format_exc()[-1_500:]}"]}


if __name__ == "__main__":
    main()
