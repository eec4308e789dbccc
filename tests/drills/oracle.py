"""The judge of the kill drill, a process of its own: `python oracle.py ORDER`, which speaks only HTTP.

It shares no code with the product, nor with the drill: standard library, a ledger of accepted writes, addresses and a
client's secret. It asks the system that was killed what it holds, makes the same accepted writes in a clean one, and
compares what a reader can see. It prints one JSON object. It must not look into a database or a log.

- **lost**: an accepted revision that does not stand, is not archived, or is not in the lists; a list that stays
  incomplete; a list version that is missing between two others.
- **doubled**: a revision that nobody's accepted write made, an organisation twice on a list, two list versions that say
  the same, a head that its deltas do not lead to, an entry of the feed that says no more than one before it of its
  subject, or (where the log is dense) a record that was appended twice.
"""

import hashlib
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

TOPICS = {"organisations": "members.v1", "projects": "projects.v1"}
ROW = (
    "rank",
    "organisation",
    "revision",
    "points",
    "components",
    "fit",
    "band",
    "above_floor",
    "labels",
    "steps",
)
HEAD = 50
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class System:
    """One Comity, over HTTP."""

    def __init__(self, addresses: dict[str, str], secret: list[str]) -> None:
        self.addresses = addresses
        self.secret = secret
        self.token = "none"

    def ask(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, body: str | None = None
    ) -> Any:
        """Return (status, headers, JSON)."""
        for _ in range(2):
            sent = {"Authorization": f"Bearer {self.token}"} | (headers or {})
            status, got, answer = self._once(method, path, sent, body)
            if status != 401:
                break
            self._take_token()
        return status, got, answer

    def get(self, path: str) -> Any:
        status, _, answer = self.ask("GET", path)
        if status != 200:
            raise SystemExit(f"GET {path}: {status} {answer}")
        return answer

    def pages(self, path: str) -> Iterator[Any]:
        """Follow the links to the next page to the end."""
        following: str | None = path
        while following:
            status, headers, answer = self.ask("GET", following)
            if status != 200:
                raise SystemExit(f"GET {following}: {status} {answer}")
            yield answer
            links = [part.strip() for part in (headers.get("Link") or "").split(",")]
            following = next((one[1 : one.index(">")] for one in links if 'rel="next"' in one), None)

    def _take_token(self) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.secret[0],
            "client_secret": self.secret[1],
        }
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        status, _, answer = self._once("POST", "/v1/tokens", kind, urllib.parse.urlencode(form))
        if status != 200:
            raise SystemExit(f"no token: {status} {answer}")
        self.token = answer["access_token"]

    def _once(self, method: str, path: str, headers: dict[str, str], body: str | None) -> Any:
        prefix = max((known for known in self.addresses if path.startswith(known)), key=len)
        request = urllib.request.Request(  # noqa: S310 - an address of ours
            self.addresses[prefix] + path,
            method=method,
            headers=headers,
            data=None if body is None else body.encode(),
        )
        try:
            with NO_PROXY.open(request, timeout=60) as answer:
                return answer.status, answer.headers, _json(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, error.headers, _json(error.read())


def _json(content: bytes) -> Any:
    return json.loads(content) if content else None


class Verdict:
    """What was found, with a sentence for each finding."""

    def __init__(self) -> None:
        self.lost: list[str] = []
        self.doubled: list[str] = []


def judge_revisions(system: System, ledger: list[dict[str, Any]], verdict: Verdict) -> None:
    """Compare every resource's history with its accepted writes."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda writes: _judge_resource(system, writes, verdict), by_resource(ledger).values()))


def _judge_resource(system: System, writes: list[dict[str, Any]], verdict: Verdict) -> None:
    name = f"/v1/{writes[0]['kind']}/{writes[0]['id']}"
    if writes[-1]["verb"] == "erase":
        status, _, _ = system.ask("GET", name)
        if status not in {404, 410}:
            verdict.lost.append(f"the erasure of {name}: it answers {status}")
        return
    found: dict[int, int] = defaultdict(int)
    for page in system.pages(f"{name}/revisions?limit=200"):
        for item in page["items"]:
            found[item["revision"]] += 1
    wanted = [write["expected"] for write in writes]
    verdict.lost += [f"revision {number} of {name}" for number in wanted if not found[number]]
    verdict.doubled += [
        f"revision {number} of {name}" for number in found if found[number] > wanted.count(number)
    ]
    for write in writes:
        if write["mark"] and found[write["expected"]]:
            text = json.dumps(system.get(f"{name}/revisions/{write['expected']}"), ensure_ascii=False)
            if write["mark"] not in text:
                verdict.lost.append(f"what revision {write['expected']} of {name} said")


def await_lists(system: System, ledger: list[dict[str, Any]], patience: float) -> str | None:
    """Wait until every list covers every accepted write; a sentence if that does not come, and nothing moves any more."""
    newest = [writes[-1]["token"] for writes in by_resource(ledger).values()]
    body = json.dumps({"tokens": newest})
    kind = {"Content-Type": "application/json"}
    deadline, seen = time.monotonic() + patience, None
    while True:
        status, _, answer = system.ask("POST", "/v1/ranking-progress", headers=kind, body=body)
        if status == 200 and answer["complete"]:
            return None
        if answer != seen:  # it is slow, not stuck
            deadline, seen = time.monotonic() + patience, answer
        if time.monotonic() > deadline:
            return f"the lists are not complete, and nothing has moved for {patience:.0f} s: {answer}"
        time.sleep(0.2)


def judge_lists(system: System, ledger: list[dict[str, Any]], verdict: Verdict) -> dict[str, Any]:
    """Read every open project's list to its end; returns what a reader sees of it."""
    newest = {resource: writes[-1] for resource, writes in by_resource(ledger).items()}
    alive = {
        key[1]: write["expected"]
        for key, write in newest.items()
        if key[0] == "organisations" and write["verb"] != "erase"
    }
    published = sorted({write["id"] for write in ledger if write["verb"] == "publish"})
    lists = {}
    for project in published:
        lists[project] = seen = _read_list(system, project)
        if seen["inputs"]["project_revision"] != newest["projects", project]["expected"]:
            verdict.lost.append(f"the newest revision of project {project} in its list")
        rows: dict[str, int] = defaultdict(int)
        for row in seen["rows"]:
            rows[row["organisation"]] += 1
            if alive.get(row["organisation"]) != row["revision"]:
                verdict.lost.append(f"the newest revision of {row['organisation']} on {project}")
        verdict.doubled += [f"{one} on the list of {project}" for one, times in rows.items() if times > 1]
        left_out = seen["counts"].get("excluded", 0)
        if len(rows) + left_out != len(alive):
            verdict.lost.append(f"{len(alive) - left_out - len(rows)} organisations on the list of {project}")
    return lists


def _read_list(system: System, project: str) -> dict[str, Any]:
    first: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    for page in system.pages(f"/v1/lists/{project}/candidates?limit=200"):
        first = first or page
        rows += [{name: row[name] for name in ROW} for row in page["candidates"]]
    return {
        "inputs": {name: first[name] for name in ("project", "project_revision", "epoch", "reference_date")},
        "counts": first["counts"],
        "rows": rows,
    }


def judge_versions(system: System, projects: list[str], verdict: Verdict) -> int:
    """Follow the versions of each list from the first to the last; how many there are."""
    total = 0
    for project in projects:
        lines = [
            line for page in system.pages(f"/v1/lists/{project}/versions?limit=200") for line in page["items"]
        ]
        numbers = sorted(line["number"] for line in lines)
        total += len(numbers)
        if numbers != list(range(1, len(numbers) + 1)):
            verdict.lost.append(
                f"versions of the list of {project}: there are {numbers[:3]} to {numbers[-1]}"
            )
            continue
        before: list[str] = []
        said = None
        for number in numbers:
            version = system.get(f"/v1/lists/{project}/versions/{number}")
            head = [row["organisation"] for row in version["head"]]
            delta = version["delta"]
            came = {one["organisation"] if isinstance(one, dict) else one for one in delta["added"]}
            left = {one["organisation"] if isinstance(one, dict) else one for one in delta["removed"]}
            if set(head) != (set(before) - left) | came:
                verdict.doubled.append(f"version {number} of {project} does not follow from the one before")
            says = (version["digest"], version["project_revision"], version["epoch"], head)
            if says == said:
                verdict.doubled.append(f"version {number} of {project} says what the one before says")
            before, said = head, says
    return total


def judge_feed(system: System, verdict: Verdict) -> None:
    """Read the feed from its beginning; of each subject the sequences rise."""
    newest: dict[str, str] = {}
    path = "/v1/feeds/matches"
    while entries := system.get(path):
        for entry in entries:
            if entry["sequence"] <= newest.get(entry["subject"], ""):
                verdict.doubled.append(f"the feed's entry {entry['sequence']} of {entry['subject']}")
            newest[entry["subject"]] = entry["sequence"]
        path = f"/v1/feeds/matches?lastEventId={entries[-1]['id']}"


def judge_log(system: System, ledger: list[dict[str, Any]], verdict: Verdict) -> None:
    """Count what was appended to a dense log, as the lists' own positions tell."""
    project = next(write["id"] for write in ledger if write["verb"] == "publish")
    reached = system.get(f"/v1/lists/{project}/candidates?limit=1")["as_of"]
    ends: dict[str, int] = defaultdict(int)
    for place in reached:
        ends[place["topic"]] += place["offset"]
    for kind, topic in TOPICS.items():
        written = sum(write["kind"] == kind for write in ledger)
        if ends[topic] > written:
            verdict.doubled.append(f"{ends[topic] - written} records of {topic}")
        elif ends[topic] < written:
            verdict.lost.append(f"{written - ends[topic]} records of {topic}")


def judge_letters(system: System, verdict: Verdict, planted: int) -> None:
    """Nothing may have been set aside but what the drill has planted."""
    letters = [one for page in system.pages("/v1/dead-letters/matches") for one in page["items"]]
    if len(letters) != planted:
        verdict.lost += [f"a record that was set aside: {one['reason']}" for one in letters] or [
            "a dead letter"
        ]


def make_again(system: System, ledger: list[dict[str, Any]]) -> None:
    """Make the accepted writes where nothing is killed: resource by resource, organisations before projects."""

    def make(writes: list[dict[str, Any]]) -> None:
        for write in writes:
            status, _, answer = system.ask(
                write["method"], write["path"], headers=write["headers"], body=write["body"]
            )
            if status not in {200, 201, 204}:
                raise SystemExit(f"the clean run refuses {write['path']}: {status} {answer}")

    groups = by_resource(ledger)
    for kind in TOPICS:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(make, [writes for key, writes in groups.items() if key[0] == kind]))


def by_resource(ledger: list[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the writes of each resource in the order of their revisions."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for write in sorted(ledger, key=lambda one: one["expected"]):
        groups[write["kind"], write["id"]].append(write)
    return groups


def main() -> None:
    """Judge one drill; the order names the ledger, the system that was killed, and a clean one (or none)."""
    order = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    ledger = [json.loads(line) for line in Path(order["ledger"]).read_text("utf-8").splitlines()]
    killed = System(order["killed"]["addresses"], order["killed"]["secret"])
    verdict = Verdict()
    judge_revisions(killed, ledger, verdict)
    late = await_lists(killed, ledger, order["patience"])
    identical: bool | None = None
    versions = 0
    digest: str | None = None
    if late is not None:
        verdict.lost.append(late)
    else:
        lists = judge_lists(killed, ledger, verdict)
        digest = hashlib.sha256(json.dumps(lists, sort_keys=True).encode()).hexdigest()
        versions = judge_versions(killed, sorted(lists), verdict)
        judge_letters(killed, verdict, order["letters"])
        judge_feed(killed, verdict)
        if order["dense"]:
            judge_log(killed, ledger, verdict)
        if order["clean"] is not None:
            clean = System(order["clean"]["addresses"], order["clean"]["secret"])
            make_again(clean, ledger)
            late = await_lists(clean, ledger, order["patience"])
            if late is not None:
                raise SystemExit(f"the clean run: {late}")
            identical = lists == judge_lists(clean, ledger, Verdict())
    print(
        json.dumps(
            {
                "accepted": len(ledger),
                "lost": verdict.lost,
                "doubled": verdict.doubled,
                "lists_identical": identical,
                "versions": versions,
                "lists": digest,
            }
        )
    )


if __name__ == "__main__":
    main()
