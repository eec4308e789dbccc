"""Careful clients: several writers of disjoint resources, who keep a ledger of what was accepted.

A writer that gets no answer asks again with the same If-Match or Idempotency-Key once somebody answers, as any careful
client does, and goes on only when it knows what became of the write. The ledger is all that the oracle is told.
"""

import json
import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Self
from uuid import NAMESPACE_URL, uuid5

import httpx2

from services.console.connection import Connection
from services.console.loading import DEMO_FOLDER, kept_open, records

WRITERS = 4
CANDIDATES = 20
INITIATIVES = 8
PAUSE_SECONDS = 0.03
HIDDEN = {"id", "sources", "_flagship", "flagship", "parent", "external_ids"}
TEXTS = {"organisations": "descriptions", "projects": "objectives"}
UNANSWERED = {502, 503, 504}  # nobody knows what became of it
CONDITION_FAILED = {404, 409, 410, 412, 428}


@dataclass(frozen=True, kw_only=True)
class Write:
    """One write of a resource, which makes its revision `expected`; `mark` is a text that only this revision holds."""

    kind: str
    id: str
    verb: str  # put, publish or erase
    body: Mapping[str, Any] | None
    expected: int
    mark: str = ""

    @property
    def resource(self) -> str:
        return f"/v1/{self.kind}/{self.id}"

    def request(self) -> dict[str, Any]:
        """Return method, path, headers and body as they go over the wire."""
        headers = {"Content-Type": "application/json"}
        if self.expected > 1:
            headers["If-Match"] = f'"{self.expected - 1}"'
        if self.verb == "publish":
            headers["Idempotency-Key"] = f"publish-{self.id}"
        return {
            "method": {"put": "PUT", "publish": "POST", "erase": "DELETE"}[self.verb],
            "path": f"{self.resource}/publish" if self.verb == "publish" else self.resource,
            "headers": headers,
            "body": None if self.body is None else json.dumps(self.body),
        }

    def entry(self, token: Any) -> dict[str, Any]:
        """Return the line of the ledger."""
        return self.request() | {
            "kind": self.kind,
            "id": self.id,
            "verb": self.verb,
            "expected": self.expected,
            "mark": self.mark,
            "token": token,
        }


def life_of(
    kind: str,
    record: Mapping[str, Any],
    others: Sequence[Mapping[str, Any]],
    *,
    seed: int,
    mortal: bool = False,
) -> Iterator[Write]:
    """Every write of a resource: it is made, published if it is a project, revised again and again, at last erased."""
    chance = random.Random(f"{seed} {record['id']}")
    body = {name: value for name, value in record.items() if name not in HIDDEN}
    revisions = count(1)
    key: dict[str, Any] = {"kind": kind, "id": record["id"]}
    yield Write(**key, verb="put", body=body, expected=next(revisions))
    if kind == "projects":
        yield Write(**key, verb="publish", body=None, expected=next(revisions))
    for revision in revisions:
        if mortal and revision > 6:
            yield Write(**key, verb="erase", body=None, expected=revision)
            return
        other = chance.choice(others)[TEXTS[kind]][0]
        mark = f"Edition {revision} of {record['id'][:8]}."
        text = other | {"text": f"{other['text']} {mark}"}
        yield Write(**key, verb="put", body=body | {TEXTS[kind]: [text]}, expected=revision, mark=mark)


@dataclass(kw_only=True)
class Writer:
    """Somebody who writes some resources in turn and never forgets a write that was not answered."""

    organisations: list[Iterator[Write]]
    projects: list[Iterator[Write]]
    drafts: Iterator[Write]
    accepted: list[dict[str, Any]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # answers that no client should ever get
    unanswered: Write | None = None
    repeated: int = 0  # writes that were not answered at first
    _lives: list[Iterator[Write]] = field(default_factory=list)
    _turn: int = 0

    def register(self, door: "Door") -> None:
        """Make the organisations: projects of others need their owners."""
        for life in self.organisations:
            self._write(door, next(life))

    def publish(self, door: "Door") -> None:
        """Make and publish one project; the others come while parts are killed."""
        for _ in range(2):
            self._write(door, next(self.projects[0]))
        self._lives = [*self.projects[1:], *self.organisations, self.projects[0]]

    def draft(self, door: "Door") -> None:
        """Make one more project and leave it a draft: a last event that changes no list, and has to be passed all the same."""
        self._write(door, next(self.drafts))

    def write(self, door: "Door", stop: threading.Event, *, limit: int | None = None) -> None:
        """Write until told to stop, or so many times, whoever is killed meanwhile.

        Ends with nothing unanswered if somebody answers.
        """
        enough = None if limit is None else len(self.accepted) + limit
        while True:
            try:
                if self.unanswered is not None:
                    self._write(door, self.unanswered, again=True)
                    self.repeated += 1
                if stop.is_set() or len(self.accepted) == enough:
                    return
                self._write(door, self._next())
                time.sleep(PAUSE_SECONDS)
            except (httpx2.HTTPError, NotAnsweredError):
                if stop.wait(0.1):
                    return

    def _next(self) -> Write:
        while True:
            self._turn = (self._turn + 1) % len(self._lives)
            following = next(self._lives[self._turn], None)
            if following is not None:
                return following
            del self._lives[self._turn]  # erased; the projects go on for ever

    def _write(self, door: "Door", write: Write, *, again: bool = False) -> None:
        self.unanswered = write
        answer = door.send(**write.request())
        if answer.status_code in UNANSWERED:
            raise NotAnsweredError
        token: Any = None
        if again and answer.status_code in CONDITION_FAILED:
            token = self._recognise(door, write)
        elif answer.status_code not in {200, 201, 204}:
            self.wrong.append(
                f"{write.resource} revision {write.expected}: {answer.status_code} {answer.text[:300]}"
            )
        elif write.verb == "erase":
            token = token_of(write)
        else:
            if answer.headers["ETag"] != f'"{write.expected}"':
                self.wrong.append(
                    f"{write.resource}: {answer.headers['ETag']} instead of revision {write.expected}"
                )
            token = answer.json()["token"]
        self.accepted.append(write.entry(token))
        self.unanswered = None

    def _recognise(self, door: "Door", write: Write) -> Any:
        """Make sure that what stands there is the unanswered write; its token."""
        there = door.send("GET", write.resource)
        if there.status_code in UNANSWERED:
            raise NotAnsweredError
        if write.verb == "erase":
            if there.status_code not in {404, 410}:
                self.wrong.append(f"{write.resource} was erased and answers {there.status_code}")
        elif there.headers.get("ETag") != f'"{write.expected}"' or write.mark not in there.text:
            self.wrong.append(
                f"{write.resource}: what was not answered as revision {write.expected} stands there as "
                f"{there.headers.get('ETag')}"
            )
        return token_of(write)


def token_of(write: Write) -> Any:
    """Return the token that the answer would have held."""
    topic = {"organisations": "members.v1", "projects": "projects.v1"}[write.kind]
    return {"topic": topic, "id": write.id, "sequence": f"1.{write.expected}"}


class NotAnsweredError(Exception):
    """The answer says that nobody knows what became of the write."""


class Door:
    """HTTP to a deployment, for several threads at once, with a token that is renewed when it has run out."""

    def __init__(self, addresses: Mapping[str, str], secret: tuple[str, str]) -> None:
        self.addresses = dict(addresses)
        self._secret = secret
        self._client = httpx2.Client(trust_env=False, timeout=60.0)
        self._lock = threading.Lock()
        self._token = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def send(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: str | None = None
    ) -> httpx2.Response:
        """One request. Raises httpx2.HTTPError where nobody answers."""
        for _ in range(2):
            token = self._token
            sent = {**(headers or {}), "Authorization": f"Bearer {token or 'none'}"}
            answer = self._client.request(method, self._address(path), headers=sent, content=body)
            if answer.status_code != 401:
                break
            with self._lock:
                if self._token == token:
                    self._token = self._take_token()
        return answer

    def _take_token(self) -> str:
        with Connection(self.addresses) as connection:
            answer = self._client.post(
                connection.address("/v1/tokens"),
                data={
                    "grant_type": "client_credentials",
                    "client_id": self._secret[0],
                    "client_secret": self._secret[1],
                },
            )
        if answer.status_code != 200:
            raise NotAnsweredError
        return str(answer.json()["access_token"])

    def _address(self, path: str) -> str:
        prefix = max((known for known in self.addresses if path.startswith(known)), key=len)
        return self.addresses[prefix] + path


def writers(seed: int) -> list[Writer]:
    """Return writers of disjoint resources: some initiatives of the demo, their owners, and candidates."""
    today = datetime.now(UTC).date()
    free = [item for item in records(DEMO_FOLDER, "initiatives") if not item.get("_flagship")]
    initiatives = [kept_open(item, today) for item in free[:INITIATIVES]]
    profiles = {item["id"]: item for item in records(DEMO_FOLDER, "organisations")}
    owners = sorted({item["owner"] for item in initiatives})
    others = [item for item in profiles.values() if item["id"] not in owners and not item.get("parent")]
    candidates = random.Random(seed).sample(others, CANDIDATES)
    chosen = [profiles[owner] for owner in owners] + candidates
    mortal = {one["id"] for one in candidates[::5]}
    found = []
    for number in range(WRITERS):
        organisations = [
            life_of("organisations", one, chosen, seed=seed, mortal=one["id"] in mortal)
            for one in chosen[number::WRITERS]
        ]
        projects = [life_of("projects", one, initiatives, seed=seed) for one in initiatives[number::WRITERS]]
        draft = initiatives[number] | {"id": str(uuid5(NAMESPACE_URL, f"draft:{initiatives[number]['id']}"))}
        drafts = life_of("projects", draft, initiatives, seed=seed)
        found.append(Writer(organisations=organisations, projects=projects, drafts=drafts))
    return found


def write_ledger(path: Path, everybody: Sequence[Writer]) -> list[dict[str, Any]]:
    """Write down what was accepted: organisations before projects, each resource in the order of its revisions."""
    entries = [entry for writer in everybody for entry in writer.accepted]
    entries.sort(key=lambda entry: (entry["kind"], entry["id"], entry["expected"]))
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(entry) + "\n" for entry in entries)
    return entries
