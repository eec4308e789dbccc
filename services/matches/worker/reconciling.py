"""Reconciling: whether the parts that are shown add up to the points of their row, exactly.

*What.* Holds explanations, which are made pair by pair in plain Python, against the list, which the kernel summed, and
counts both outcomes. *Why.* Promise 2 is kept where somebody is told, and on a sample of what nobody asked about.
*Never:* correct anything; a sum that is off is an error of ours, is logged as one and shows in the metric.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from random import Random

import structlog

from matching.explanation import Explanation
from matching.lists import COMPONENTS, RankedList
from services.chassis.runtime import Runtime
from services.chassis.telemetry import Metrics
from services.matches.worker.documents import Analysis
from services.matches.worker.index import Pinned

SAMPLE_SECONDS = 30.0

logger = structlog.get_logger(__name__)


def adds_up(ranked: RankedList, explained: Explanation) -> bool | None:
    """Whether the parts are the points of the row, component by component; None where they are not of one revision."""
    rank = ranked.position_of(explained.member)
    sums = dict.fromkeys(COMPONENTS, 0)
    for part in explained.parts:
        sums[part.component] += part.points
    if sums != dict(explained.components) or sum(sums.values()) != explained.points:
        return False
    if rank is None:  # a hard rule leaves it out, so there is no row to hold it against
        return True
    row = ranked.row(rank)
    if (row.revision, ranked.epoch, ranked.project_revision) != (
        explained.revision,
        explained.epoch,
        explained.project_revision,
    ):
        return None
    return row.components == explained.components


def reconcile(metrics: Metrics, ranked: RankedList, explanations: Iterable[Explanation]) -> None:
    """Count which explanations add up; one that does not is logged with its ids."""
    for explained in explanations:
        outcome = adds_up(ranked, explained)
        if outcome is None:
            continue
        metrics.explanations.labels("adds up" if outcome else "off").inc()
        if not outcome:
            logger.error(
                "parts do not add up to the points",
                project=explained.project,
                organisation=explained.member,
                revision=explained.revision,
                epoch=explained.epoch,
            )


async def sample(runtime: Runtime, stop: asyncio.Event) -> None:
    """Explain one candidate of one open list now and then, chosen by lot, and hold it against the list."""
    while not stop.is_set():
        pinned = await runtime.state["index"].pin()
        try:
            await asyncio.to_thread(sample_once, runtime, pinned, Random())
        except Exception:
            # The edge of a check: what it cannot look at is as bad as what does not add up, and no reason to end the process.
            runtime.metrics.explanations.labels("off").inc()
            logger.exception("a candidate could not be explained")
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), SAMPLE_SECONDS)


def sample_once(runtime: Runtime, pinned: Pinned, lot: Random) -> None:
    """Draw a list and one of its candidates; nothing where there is none."""
    view = pinned.view
    if not view.projects:
        return
    ranked = view.rank(lot.choice(view.projects), pinned.day)
    if not len(ranked):
        return
    analysis: Analysis = runtime.state["analysis"]
    with analysis.turn:
        explained = view.explain(ranked.project, lot.choice(ranked.members), pinned.day)
    reconcile(runtime.metrics, ranked, [explained])
