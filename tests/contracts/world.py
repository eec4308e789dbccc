"""A whole Comity behind a real port, with a small world in it and one API client for each kind of caller.

What: a dozen organisations of the demo, five projects (open, requiring presence, draft, closed, withdrawn), a flagship, and tokens.
Why: the contracts are about what leaves the door, so everything here is asked over HTTP. It must not reach into the
system's databases; tests that have to break something do so in a world of their own.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

import httpx2

from services.chassis.settings import LONGEST_TOKEN_SECONDS, load_settings
from services.chassis.telemetry import set_up_logs
from services.console.connection import saved_credentials
from services.console.embedded import Embedded
from services.notifications.rules.keys import Keys

DEMO = Path(__file__).resolve().parents[2] / "demo"
DESK = "1afbbeac-5269-521c-a852-d590d5d84800"  # owns the projects, so it is a candidate on none
KENYA, PRESENCE = "2f340197-6cb0-5c5f-9220-ffa1268a3e66", "55f7f618-18c5-5579-8263-09002c21e3ed"
# The examples of the API's documentation, so that who tries them there finds something.
A = "018f3c2a-7d10-7000-8000-000000000001"
OPEN, FLAGSHIP = "018f3c2a-7d10-7000-8000-0000000000aa", "018f3c2a-7d10-7000-8000-0000000000ff"
OFFICE, OTHER_OFFICE = "addis_ababa", "bangkok"
PATIENCE = 60.0  # seconds
LOOPBACK = {
    "allow_http": True,
    "ports": "any",
    "allowed_networks": "127.0.0.0/8",
    "public_addresses": False,  # whatever is made up here as a webhook's address, nothing leaves the machine
}

CALLERS: Mapping[str, tuple[tuple[str, ...], str | None, str | None]] = {
    # caller → roles, whose organisation's (A or B), which office's
    "reader_a": (("organisation_reader",), "a", None),
    "editor_a": (("organisation_editor",), "a", None),
    "owner_a": (("organisation_admin",), "a", None),
    "reader_b": (("organisation_reader",), "b", None),
    "editor_b": (("organisation_editor",), "b", None),
    "owner_b": (("organisation_admin",), "b", None),
    "manager": (("project_manager",), None, None),
    "other_manager": (("project_manager",), None, None),
    "officer": (("office_officer",), None, OFFICE),
    "other_officer": (("office_officer",), None, OTHER_OFFICE),
    "analyst": (("bdt_analyst",), None, None),
    "editor": (("bdt_editor",), None, None),
    "admin": (("bdt_admin",), None, None),
    "auditor": (("auditor",), None, None),
}


def uuid_of(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"contracts:{name}"))


@dataclass(kw_only=True)
class World:
    """Where the system answers, who may ask, and what is in it."""

    address: str
    folder: Path
    http: httpx2.Client
    tokens: dict[str, str] = field(default_factory=dict)  # by caller; "public" has none
    clients: dict[str, str] = field(default_factory=dict)  # ids by caller
    secrets: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    organisations: list[str] = field(default_factory=list)

    def ask(
        self, caller: str, method: str, path: str, *, headers: Mapping[str, str] | None = None, **sent: Any
    ) -> httpx2.Response:
        """Send one request as this caller."""
        token = self.tokens.get(caller)
        given = {"Authorization": f"Bearer {token}"} if token else {}
        return self.http.request(method, self.address + path, headers=given | dict(headers or {}), **sent)

    def get(self, caller: str, path: str) -> Any:
        """Return the JSON at a path, which must be there."""
        answer = self.ask(caller, "GET", path)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    def made(self, method: str, path: str, *, caller: str = "admin", **sent: Any) -> httpx2.Response:
        """Send a write that must be accepted."""
        answer = self.ask(caller, method, path, **sent)
        assert answer.status_code < 300, (method, path, answer.text)
        return answer

    def settle(self) -> None:
        """Wait until every list covers everything that was written."""
        deadline = time.monotonic() + PATIENCE
        while True:
            waiting = sum(
                one.get("outbox_rows", 0) for one in self.get("public", "/progress")["services"].values()
            )
            progress = self.get("admin", "/v1/ranking-progress")
            if progress["complete"] and not waiting:
                return
            assert time.monotonic() < deadline, progress
            time.sleep(0.05)

    def new_organisation(self, **changes: Any) -> tuple[str, str]:
        """Register an organisation under a new id; its id and ETag."""
        identifier = str(uuid4())
        answer = self.made("PUT", f"/v1/organisations/{identifier}", json=profile() | changes)
        return identifier, answer.headers["ETag"]

    def new_project(self, *, caller: str = "admin", **changes: Any) -> tuple[str, str]:
        """Put a draft under a new id; its id and ETag."""
        identifier = str(uuid4())
        answer = self.made(
            "PUT", f"/v1/projects/{identifier}", caller=caller, json=project(owner=DESK) | changes
        )
        return identifier, answer.headers["ETag"]


def profile(**changes: Any) -> dict[str, Any]:
    """Return a small valid profile."""
    return {
        "legal_name": f"Contract Test Body {uuid4().hex[:12]} (fictional)",
        "category": "prospect",
        "hq_country": "KEN",
        "descriptions": [{"language": "en", "text": "We lay fibre to rural schools and keep it working."}],
        "offers": [{"kind": "connectivity"}],
        "contact": {"name": "Front desk", "email": f"desk-{uuid4().hex[:8]}@body.example"},
        "fictional": True,
    } | changes


def project(*, owner: str = DESK, **changes: Any) -> dict[str, Any]:
    """Return a small project that could be published."""
    return {
        "titles": [{"language": "en", "text": "Fibre for rural schools"}],
        "summaries": [{"language": "en", "text": "Connect rural schools by fibre and teach the teachers."}],
        "needs": [{"id": "n1", "kind": "connectivity", "texts": [{"language": "en", "text": "Fibre crews"}]}],
        "level": "national",
        "countries": ["KEN"],
        "period": {"start": "2027-01-01", "end": "2029-12-31"},
        "deadline": "2027-06-30",
        "owner": owner,
        "fictional": True,
    } | changes


def lines(name: str) -> Iterator[dict[str, Any]]:
    with (DEMO / name).open(encoding="utf-8") as file:
        yield from (json.loads(line) for line in file)


@contextmanager
def started(
    folder: Path, *, http: Mapping[str, Any] | None = None, **sections: Mapping[str, Any]
) -> Iterator[World]:
    """Start an empty system on a free port of the loopback address, with the first administrator's token."""
    unlimited = {"requests_per_minute": 0, "anonymous_requests_per_minute": 0, "token_requests_per_minute": 0}
    settings = load_settings(
        data_folder=folder,
        http={"host": "127.0.0.1", "port": 0} | unlimited | dict(http or {}),
        telemetry={"level": "error", "format": "json"},
        lifecycle={"stop_seconds": 5},
        # A stream that nobody waits for the end of would hold up those who ask every address.
        **{
            "identity": {"token_seconds": LONGEST_TOKEN_SECONDS},
            "notifications": LOOPBACK,
            "matches": {"stream_seconds": 0.2},
            **sections,
        },
    )
    set_up_logs(settings.telemetry)
    with Embedded(settings) as system, httpx2.Client(timeout=60, trust_env=False) as client:
        world = World(address=system.address, folder=folder, http=client)
        saved = saved_credentials(folder)
        assert saved is not None
        world.clients["first"], world.secrets["first"] = saved["client_id"], saved["client_secret"]
        world.tokens["admin"] = token_of(world, "first")
        yield world


def token_of(world: World, caller: str) -> str:
    """Get a token for a caller's client."""
    form = {
        "grant_type": "client_credentials",
        "client_id": world.clients[caller],
        "client_secret": world.secrets[caller],
    }
    answer = world.made("POST", "/v1/tokens", caller="public", data=form)
    token: str = answer.json()["access_token"]
    return token


def populate(world: World, *, organisations: int = 12) -> None:
    """Put the small world in: organisations, clients, a flagship, projects; and wait for their lists."""
    for body in islice(lines("organisations-en.jsonl"), 200):
        wanted = body["id"] == DESK or (body["offers"][0]["kind"] != "convening" and not body.get("parent"))
        if wanted and len(world.organisations) < organisations:
            identifier = body.pop("id")
            body.pop("sources", None)
            identifier = A if len(world.organisations) == 3 else identifier
            world.made("PUT", f"/v1/organisations/{identifier}", json=body)
            if identifier != DESK:
                world.organisations.append(identifier)
    world.ids["a"], world.ids["b"] = A, world.organisations[0]
    for caller, (roles, whose, office) in CALLERS.items():
        body = {"name": f"The caller {caller}", "roles": list(roles), "office": office}
        body["organisation"] = world.ids[whose] if whose else None
        made = world.made("POST", "/v1/clients", json=body).json()
        world.clients[caller], world.secrets[caller] = made["id"], made["secret"]
    world.tokens = {caller: token_of(world, caller) for caller in CALLERS}
    _put_projects(world)
    world.settle()
    _put_subscriptions(world)


def _put_projects(world: World) -> None:
    flagship = world.ids["flagship"] = FLAGSHIP
    declared = {
        "titles": [{"language": "en", "text": "Schools online (fictional)"}],
        "level": "global",
        "reason": {"language": "en", "text": "Declared to gather the national school projects."},
    }
    world.made("PUT", f"/v1/flagships/{flagship}", json=declared)
    bodies = {body["id"]: body for body in lines("initiatives.jsonl") if body["id"] in {KENYA, PRESENCE}}
    sources = {"open": KENYA, "presence": PRESENCE, "draft": KENYA, "closed": KENYA, "withdrawn": KENYA}
    for name, source in sources.items():
        body = {
            key: value for key, value in bodies[source].items() if key not in {"id", "sources", "_flagship"}
        }
        body |= {"owner": DESK, "office": OFFICE, "flagship": flagship if name == "open" else None}
        body["external_ids"] = []
        identifier = world.ids[name] = OPEN if name == "open" else uuid_of(name)
        made = world.made("PUT", f"/v1/projects/{identifier}", caller="manager", json=body)
        if name != "draft":
            made = _step(world, identifier, "publish", made.headers["ETag"])
        if name in {"closed", "withdrawn"}:
            world.settle()
            verb = "close" if name == "closed" else "withdraw"
            _step(world, identifier, verb, made.headers["ETag"], json={"reason": "Done by its own people."})


def _put_subscriptions(world: World) -> None:
    """What organisation A hears by: an endpoint at which nobody answers, a message to it, a subscription, a dismissal."""
    endpoint = world.made(
        "POST", "/v1/endpoints", caller="owner_a", json={"url": "http://127.0.0.1:9/hook"}
    ).json()
    world.ids["endpoint"] = endpoint["id"]
    [ping] = world.get("owner_a", "/v1/deliveries")["items"]
    world.ids["delivery"] = ping["id"]
    world.ids["subscription"] = uuid_of("subscription")
    body = {"channel": "email", "email": "news@a.example", "opt_in": True}
    world.made("PUT", f"/v1/subscriptions/{world.ids['subscription']}", caller="owner_a", json=body)
    keys = Keys.of(load_settings(data_folder=world.folder))
    world.ids["link"] = keys.link("unsubscribe", world.ids["subscription"])
    world.made("PUT", f"/v1/dismissals/{world.ids['presence']}", caller="owner_a", json={"reason": "timing"})


def _step(world: World, project_id: str, step: str, etag: str, **sent: Any) -> httpx2.Response:
    path = f"/v1/projects/{project_id}/{step}"
    return world.made("POST", path, caller="manager", headers={"If-Match": etag}, **sent)
