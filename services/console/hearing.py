"""A subscriber of the demo: a small webhook receiver on the loopback address, and the first notice that it verified.

What: registers an endpoint and a subscription over the HTTP API as an organisation's editor, listens, checks each message
with the Standard Webhooks library, and tells the newest about one initiative. Why: who is told, and of what, is the other
half of the main job. It must not believe a message that is not signed.
"""

import queue
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import httpx2
from standardwebhooks import Webhook, WebhookVerificationError

from services.console.callers import Caller, token_for
from services.console.connection import Connection, save_credentials, saved_credentials, sentence_of
from services.console.exits import Exit, stop

LOOPBACK: Mapping[str, Any] = {
    "allow_http": True,
    "ports": "any",
    "allowed_networks": "127.0.0.0/8",
    "public_addresses": False,
}
"""The demo's settings of `notifications`: webhooks reach this machine and nothing else."""

ORGANISATION = (
    "01a7080e-aca4-528c-bb33-13e7fbca3150"  # one of the demo's, above the floor of the printed list
)
VERIFIED_SECONDS = 15.0
TOLD_SECONDS = 90.0  # of a machine that is busy with other things; a moment on any other
MOST_BYTES = 65_536


@dataclass(slots=True)
class Hearing:
    """A receiver that listens; `events` are the messages whose signature was right, in the order of their coming."""

    secret: str = ""
    told: frozenset[str] = frozenset()  # projects that an earlier run heard of: nobody is told twice
    events: queue.SimpleQueue[dict[str, Any]] = field(default_factory=queue.SimpleQueue)

    def take(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """Keep a message if its signature is right; whether it was."""
        try:
            event = Webhook(self.secret).verify(body, dict(headers))
        except (WebhookVerificationError, ValueError):
            return False
        self.events.put(event)
        return True

    def about(self, project: str) -> dict[str, Any] | None:
        """Return the first message about a project, waiting a while for it; None if none comes."""
        if project in self.told:
            return None
        deadline = time.monotonic() + TOLD_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            try:
                event = self.events.get(timeout=left)
            except queue.Empty:
                return None
            if event["data"].get("project") == project:
                return event
        return None


@contextmanager
def hearing(admin: Connection, folder: Path, *, addresses: Mapping[str, str]) -> Iterator[Hearing]:
    """Listen as an organisation of the demo; its endpoint is verified and its subscription stands inside."""
    found = Hearing()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(found))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with Connection(addresses) as editor:
            editor.token = token_for(admin, folder, _editor())
            _subscribe(editor, folder, found, url=f"http://127.0.0.1:{server.server_address[1]}/hook")
        yield found
    finally:
        server.shutdown()
        server.server_close()


def _editor() -> Caller:
    return Caller(
        variable="EDITOR",
        role="organisation_editor",
        sees="editor of the subscriber: what it hears of",
        organisation=ORGANISATION,
    )


def _handler(found: Hearing) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(min(int(self.headers.get("Content-Length", "0")), MOST_BYTES))
            self.send_response(204 if found.take(body, dict(self.headers.items())) else 400)
            self.end_headers()

        def log_message(self, *_said: Any) -> None:
            """Say nothing: what matters is printed by the demo."""

    return Handler


def _subscribe(editor: Connection, folder: Path, found: Hearing, *, url: str) -> None:
    """Register the receiver, or give the endpoint of an earlier run its new address, and wait until it is verified."""
    saved = saved_credentials(folder) or {}
    kept: dict[str, str] = saved.setdefault("endpoint", {})
    if kept:
        found.secret = kept["secret"]
        delivered = editor.items("/v1/deliveries?state=delivered&limit=200", "items")
        heard = {one["id"] for one in delivered}
        notices = editor.items("/v1/notices?limit=200", "items")
        found.told = frozenset(one["project"] for one in notices if one["id"] in heard)
        path = f"/v1/endpoints/{kept['id']}"
        held = editor.read(path)
        match = {"If-Match": f'"{held["revision"]}"'}
        _accepted(editor.send("PUT", path, body={"url": url}, headers=match))
    else:
        answer = editor.send("POST", "/v1/endpoints", body={"url": url, "description": "The demo's receiver"})
        made = _accepted(answer)
        kept |= {"id": made["id"], "secret": made["secret"]}
        found.secret = made["secret"]
        save_credentials(folder, saved)
    deadline = time.monotonic() + VERIFIED_SECONDS
    while editor.read(f"/v1/endpoints/{kept['id']}")["state"] != "active" and time.monotonic() < deadline:
        time.sleep(0.1)
    # What an earlier run ended without hearing would else wait for its next try, minutes from now.
    since = f"{datetime.now(UTC) - timedelta(days=7):%Y-%m-%dT%H:%M:%SZ}"
    _accepted(editor.send("POST", f"/v1/endpoints/{kept['id']}/recover", body={"since": since}))
    path = f"/v1/subscriptions/{uuid5(NAMESPACE_URL, 'demo:subscription')}"
    if editor.send("GET", path).status_code == 404:
        body = {"channel": "webhook", "endpoint": kept["id"], "opt_in": True}
        _accepted(editor.send("PUT", path, body=body))


def _accepted(answer: httpx2.Response) -> Any:
    if answer.status_code >= 300:
        stop(Exit.REFUSED, sentence_of(answer))
    return answer.json()


def told_lines(event: dict[str, Any] | None) -> list[str]:
    """Return what to print of the notice about the printed initiative."""
    if event is None:
        return ["\nNothing new for the subscriber of the demo: what it was told before is not told again."]
    data = event["data"]
    why = data["why"]
    return [
        f"\nA subscriber was told of it: webhook {event['id']}, signature verified.",
        f"  {event['type']} “{data['title']}” (list version {data['list_version']}, fit {data['fit']} ‰, {data['band']})",
        f"  why: {why['rule']}; both texts speak of {', '.join(f'“{term}”' for term in why['shared_terms'])}",
        f"  {data['links']['why']}",
    ]
