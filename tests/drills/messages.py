"""The messages drill: killed at any moment, every subscriber is told once, and the log explains each repeat (promise 9).

By hand: `python -m tests.drills.messages --rounds 300 --seed 1 --deployment sqlite --json`. Organisations subscribe by webhook
and by mail, clients write, and signed examples are asked for while what sends is killed with SIGKILL and started again: the
one process of the SQLite deployment, or in the split one either of two workers of notifications, or both. The receivers are the
drill's own: they check each signature with the Standard Webhooks library, are slow at times so that a kill meets messages
under way, and keep what came whole; so does a mail server. At the end what they got is held against the delivery log
and the lists, over HTTP. What was interrupted so often that its next try is minutes away is recovered as its subscriber would have it. Before that the drill proves its worth: with each mutant of the sending switched on it has to find the fault.
"""

import json
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import httpx2
from standardwebhooks import Webhook, WebhookVerificationError

from services.console.hearing import LOOPBACK
from services.console.split import PROCESSES, Process
from tests.drills.deployments import Deployment, Split, Sqlite
from tests.drills.judging import judged
from tests.drills.mailbox import Mailbox, taking
from tests.drills.processes import Starter
from tests.drills.reporting import Drill, parser, report
from tests.drills.writing import UNANSWERED, Door, NotAnsweredError, Writer, writers
from tests.mutants.catalogue import MUTANTS

SENDERS = ("notifications-worker-1", "notifications-worker-2")
SPLIT = (
    *(one for one in PROCESSES if one.service != "notifications"),
    Process(name="notifications-api", service="notifications", role="api"),
    *(Process(name=name, service="notifications", role="worker") for name in SENDERS),
)
"""The split deployment with two workers of notifications: what one leaves, the other takes over."""
VICTIMS: Mapping[str, Sequence[tuple[str, ...]]] = {
    "sqlite": [("everything",)],
    "split": [(SENDERS[0],), (SENDERS[1],), SENDERS],
}
EXAMPLES = 4  # asked for in a round
SLOWEST_ANSWER = 0.08
LONGEST_MOMENT = 0.6
MUTANT_ROUNDS = 6
ENDED_SECONDS = 240.0
CLAIMED_SECONDS = 120.0  # a claim of a killed process runs out after 90
RESTING_SECONDS = 3.0
MATCH = "org.comity.match."
SAY_IT_STANDS = {"org.comity.match.proposed.v1", "org.comity.match.rescored.v1"}
"""Types of messages that are not sent, or not tried again, once their pair has fallen; that it fell is always told."""
ENDED = {"delivered", "exhausted", "cancelled", "unconfirmed"}
SETTINGS = {
    "COMITY_HTTP__REQUESTS_PER_MINUTE": "0",
    "COMITY_NOTIFICATIONS__ALLOW_HTTP": str(LOOPBACK["allow_http"]),
    "COMITY_NOTIFICATIONS__PORTS": str(LOOPBACK["ports"]),
    "COMITY_NOTIFICATIONS__ALLOWED_NETWORKS": str(LOOPBACK["allowed_networks"]),
    "COMITY_NOTIFICATIONS__PUBLIC_ADDRESSES": str(LOOPBACK["public_addresses"]),
}


@dataclass(kw_only=True)
class Subscriber:
    """An organisation that is told by webhook and by mail, with its editor's door."""

    organisation: str
    email: str
    door: Door
    endpoint: str = ""
    secret: str = ""
    heard: list[dict[str, Any]] = field(default_factory=list)  # events that came whole and signed, in order
    forged: int = 0  # came whole, with a signature that is wrong
    examples: set[str] = field(default_factory=set)  # messages whose making was acknowledged
    unanswered: list[str] = field(default_factory=list)  # idempotency keys of asks that nobody answered
    gone: list[str] = field(default_factory=list)  # ... of those for whom there was no endpoint: it is erased
    known: threading.Event = field(
        default_factory=threading.Event
    )  # the secret is: a ping may come before it

    def take(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Keep a message that came whole."""
        self.known.wait(10)
        try:
            event = Webhook(self.secret).verify(body, dict(headers))
            self.heard.append(event | {"webhook-id": headers["webhook-id"]})
        except (WebhookVerificationError, ValueError):
            self.forged += 1

    def ask(self, key: str) -> None:
        """Ask for a signed example; who gets no answer asks again under the same key."""
        self.unanswered.append(key)
        for one in tuple(self.unanswered):
            with suppress(httpx2.HTTPError, NotAnsweredError):
                headers = {"Idempotency-Key": one}
                answer = self.door.send("POST", f"/v1/endpoints/{self.endpoint}/test", headers)
                if answer.status_code == 202:
                    self.examples.add(answer.json()["id"])
                    self.unanswered.remove(one)
                elif answer.status_code in {404, 410}:
                    self.unanswered.remove(one)
                    self.gone.append(one)
                elif answer.status_code not in {*UNANSWERED, 409}:
                    raise RuntimeError(f"An example was refused: {answer.status_code} {answer.text[:300]}")


@contextmanager
def receiving(subscribers: Mapping[str, Subscriber], chance: random.Random) -> Iterator[str]:
    """Receive for all of them; the base address, to which an organisation's id is added."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            body = self.rfile.read(length)
            if len(body) < length:
                return  # its sender was killed meanwhile
            subscribers[self.path.rpartition("/")[2]].take(body, dict(self.headers.items()))
            time.sleep(chance.choice((0.0, SLOWEST_ANSWER)) * chance.random())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_said: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_of: Any) -> None:
            """Who asked is gone: it was killed."""

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def subscribe(admin: Door, subscriber: Subscriber, address: str, mailbox: Mailbox) -> None:
    """Give an organisation an editor, a verified endpoint, and subscriptions to everything: by webhook, and by mail at once."""
    client = {"name": "Drill", "roles": ["organisation_editor"], "organisation": subscriber.organisation}
    made = _done(admin, "POST", "/v1/clients", client)
    subscriber.door = Door(admin.addresses, (made["id"], made["secret"]))
    found = _done(subscriber.door, "POST", "/v1/endpoints", {"url": f"{address}/{subscriber.organisation}"})
    subscriber.endpoint, subscriber.secret = found["id"], found["secret"]
    subscriber.known.set()
    deadline = time.monotonic() + ENDED_SECONDS
    while _read(subscriber.door, f"/v1/endpoints/{subscriber.endpoint}")["state"] != "active":
        if time.monotonic() > deadline:
            raise RuntimeError(f"The endpoint of {subscriber.organisation} is not verified.")
        time.sleep(0.05)
    wanted = {"channel": "webhook", "endpoint": subscriber.endpoint, "opt_in": True}
    path = f"/v1/subscriptions/{uuid5(NAMESPACE_URL, subscriber.organisation)}"
    _done(subscriber.door, "PUT", path, wanted)
    mails = {
        "channel": "email",
        "email": subscriber.email,
        "cadence": "instant",
        "weekly_cap": 100,
        "opt_in": True,
    }
    _done(
        subscriber.door,
        "PUT",
        f"/v1/subscriptions/{uuid5(NAMESPACE_URL, subscriber.email)}",
        mails,
    )
    _done(admin, "POST", mailbox.link_to(subscriber.email, seconds=ENDED_SECONDS), {})


def _done(door: Door, method: str, path: str, body: Mapping[str, Any]) -> Any:
    answer = door.send(method, path, {"Content-Type": "application/json"}, json.dumps(body))
    if answer.status_code not in {200, 201}:
        raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
    return answer.json()


def _read(door: Door, path: str) -> Any:
    answer = door.send("GET", path)
    if answer.status_code != 200:
        raise RuntimeError(f"GET {path}: {answer.status_code} {answer.text[:300]}")
    return answer.json()


def _all(door: Door, path: str, name: str = "items") -> list[dict[str, Any]]:
    """Read every page."""
    found: list[dict[str, Any]] = []
    page = _read(door, f"{path}?limit=200")
    found += page[name]
    while page["next"] is not None:
        page = _read(door, f"{path}?limit=200&cursor={page['next']}")
        found += page[name]
    return found


def killed(
    deployment: Deployment, subscribers: Sequence[Subscriber], rounds: int, chance: random.Random
) -> None:
    """Ask for examples and kill, round after round; everything is up at the end, and nobody waits for an answer."""
    for number in range(rounds):
        for one in chance.sample(subscribers, EXAMPLES):
            one.ask(f"example-{number}-{one.organisation}")
        time.sleep(chance.uniform(0.0, LONGEST_MOMENT))
        victims = chance.choice(VICTIMS[deployment.name])
        for part in victims:
            deployment.kill(part)
        for part in victims:
            deployment.start(part)
        deployment.ready()
    for one in subscribers:
        while one.unanswered:
            one.ask(one.unanswered.pop())


def settled(subscribers: Sequence[Subscriber], *, since: datetime, figures: Counter[str]) -> bool:
    """Wait until every message has ended and no new one comes; whether that came to pass.

    A try that is interrupted for the third time in a row is made up for after five minutes, one for the fourth after thirty: once
    no claim can be left, such messages are recovered.
    """
    begun = resting = time.monotonic()
    deadline, before, recovered = begun + ENDED_SECONDS, -1, False
    while time.monotonic() < deadline:
        log = [one["state"] for each in subscribers for one in _all(each.door, "/v1/deliveries")]
        if not recovered and time.monotonic() - begun > CLAIMED_SECONDS:
            recovered, wanted = True, {"since": f"{since:%Y-%m-%dT%H:%M:%SZ}"}
            for each in subscribers:
                answer = _done(each.door, "POST", f"/v1/endpoints/{each.endpoint}/recover", wanted)
                figures["recovered"] += answer["messages"]
        if len(log) != before or not set(log) <= ENDED:
            before, resting = len(log), time.monotonic()
        elif time.monotonic() - resting > RESTING_SECONDS:
            return True
        time.sleep(0.3)
    return False


def findings_of(one: Subscriber, figures: Counter[str]) -> Iterator[str]:
    """Hold what one subscriber heard against its delivery log; each fault in a sentence."""
    wire = Counter(event["webhook-id"] for event in one.heard)
    every = _all(one.door, "/v1/deliveries")
    log = {row["id"]: row for row in every if row["channel"] == "webhook"}
    figures["messages"] += len(log)
    figures["on the wire"] += wire.total()
    if one.forged:
        yield f"{one.organisation}: {one.forged} messages with a signature that is wrong"
    for stranger in wire.keys() - log.keys():
        yield f"{stranger} came and stands in no log"
    for missing in one.examples - wire.keys():
        yield f"lost: {missing} was acknowledged and never came"
    for name, row in log.items():
        outcomes = Counter(tried["outcome"] for tried in _read(one.door, f"/v1/deliveries/{name}")["tries"])
        figures["interrupted"] += outcomes["interrupted"]
        figures["came again"] += max(0, wire[name] - 1)
        if row["state"] == "cancelled" and row["type"] in SAY_IT_STANDS and not outcomes["delivered"]:
            figures["taken back"] += 1  # the pair fell since: what was told last is held against the lists
            if wire[name] > outcomes.total():
                yield f"unexplained: {name} came {wire[name]} times in {outcomes.total()} tries"
        elif row["state"] != "delivered" or not wire[name]:
            yield f"lost: {name} ({row['type']}) came {wire[name]} times and is {row['state']}"
        elif outcomes["delivered"] != 1 or outcomes.keys() - {"delivered", "interrupted"}:
            yield f"{name} came {wire[name]} times; its tries are {dict(outcomes)}"
        elif wire[name] > outcomes.total():
            yield f"unexplained: {name} came {wire[name]} times in {outcomes.total()} tries"


def mail_findings_of(one: Subscriber, mailbox: Mailbox, figures: Counter[str]) -> Iterator[str]:
    """Hold the mails that came to a subscriber against its delivery log: none came twice, whatever was killed."""
    came = mailbox.to(one.email)
    log = {row["id"]: row["state"] for row in _all(one.door, "/v1/deliveries") if row["channel"] == "email"}
    figures["mails"] += len(log)
    figures["mails that may have come"] += sum(state == "unconfirmed" for state in log.values())
    for name, times in came.items():
        if name not in log:
            yield f"the mail {name} came and stands in no log"
        if times > 1:
            yield f"mailed twice: {name} came {times} times to {one.organisation}"
    for name, state in log.items():
        if (state, came[name]) == ("cancelled", 0):
            figures["mails taken back"] += (
                1  # opened before it left: what of it still holds is in a later one
            )
        elif (state, came[name]) not in {("delivered", 1), ("unconfirmed", 0), ("unconfirmed", 1)}:
            yield f"the mail {name} came {came[name]} times and is {state}"


def told_twice(one: Subscriber) -> Iterator[str]:
    """Name the news that came under more than one id."""
    told: dict[tuple[Any, ...], set[str]] = {}
    for event in one.heard:
        if event["type"].startswith(MATCH):
            news = (event["type"], event["data"]["project"], event["data"]["list_version"])
            told.setdefault(news, set()).add(event["webhook-id"])
    for news, ids in told.items():
        if len(ids) > 1:
            yield f"told twice: {one.organisation} of {news} as {sorted(ids)}"


def told_of(one: Subscriber) -> set[str]:
    """Return the projects above whose floor a subscriber has last been told that it stands."""
    standing: dict[str, tuple[int, bool]] = {}
    for event in one.heard:
        kind, data = event["type"], event["data"]
        if kind.startswith(MATCH):
            known = standing.get(data["project"], (-1, False))
            standing[data["project"]] = max(known, (data["list_version"], ".withdrawn." not in kind))
    return {project for project, (_, above) in standing.items() if above}


def above_floor(admin: Door) -> dict[str, set[str]]:
    """Return the projects above whose floor each organisation stands, as the lists say."""
    found: dict[str, set[str]] = {}
    for project in _all(admin, "/v1/projects"):
        if project["state"] == "published":
            for row in _all(admin, f"/v1/lists/{project['id']}/candidates", "candidates"):
                if row["above_floor"]:
                    found.setdefault(row["organisation"], set()).add(project["id"])
    return found


def drill(
    starter: Starter, folder: Path, *, deployment: str, rounds: int, seed: int, mutant: str | None = None
) -> dict[str, Any]:
    """Run the drill; its findings and figures."""
    chance, begun, since = random.Random(seed), time.monotonic(), datetime.now(UTC)
    with ExitStack() as stack:
        mailbox = stack.enter_context(taking(seed))
        settings = SETTINGS | mailbox.settings
        one: Deployment = (
            Sqlite(starter, folder / "town", mutant=mutant, settings=settings)
            if deployment == "sqlite"
            else Split(starter, folder / "town", mutant=mutant, settings=settings, roles=SPLIT)
        )
        stack.enter_context(one)
        one.prepare()
        for part in one.coded:
            one.start(part)
        one.ready()
        admin = stack.enter_context(Door(one.addresses, one.secret))
        everybody = writers(seed)
        for writer in everybody:
            writer.register(admin)
        names = sorted({entry["id"] for writer in everybody for entry in writer.accepted})
        subscribers = {
            name: Subscriber(organisation=name, email=f"desk-{number}@drill.example", door=admin)
            for number, name in enumerate(names)
        }
        address = stack.enter_context(receiving(subscribers, random.Random(seed)))
        for each in subscribers.values():
            subscribe(admin, each, address, mailbox)
            stack.enter_context(each.door)
        for writer in everybody:
            writer.publish(admin)
        stop = threading.Event()
        with ThreadPoolExecutor(len(everybody)) as pool:
            writing = [pool.submit(writer.write, admin, stop) for writer in everybody]
            try:
                killed(one, list(subscribers.values()), rounds, chance)
            finally:
                stop.set()
            for each_writing in writing:
                each_writing.result()
        for writer in everybody:
            writer.write(admin, stop)  # only what is still unanswered
        return _verdict(folder, one, everybody, subscribers, admin, mailbox, since) | {
            "deployment": deployment,
            "rounds": rounds,
            "seed": seed,
            "seconds": round(time.monotonic() - begun, 1),
        }


def _verdict(
    folder: Path,
    deployment: Deployment,
    everybody: Sequence[Writer],
    subscribers: Mapping[str, Subscriber],
    admin: Door,
    mailbox: Mailbox,
    since: datetime,
) -> dict[str, Any]:
    verdict = judged(folder, deployment, everybody)
    erased = {entry["id"] for writer in everybody for entry in writer.accepted if entry["verb"] == "erase"}
    living = [one for name, one in subscribers.items() if name not in erased]
    findings = list(verdict["findings"])
    figures: Counter[str] = Counter()
    if not settled(living, since=since, figures=figures):
        findings.append(f"after {ENDED_SECONDS:.0f} s there are messages that have not ended")
    for one in living:
        findings += [*findings_of(one, figures), *told_twice(one), *mail_findings_of(one, mailbox, figures)]
        findings += [f"its endpoint was not there: {one.organisation}, asked as {key}" for key in one.gone]
    above = above_floor(admin)
    for one in living:
        told, standing = told_of(one), above.get(one.organisation, set())
        figures["standings told"] += len(told)
        findings += [f"not told: {one.organisation} of {project}" for project in standing - told]
        findings += [f"told and below: {one.organisation} of {project}" for project in told - standing]
    return {"accepted": verdict["accepted"], "figures": dict(figures), "findings": findings[:20]}


def main() -> None:
    """Prove that the drill finds faults, run it, and print what it found."""
    options = parser(__doc__, rounds=10)
    options.add_argument("--deployment", choices=sorted(VICTIMS), default="sqlite")
    options.add_argument(
        "--no-mutants", action="store_true", help="do not prove the drill with mutants first"
    )
    given = options.parse_args()
    drilled = [] if given.no_mutants else [n for n, one in MUTANTS.items() if "messages" in one.drills]
    with Starter() as starter, tempfile.TemporaryDirectory(prefix="comity-messages-") as name:
        caught = {}
        for mutant in drilled:
            folder = Path(name) / mutant
            folder.mkdir()
            found = drill(
                starter, folder, deployment="sqlite", rounds=MUTANT_ROUNDS, seed=given.seed, mutant=mutant
            )
            caught[mutant] = next(iter(found["findings"]), None)
        verdict = drill(
            starter, Path(name), deployment=given.deployment, rounds=given.rounds, seed=given.seed
        )
    found = verdict["findings"]
    passed = {
        "catches the mutants": None not in caught.values(),
        "no message lost, forged, unexplained or told twice, no mail come twice": not found,
        "the kills met messages under way": verdict["figures"]["interrupted"] > 0,
    }
    report(Drill(name="messages", passed=passed, figures=verdict | {"mutants": caught}), as_json=given.json)


if __name__ == "__main__":
    main()
