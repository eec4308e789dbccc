"""One mapped row through the HTTP API: created, changed, or left alone because it stands there already.

What: a conditional PUT, and for a project its publication. Why: an import is a client like any other, and running it
twice must change nothing. It must not touch a table, and it never calls a row bad that the server is only too busy to
take: it tries again, and where that does not help, the import ends and the row is unsent.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import httpx2
from pydantic import BaseModel

from services.chassis.reference.faults import Fault
from services.console.connection import Connection, sentence_of
from services.console.exits import Ended, Exit
from services.console.mapping.bodies import RowRefused
from services.console.mapping.targets import SHAPES

TRIES = 8
BUSY = frozenset({429, 502, 503, 504})
"""Answers that say nothing of the request; 502 and 504 are a gateway's, while what stands behind it starts anew."""


class Outcome(StrEnum):
    """What became of a row."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a row, and the token to wait with; a row that was left alone has none."""

    outcome: Outcome
    token: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends rows of one kind; may be used by several threads at once."""

    connection: Connection
    kind: str

    def put(self, identifier: str, body: BaseModel) -> Sent:
        """Put a body under its id, and publish a project that is a draft.

        Raises RowRefused with the server's faults, Ended where no further row can be sent either.
        """
        content = written(body)
        path = f"/v1/{self.kind}/{identifier}"
        answer = self._send("PUT", path, content)
        outcome = Outcome.CREATED
        if answer.status_code in {428, 412}:
            answer, outcome = self._replace(path, content)
        _refuse(answer)
        if self.kind == "projects" and answer.json()["state"] == "draft":
            tag = answer.headers["ETag"]
            answer = self._send(
                "POST",
                f"{path}/publish",
                headers={"If-Match": tag, "Idempotency-Key": f"publish-{identifier}-{tag.strip(chr(34))}"},
            )
            _refuse(answer)
            outcome = Outcome.CHANGED if outcome is Outcome.UNCHANGED else outcome
        return Sent(outcome, None if outcome is Outcome.UNCHANGED else answer.json().get("token"))

    def _replace(self, path: str, content: Mapping[str, Any]) -> tuple[httpx2.Response, Outcome]:
        there = self._send("GET", path)
        if there.status_code >= 400 or same(self.kind, content, there.json()):
            return there, Outcome.UNCHANGED
        answer = self._send("PUT", path, content, {"If-Match": there.headers["ETag"]})
        if answer.status_code == 412:
            return self._replace(path, content)  # somebody was faster; compare with what stands there now
        unchanged = answer.status_code == 200 and answer.headers.get("ETag") == there.headers["ETag"]
        return answer, Outcome.UNCHANGED if unchanged else Outcome.CHANGED

    def _send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        answer = self.connection.send(method, path, body=body, headers=headers)
        for _ in range(TRIES - 1):
            if answer.status_code not in BUSY:
                break
            time.sleep(_pause(answer))
            answer = self.connection.send(method, path, body=body, headers=headers)
        if answer.status_code in BUSY:
            raise Ended(
                Exit.UNREACHABLE,
                f"The server takes nothing now: {sentence_of(answer)} Give the same command again later; it goes on.",
            )
        if answer.status_code in {401, 403}:
            raise Ended(
                Exit.REFUSED,
                f"{answer.status_code}: this token may not write {self.kind}: {_words(answer)} "
                "Give --token, or set COMITY_CLIENT_ID and COMITY_CLIENT_SECRET in the environment: such tokens are renewed.",
            )
        return answer


def written(body: BaseModel) -> dict[str, Any]:
    """Return a body as it goes over the wire."""
    content: dict[str, Any] = body.model_dump(mode="json", by_alias=True, exclude_none=True)
    return content


def same(kind: str, content: Mapping[str, Any], there: Mapping[str, Any]) -> bool:
    """Whether what stands there is what would be written: a tag's version that the server filled in does not count."""
    shape = SHAPES[kind]
    held = {name: there[name] for name in content.keys() | shape.model_fields.keys() if name in there}
    try:
        standing = written(shape.model_validate(held))
    except ValueError:
        return False
    return bool(_versioned(content, standing) == standing)


def _versioned(ours: Any, theirs: Any) -> Any:
    """Fill the tag versions that ours leaves out with theirs, where the two stand at the same place."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        if {"scheme", "code"} <= ours.keys() and "version" not in ours and "version" in theirs:
            ours = {**ours, "version": theirs["version"]}
        return {name: _versioned(value, theirs.get(name)) for name, value in ours.items()}
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return [_versioned(mine, other) for mine, other in zip(ours, theirs, strict=True)]
    return ours


def _refuse(answer: httpx2.Response) -> None:
    if answer.status_code < 400:
        return
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    detail = str(problem.get("detail") or problem.get("title") or f"The server answered {answer.status_code}")
    code = str(problem.get("type", "")).rpartition("/")[2] or str(answer.status_code)
    errors = problem.get("errors") or [{}]
    raise RowRefused(
        *(
            Fault(
                str(error.get("pointer", "/")),
                str(error.get("rule") or code),
                str(error.get("detail") or detail).rstrip("."),
                str(error.get("fix") or "See the problem's page."),
            )
            for error in errors
        )
    )


def _pause(answer: httpx2.Response) -> float:
    """Return how many seconds to wait: as many as are asked for, 30 at most; one for a date, as a gateway may send it."""
    asked = answer.headers.get("Retry-After", "")
    return min(float(asked), 30.0) if asked.isdecimal() else 1.0


def _words(answer: httpx2.Response) -> str:
    try:
        return str(answer.json().get("detail", ""))
    except ValueError:
        return ""
