"""What the table of visibility is written with: groups of callers, one line, and the plainest ways to ask."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from tests.contracts.world import CALLERS, World

PUBLIC = frozenset({"public"})
A = frozenset({"reader_a", "editor_a", "owner_a"})
B = frozenset({"reader_b", "editor_b", "owner_b"})
A_WRITERS = frozenset({"editor_a", "owner_a"})
TEAM, MANAGERS = frozenset({"manager"}), frozenset({"manager", "other_manager"})
OFFICE, OFFICES = frozenset({"officer"}), frozenset({"officer", "other_officer"})
BDT = frozenset({"analyst", "editor", "admin"})
EDITORS, ADMIN, AUDITOR = frozenset({"editor", "admin"}), frozenset({"admin"}), frozenset({"auditor"})
EVERYBODY = frozenset(CALLERS) | PUBLIC
WHOLE_LIST = TEAM | OFFICES | BDT | AUDITOR
LISTENERS = A | ADMIN | AUDITOR
NOT_LISTENING = frozenset(CALLERS) - LISTENERS
INSIDERS = TEAM | OFFICE | BDT | AUDITOR

Send = Callable[[World, str], Any]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: what is asked, who gets it, with which status, and what the others get.

    `nobody` is the answer to a caller without a token; `unseen` are named callers who may not even know, and get 404;
    `taken` those who would make something there, and learn that the id is taken, 409.
    """

    send: Send
    allowed: frozenset[str]
    status: int = 200
    others: int = 403
    nobody: int = 401
    unseen: frozenset[str] = frozenset()
    taken: frozenset[str] = frozenset()

    def expected(self, caller: str) -> int:
        if caller in self.allowed:
            return self.status
        if caller in self.taken:
            return 409
        if caller == "public":
            return self.nobody
        return 404 if caller in self.unseen else self.others


@dataclass(frozen=True)
class Get:
    """A read; `path` names ids of the world in braces."""

    path: str

    def __call__(self, world: World, caller: str) -> Any:
        return world.ask(caller, "GET", self.path.format_map(world.ids))


def write(method: str, path: str, **sent: Any) -> Send:
    """Send a write that needs nothing to be there before."""
    return lambda world, caller: world.ask(caller, method, path.format(new=uuid4(), **world.ids), **sent)


REASON = {"reason": "It is done."}


def dead_letters(service: str) -> dict[str, tuple[Row, ...]]:
    """Nothing was set aside in this world, so whoever may ask is told that there is no such letter (404, 409)."""
    path = f"/v1/dead-letters/{service}"
    where = {"group": service, "topic": "members.v1", "partition": 0, "reason": "It is known."}
    return {
        f"list_dead_letters_{service}": (Row(send=Get(path), allowed=ADMIN | AUDITOR),),
        f"list_halted_{service}": (Row(send=Get(f"{path}/halted"), allowed=ADMIN | AUDITOR),),
        f"get_dead_letter_{service}": (Row(send=Get(f"{path}/1"), allowed=ADMIN | AUDITOR, status=404),),
        f"replay_dead_letter_{service}": (
            Row(send=write("POST", f"{path}/1/replay"), allowed=ADMIN, status=404),
        ),
        f"discard_dead_letter_{service}": (
            Row(send=write("POST", f"{path}/1/discard", json=REASON), allowed=ADMIN, status=404),
        ),
        f"resume_halted_{service}": (
            Row(send=write("POST", f"{path}/halted/resume", json=where), allowed=ADMIN, status=409),
        ),
    }
