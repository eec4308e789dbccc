"""A list as readers page through it: the ranked columns, their sorted order, and digests to tell changes by.

*What.* Ranks an open project on the pinned view, or takes a closed one from its last version (`closed`). *Why apart.* Both
give one shape, so that pages, filters and rows are written once. *Never:* store anything, or rank on the event loop.
"""

import asyncio
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from matching.cache import Cache
from matching.ledger_rows import root
from matching.lists import RankedList
from matching.ties import sorted_order
from services.chassis.runtime import Runtime
from services.matches.queries.computations import Computations
from services.matches.worker.index import Pinned

_NO_DAY = "0001-01-01"
_KEPT = 16_384

# A list is ranked anew far more often than its rows change, and their root takes five times as long as their digest.
_ROOTS: Cache[tuple[bytes, str], str] = Cache(_KEPT)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Computed:
    """A ranked list, the places of all its rows in sorted order (points, tie hash, id), and digests to compare it by.

    `digest` is the list's own; `rows_digest` leaves the reference date out, for the date alone is no change.
    """

    ranked: RankedList
    order: npt.NDArray[np.int64]
    digest: str
    rows_digest: str

    @classmethod
    def of(cls, ranked: RankedList) -> "Computed":
        """Prepare a list for paging; a thread's work."""
        order = sorted_order(ranked.points, ranked.tie, ranked.ids)
        packed = ranked.packed()
        content = blake2b(replace(ranked, reference_date=_NO_DAY).header(), digest_size=32)
        content.update(packed)
        key = content.digest(), ranked.reference_date
        return cls(
            ranked=ranked,
            order=order,
            digest=_ROOTS.get(key) or _ROOTS.keep(key, root(ranked.header(), packed)),
            rows_digest=content.hexdigest()[:32],
        )

    def digest_at(self, day: str) -> str:
        """Return the digest that these rows have under another reference date."""
        if day == self.ranked.reference_date:
            return self.digest
        return replace(self.ranked, reference_date=day).digest()


async def ranked_now(runtime: Runtime, project: str, pinned: Pinned) -> Computed:
    """Return the list of a project on a pinned view. Raises KeyError if the view does not have it."""
    computations: Computations = runtime.state["computations"]

    def rank() -> Computed:
        return Computed.of(pinned.view.rank(project, pinned.day))

    return await computations.get(_key(project, pinned), lambda: asyncio.to_thread(rank))


def offer(runtime: Runtime, lists: Mapping[str, Computed], pinned: Pinned) -> None:
    """Let readers have what the ranker computed on a pinned view; they ask for it as soon as they may."""
    computations: Computations = runtime.state["computations"]
    for project, computed in lists.items():
        computations.keep(_key(project, pinned), computed)


def _key(project: str, pinned: Pinned) -> Hashable:
    """Name what the list is computed from: whatever else is written meanwhile, it is the same list."""
    return "list", project, pinned.view.basis(project), pinned.epoch, pinned.day
