"""Reasons of rows in a reader's language, and those of a first page said ahead while its version is being written.

*What.* Says reasons in a thread, one pair at a time under the analyser's turn; what was said is kept by the engine. Somebody
who waits for a list is going to ask for its first page: while its version is brought to the disk, the reasons of those rows
and of the lane beside them are said. *Never:* show anything (who may see what is asked later), or hold the ranker up.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from matching.view import View
from services.chassis.runtime import Runtime
from services.matches.worker.documents import Analysis
from services.matches.worker.index import Pinned

FIRST_ROWS = 10
"""Rows of a first page; a longer one says the rest itself."""


Saying = asyncio.Future[dict[str, tuple[str, ...]]]


class Awaited:
    """The lists that somebody waits for in this process, each with the language that it will be told in."""

    def __init__(self) -> None:
        self._readers: Counter[tuple[str, str]] = Counter()
        self._ahead: dict[tuple[str, str], Saying] = {}

    @contextmanager
    def by_reader(self, project: str, language: str) -> Iterator[None]:
        """Count a reader for as long as this lasts."""
        self._readers[project, language] += 1
        try:
            yield
        finally:
            self._readers[project, language] -= 1
            self._readers += Counter()  # lets go of those for whom nobody waits any more

    def say_ahead(self, runtime: Runtime, lists: Mapping[str, Sequence[str]], pinned: Pinned) -> None:
        """Begin to say the reasons of these rows of those lists that are waited for, as soon as the caller waits."""
        asyncio.get_running_loop().call_soon(self._begin, runtime, lists, pinned)

    def _begin(self, runtime: Runtime, lists: Mapping[str, Sequence[str]], pinned: Pinned) -> None:
        loop = asyncio.get_running_loop()
        for reader in self._readers:
            project, language = reader
            if project in lists:
                saying = loop.run_in_executor(
                    None, say, runtime, pinned.view, project, lists[project], language
                )
                self._ahead[reader] = saying
                saying.add_done_callback(partial(self._said, reader))

    async def said(self, project: str, language: str) -> None:
        """Wait for what is being said ahead of a list."""
        saying = self._ahead.get((project, language))
        if saying is not None:
            await asyncio.wait([saying])

    def _said(self, reader: tuple[str, str], saying: Saying) -> None:
        if self._ahead.get(reader) is saying:
            del self._ahead[reader]


def say(
    runtime: Runtime, view: View, project: str, organisations: Sequence[str], language: str
) -> dict[str, tuple[str, ...]]:
    """Say why, in a few sentences, for each of these pairs; those not known in the view are left out. Runs in a thread."""
    analysis: Analysis = runtime.state["analysis"]
    found: dict[str, tuple[str, ...]] = {}
    with suppress(KeyError):
        notices = view.notices(project, organisations)  # they are met with the project in one pass
        for organisation in organisations:
            with suppress(KeyError), analysis.turn:
                found[organisation] = notices.reasons(organisation, language)
    return found
