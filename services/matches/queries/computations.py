"""Ranked lists that were computed for a reader, kept a while: one computation for all who ask at the same moment.

*What.* A small bounded cache whose entries are computed in threads, each key once. *Why.* A page costs the ranking of the
whole list; the pages after it, and other readers, should not pay again. Keys name what a result is computed from, so nothing
here is ever stale. *Never:* compute on the event loop.
"""

import asyncio
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

Result = TypeVar("Result")


class Computations:
    """At most `most` results, the longest unused going first; as many at work at once as there are processors."""

    def __init__(self, most: int = 16) -> None:
        self.most = most
        self._kept: OrderedDict[Hashable, asyncio.Future[Any]] = OrderedDict()
        self._turns = asyncio.Semaphore(os.cpu_count() or 1)

    async def get(self, key: Hashable, make: Callable[[], Awaitable[Result]]) -> Result:
        """Return the result kept under the key, or the one that `make` gives; an error is raised and not kept."""
        task = self._kept.get(key)
        if task is None:
            task = asyncio.create_task(self._run(make))
            self._kept[key] = task
            task.add_done_callback(lambda done: self._forget_failed(key, done))
            self._trim()
        else:
            self._kept.move_to_end(key)
        # Shielded: one reader who goes away must not take the result from the others.
        result: Result = await asyncio.shield(task)
        return result

    def keep(self, key: Hashable, result: object) -> None:
        """Keep a result that somebody has computed already."""
        done = asyncio.get_running_loop().create_future()
        done.set_result(result)
        self._kept[key] = done
        self._trim()

    def _trim(self) -> None:
        if len(self._kept) > self.most:
            self._kept.popitem(last=False)

    async def _run(self, make: Callable[[], Awaitable[Result]]) -> Result:
        async with self._turns:
            return await make()

    def _forget_failed(self, key: Hashable, task: asyncio.Future[Any]) -> None:
        if (task.cancelled() or task.exception() is not None) and self._kept.get(key) is task:
            del self._kept[key]
