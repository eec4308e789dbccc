"""A project's list opened for one answer: which rows, under which version, epoch, day and positions.

*What.* Finds the project, its newest version and its computed list, so that every answer about the list says the same of
where it stands. *Why one place.* A list can be absent (not ranked yet), computed (open) or stored (closed), and no route
should ask which. *Never:* decide who may see it; that was asked before, or is asked with the project's team that it has.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from sqlalchemy import func, select

from matching.changes import WhatIf
from matching.explanation import Explanation
from matching.lists import Row
from matching.records import Need
from matching.weights import Weights
from schemas.http.suggestion import SUGGESTIONS
from services.chassis.runtime import Runtime
from services.chassis.web.problems import Unavailable
from services.matches import events
from services.matches.queries import closed
from services.matches.queries.archive import PROJECT_NAMED, ArchivedProject, published
from services.matches.queries.computed import Computed, ranked_now
from services.matches.queries.epochs import epoch_named
from services.matches.queries.reasons import Awaited, say
from services.matches.queries.telling import Telling
from services.matches.tables import DOCUMENTS, LIST_VERSIONS
from services.matches.worker.documents import Analysis
from services.matches.worker.index import FOLLOWED, Index, Pinned
from services.matches.worker.reconciling import reconcile
from services.matches.worker.versions import counts_of, coverage_of

State = Literal["ranking", "ranked", "closed"]

_PATIENCE_SECONDS = 2.0
_LEFT_OUT = {"head", "delta", "rows", "excluded", "attention", "partition"}  # the project has a partition too
_METADATA = [column for column in LIST_VERSIONS.c if column.name not in _LEFT_OUT]
_NUMBERS = LIST_VERSIONS.alias("numbers")
_NEWEST = select(func.max(_NUMBERS.c.number)).where(_NUMBERS.c.project == DOCUMENTS.c.id).scalar_subquery()
_PROJECT_AND_VERSION = PROJECT_NAMED.add_columns(*_METADATA).select_from(
    DOCUMENTS.outerjoin(
        LIST_VERSIONS, (LIST_VERSIONS.c.project == DOCUMENTS.c.id) & (LIST_VERSIONS.c.number == _NEWEST)
    )
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Listing:
    """A list as it stands for one answer. Without a version there are no rows yet: `computed` is None."""

    runtime: Runtime
    project: ArchivedProject
    version: Any
    computed: Computed | None
    pinned: Pinned
    weights: Weights  # the published table that the list was ranked by
    changed_since: bool = False
    explains: bool = True  # False: it is closed, and this release has not the analyser that it was ranked by

    @property
    def state(self) -> State:
        """Where the list is in its life."""
        if self.version is None or self.computed is None:
            return "ranking"
        return "closed" if self.version.final else "ranked"

    async def reasons(self, rows: Sequence[Row], *, language: str) -> dict[str, tuple[str, ...]]:
        """Say why, in a few sentences, for these rows of an open list; those not known here are left out."""
        names = [row.member for row in rows]
        awaited: Awaited = self.runtime.state["awaited"]
        await awaited.said(self.project.id, language)
        found = self.pinned.view.reasons_told(self.project.id, names, language=language)
        missing = [name for name in names if name not in found]
        if missing:
            found |= await asyncio.to_thread(
                say, self.runtime, self.pinned.view, self.project.id, missing, language
            )
        return found

    async def explained(
        self, organisations: Sequence[tuple[str, int]], asked: Telling
    ) -> dict[str, Explanation]:
        """Explain these organisations, given with the revisions of their rows; those not known here are left out."""
        if self.computed is None or not organisations or not self.explains:
            return {}
        if self.state == "closed":
            found = await closed.explained(self.runtime, self.computed.ranked, organisations, asked)
        else:
            names = [name for name, _ in organisations]
            found = await asyncio.to_thread(self._explained, names, asked)
        reconcile(self.runtime.metrics, self.computed.ranked, found.values())
        return found

    async def what_ifs(
        self, organisation: str, explained: Explanation | None, *, language: str
    ) -> tuple[WhatIf, ...]:
        """Say which few changes would give an organisation a better rank; nothing on a list that is closed.

        `explained` is its row with its gaps, None where it is not known here.
        """
        if self.state != "ranked" or explained is None:
            return ()
        return await asyncio.to_thread(self._what_ifs, organisation, explained, language)

    def _explained(self, organisations: Sequence[str], asked: Telling) -> dict[str, Explanation]:
        analysis: Analysis = self.runtime.state["analysis"]
        view, found = self.pinned.view, {}
        for organisation in organisations:
            with suppress(KeyError), analysis.turn:
                found[organisation] = view.explain(
                    self.project.id,
                    organisation,
                    self.pinned.day,
                    language=asked.language,
                    passages=asked.passages,
                    gaps=asked.gaps,
                )
        return found

    def _what_ifs(self, organisation: str, explained: Explanation, language: str) -> tuple[WhatIf, ...]:
        analysis: Analysis = self.runtime.state["analysis"]
        with suppress(KeyError), analysis.turn:
            return self.pinned.view.what_ifs(
                self.project.id, organisation, self.pinned.day, language=language, explained=explained
            )
        return ()

    def described(self, *, language: str = "en") -> dict[str, Any]:
        """Return what every answer about this list says first; the statement in the language that the answer is told in."""
        body: dict[str, Any] = {
            "project": self.project.id,
            "titles": self.project.titles,
            "project_revision": self.project.revision or None,
            "state": self.state,
            "closed_reason": self.project.record.get("closed_reason"),
            "list_version": None if self.version is None else self.version.number,
            "epoch": self.pinned.epoch,
            "reference_date": self.pinned.day,
            "as_of": list(events.as_of(self.pinned.positions)),
            "changed_since": self.changed_since,
            "statement": SUGGESTIONS[language],
        }
        if self.computed is None or self.version is None:
            return body
        ranked = self.computed.ranked
        body |= {
            "project_revision": ranked.project_revision,
            "epoch": ranked.epoch,
            "reference_date": ranked.reference_date,
        }
        if self.state == "closed":
            body["as_of"] = list(events.as_of(orjson.loads(self.version.positions)))
        return body

    def figures(self) -> tuple[dict[str, int], list[dict[str, Any]]]:
        """Return counts and need coverage: of the rows as computed, or as the final version stored them."""
        if self.computed is None or self.version is None:
            return {"candidates": 0, "above_floor": 0, "excluded": 0, "local_above_floor": 0}, []
        if self.state == "closed":
            return orjson.loads(self.version.counts), orjson.loads(self.version.coverage)
        ranked = self.computed.ranked
        needs = [Need(id=need, kind=kind) for need, (kind, _) in ranked.need_weights.items()]
        return counts_of(ranked), coverage_of(ranked, needs)


async def project_and_version(runtime: Runtime, project_id: str) -> tuple[ArchivedProject, Any]:
    """Return a published project and the newest version of its list, None before the first. Raises NotFound."""
    async with runtime.database.read() as connection:
        row = (await connection.execute(_PROJECT_AND_VERSION, {"project": project_id})).first()
    return published(row), None if row is None or row.number is None else row


async def open_listing(runtime: Runtime, project: ArchivedProject, version: Any) -> Listing:
    """Open the list of a project. Raises Unavailable if this process has not followed as far as the version."""
    index: Index = runtime.state["index"]
    computed, changed = None, False
    pinned = await index.pin()
    if version is not None and version.final:
        computed = await closed.closed_list(runtime, project.id, version.number)
    elif version is not None:
        pinned, computed = await _computed(runtime, index, project.id, version.epoch)
        if (
            pinned.epoch != version.epoch
        ):  # its engine has just gone: a newer version names the epoch in force
            _, version = await project_and_version(runtime, project.id)
        changed = computed.digest_at(version.reference_date) != version.digest
    epoch = await epoch_named(runtime, pinned.epoch if computed is None else computed.ranked.epoch)
    return Listing(
        runtime=runtime,
        project=project,
        version=version,
        computed=computed,
        pinned=pinned,
        weights=epoch.weights,
        changed_since=changed,
        explains=closed.explains(runtime, epoch),
    )


def version_line(row: Any) -> dict[str, Any]:
    """Return what is shown of a version wherever one is named."""
    number, project = row.number, row.project
    return {
        "project": project,
        "number": number,
        "project_revision": row.project_revision,
        "epoch": row.epoch,
        "reference_date": row.reference_date,
        "as_of": list(events.as_of(orjson.loads(row.positions))),
        "counts": orjson.loads(row.counts),
        "reasons": orjson.loads(row.reasons),
        "digest": row.digest,
        "final": row.final,
        "made_at": row.created_at,
        "links": {"self": f"/v1/lists/{project}/versions/{number}"},
    }


async def _computed(runtime: Runtime, index: Index, project: str, epoch: str) -> tuple[Pinned, Computed]:
    """Rank on this process's index, waiting a moment for it to follow as far as the version's writer did.

    Under the version's epoch while its engine is here: a new epoch shows with the list version that was made under it.
    """
    deadline = runtime.clock.monotonic() + _PATIENCE_SECONDS
    while True:
        pinned = await index.pin(epoch)
        try:
            return pinned, await ranked_now(runtime, project, pinned)
        except KeyError:
            left = deadline - runtime.clock.monotonic()
            if left <= 0:
                raise Unavailable("This process has not read the project's last changes yet.") from None
            await runtime.signals.wait(FOLLOWED, min(left, runtime.settings.matches.poll_seconds))
