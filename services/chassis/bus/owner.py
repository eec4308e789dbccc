"""What a service has said on its own topics: how it is said again, and how it is taken back from there.

Why a description: whoever republishes or restores is told by the service's descriptor what there is to say, as a reader
tells what there is to run. The log may know more than a database that was restored from a backup: an accepted write
that stands on a state topic is whole there, and is taken back. This module must not run anything.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import Event
from schemas.envelope import Sequence as Version

TakenBack = Literal["known", "taken", "gone"]
"""Of a record on an own topic: held already; written to the tables now; or more than the log can give back."""

Keys = Callable[[AsyncConnection, str, int], Awaitable[Sequence[str]]]
Say = Callable[[AsyncConnection, Any, Sequence[str]], Awaitable[Sequence[Event]]]
TakeBack = Callable[[AsyncConnection, Any, Event, BaseModel | None, int], Awaitable[TakenBack]]
Settle = Callable[[AsyncConnection], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """One service as the owner of its topics.

    `keys` returns up to so many keys after one, in order, of everything that the service has said and still holds.
    `say` locks these keys' rows and returns the event of each one's present state under the present incarnation: a
    tombstone for what is erased or not there. It raises UnknownKey for what cannot have been said here; `unsay` does the
    same for what the log has and a backup does not, and raises nothing (`say` itself, where `take_back` brings all back).
    `take_back` is given each record of the own topics, in order, and the incarnation that the database speaks from; it
    posts nothing. `settle` follows the last of them: it writes what only one aggregate at a time can have, which `take_back`
    cannot, because the log is read one partition after the other and an older record of one comes after a newer of another.
    """

    keys: Keys
    say: Say
    take_back: TakeBack
    unsay: Say | None = None
    settle: Settle | None = None


def is_news(event: Event, life: int, held: int | None) -> bool:
    """Whether a record says more than a row of version `held` (None: no row) in a database of incarnation `life`."""
    return held is None or event.sequence > Version(life, held)
