"""The command line's way to a running Comity: plain HTTP with a token.

What: finds the address and a token (options, environment, or the credential file that a demo wrote), sends requests,
turns problems into one sentence and an exit code. Why: every verb that reads or writes does so through the doors that
everybody else uses. It must not know what a resource means.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode

import httpx2

from services.console.exits import Ended, Exit

CREDENTIALS = "credentials.json"
BUSY = frozenset({429, 502, 503, 504})
"""Answers that refuse nothing: ask again later. 502 and 504 are a gateway's, which reaches nobody behind it."""

_MEND = "Put a backup of it back, or remove it and give --url and --token."


class Connection:
    """HTTP to one Comity: a single address, or one per path prefix when its services stand apart.

    `addresses` maps a path prefix to a base URL; the longest matching prefix wins; "" is the default. `reason`, if set, is
    told with each write: why, for the audit trail.
    """

    def __init__(
        self, addresses: Mapping[str, str], *, token: str | None = None, timeout: float = 60.0
    ) -> None:
        self.addresses = dict(addresses)
        self.token = token
        self.reason: str | None = None
        self._client = httpx2.Client(timeout=timeout, trust_env=False)
        self._credentials: tuple[str, str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the sockets."""
        self._client.close()

    def address(self, path: str) -> str:
        """The absolute URL for `path`."""
        if path.startswith("http"):
            return path
        prefix = max((known for known in self.addresses if path.startswith(known)), key=len, default="")
        return self.addresses[prefix].rstrip("/") + path

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """One request; any answer is returned as it is. Raises Ended where no server answers; threads may share this.

        `body` is written as JSON; `content` is JSON already and is sent byte for byte.
        """
        sent = dict(headers or {})
        if self.reason is not None and method != "GET":
            sent.setdefault("Comity-Reason", quote(self.reason, safe=" !*'();:@&=+$,/?#[]"))
        if body is not None:
            content = json.dumps(body, ensure_ascii=False).encode()
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
        answer = self._once(method, path, content, sent)
        if answer.status_code == 401 and self._credentials is not None:
            self.take_token(*self._credentials)
            answer = self._once(method, path, content, sent)
        return answer

    def _once(
        self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]
    ) -> httpx2.Response:
        bearer = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            return self._client.request(
                method, self.address(path), content=content, headers={**bearer, **headers}
            )
        except httpx2.HTTPError as error:
            raise Ended(
                Exit.UNREACHABLE,
                f"No Comity answers at {self.address(path)} ({type(error).__name__}). "
                "Start one with `comity run all`, or give --url.",
            ) from error

    def read(self, path: str, *, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON at `path`. Raises Ended with the problem in one sentence where it is refused."""
        answer = self.send("GET", path, headers=headers)
        if answer.status_code == 401 and not self.token:
            raise Ended(
                Exit.REFUSED, f"{sentence_of(answer)} Give --token, or set COMITY_TOKEN in the environment."
            )
        if answer.status_code >= 400:
            raise Ended(Exit.REFUSED, sentence_of(answer))
        return answer.json()

    def items(self, path: str, key: str) -> Iterator[Any]:
        """Every item under `key`, page by page."""
        for page in self.pages(path):
            yield from page[key]

    def pages(self, path: str) -> Iterator[Any]:
        """Every page, following the cursors from `path` to the end."""
        following: str | None = path
        while following:
            page = self.read(following)
            yield page
            cursor = page.get("next")
            joint = "&" if "?" in path else "?"
            following = f"{path}{joint}{urlencode({'cursor': cursor})}" if cursor else None

    def take_token(self, client_id: str, client_secret: str) -> None:
        """Get an access token by OAuth2 client credentials and use it from now on; a new one when it has expired."""
        self._credentials = client_id, client_secret
        self.token = self.token_of(client_id, client_secret)

    def token_of(self, client_id: str, client_secret: str) -> str:
        """Get an access token by OAuth2 client credentials."""
        try:
            answer = self._client.post(
                self.address("/v1/tokens"),
                data={
                    "grant_type": "client_credentials",
                    "client_id": client_id,
                    "client_secret": client_secret,
                },
            )
        except httpx2.HTTPError as error:
            raise Ended(
                Exit.UNREACHABLE,
                f"No Comity answers at {self.address('/v1/tokens')} ({type(error).__name__}).",
            ) from error
        if answer.status_code != 200:
            code = Exit.UNREACHABLE if answer.status_code in BUSY else Exit.REFUSED
            raise Ended(code, sentence_of(answer))
        return str(answer.json()["access_token"])


def sentence_of(answer: httpx2.Response) -> str:
    """The problem of a refused request as one sentence: its title, and each fault once with its place and its fix.

    Where the problem lists its faults, its own detail only repeats them and is left out.
    """
    try:
        problem = answer.json()
    except ValueError:
        return (
            f"The server answered {answer.status_code} to {answer.request.method} {answer.request.url.path}."
        )
    faults = [
        f"{_place(error)}: {error.get('detail', '')} {error.get('fix', '')}".strip()
        for error in problem.get("errors", [])[:10]
    ] or [str(problem.get("detail", ""))]
    return f"{answer.status_code} {problem.get('title', '')}: {' | '.join(faults)}"


def _place(error: Mapping[str, Any]) -> str:
    """Where a fault is: a field of the body, a parameter, a header, or the body as a whole."""
    named = (error.get(kind) for kind in ("pointer", "parameter", "header"))
    return next((str(name) for name in named if name), "the body")


def saved_credentials(data_folder: Path) -> dict[str, Any] | None:
    """What a system that started here wrote into its data folder, or None. Raises SettingsError if the file is broken."""
    from services.chassis.settings import SettingsError

    path = data_folder / CREDENTIALS
    try:
        saved = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read ({error}). {_MEND}") from error
    if not isinstance(saved, dict) or not isinstance(saved.get("addresses"), dict):
        raise SettingsError(f"{path} is no file of credentials: it names no addresses. {_MEND}")
    return saved


def save_credentials(data_folder: Path, content: Mapping[str, Any]) -> Path:
    """Write the credential file so that only its owner can read it."""
    path = data_folder / CREDENTIALS
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
    return path


def remember_address(data_folder: Path, address: str, *, first: tuple[str, str] | None = None) -> None:
    """Note where the system of a data folder answers; `first`: its first administrator too, whose secret is told once."""
    saved = saved_credentials(data_folder) or {}
    if first is not None:
        saved["client_id"], saved["client_secret"] = first
    saved["addresses"] = {"": address}
    save_credentials(data_folder, saved)
