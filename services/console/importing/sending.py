"""One mapped row through the HTTP API: created, changed, or left alone because it stands there already.

What: a conditional PUT, and for a project its publication. Why: an import is a client like any other, and running it
twice must change nothing. It must not touch a table, and must not call a row refused that the server did not refuse.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import httpx2
from pydantic import BaseModel

from services.chassis.reference.faults import Fault
from services.console.asking import Asked, ask
from services.console.connection import Connection, sentence_of
from services.console.exits import Ended, Exit
from services.console.mapping.bodies import RowRefused
from services.console.mapping.targets import SHAPES


class Outcome(StrEnum):
    """What became of a row."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


class RowUnanswered(Exception):  # noqa: N818 - it is what became of a row
    """The server failed at this row, which may be in or not; the message is its answer in one sentence."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a row, and the token to wait with; a row that nothing was written of has none."""

    outcome: Outcome
    token: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends rows of one kind; may be used by several threads at once."""

    connection: Connection
    kind: str

    def put(self, identifier: str, body: BaseModel) -> Sent:
        """Put a body under its id, and publish a project that is a draft.

        Raises RowRefused with the server's faults, RowUnanswered where it failed at this row, Ended where no further row
        can be sent either.
        """
        content = written(body)
        path = f"/v1/{self.kind}/{identifier}"
        asked = self._send("PUT", path, content)
        answer, outcome = asked.answer, Outcome.CREATED
        if answer.status_code in {428, 412}:
            answer, outcome = self._replace(path, content, unsure=asked.unsure)
        _refuse(answer)
        if self.kind == "projects" and answer.json()["state"] == "draft":
            tag = answer.headers["ETag"]
            answer = self._send(
                "POST",
                f"{path}/publish",
                headers={"If-Match": tag, "Idempotency-Key": f"publish-{identifier}-{tag.strip(chr(34))}"},
            ).answer
            _refuse(answer)
            outcome = Outcome.CHANGED if outcome is Outcome.UNCHANGED else outcome
        return Sent(outcome, answer.json().get("token"))

    def _replace(
        self, path: str, content: Mapping[str, Any], *, unsure: bool
    ) -> tuple[httpx2.Response, Outcome]:
        """Put what differs from what stands there. `unsure`: that may be of this very import, whose token was lost.

        An organisation is put again for its token, which changes nothing; a project would have a revision more by it.
        """
        there = self._send("GET", path).answer
        for_token = unsure and self.kind == "organisations"
        if there.status_code >= 400 or (not for_token and same(self.kind, content, there.json())):
            return there, Outcome.UNCHANGED
        asked = self._send("PUT", path, content, {"If-Match": there.headers["ETag"]})
        answer = asked.answer
        if answer.status_code == 412:  # somebody was faster; compare with what stands there now
            return self._replace(path, content, unsure=unsure or asked.unsure)
        unchanged = answer.status_code == 200 and answer.headers.get("ETag") == there.headers["ETag"]
        return answer, Outcome.UNCHANGED if unchanged else Outcome.CHANGED

    def _send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Asked:
        asked = ask(self.connection, method, path, body=body, headers=headers)
        if asked.answer.status_code in {401, 403}:
            raise Ended(
                Exit.REFUSED,
                f"{asked.answer.status_code}: this token may not write {self.kind}: {_words(asked.answer)} "
                "Give --token, or set COMITY_CLIENT_ID and COMITY_CLIENT_SECRET in the environment: such tokens are renewed.",
            )
        return asked


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
    if answer.status_code >= 500:
        raise RowUnanswered(sentence_of(answer))
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


def _words(answer: httpx2.Response) -> str:
    try:
        return str(answer.json().get("detail", ""))
    except ValueError:
        return ""
