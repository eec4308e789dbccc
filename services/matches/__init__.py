"""Matches: ranks every eligible organisation on every open project, and shows why.

Owns the archive of revisions, epochs and days, list versions and standings. It writes no project and no profile, and it
has no way to award anything: what it says is a suggestion.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

import orjson
from sqlalchemy import select

from services.chassis.reference import load_reference
from services.chassis.runtime import Runtime, Service
from services.matches import commands
from services.matches.commands.restoring import OWNER
from services.matches.consumers import ARCHIVE
from services.matches.queries.computations import Computations
from services.matches.queries.directory import Directory
from services.matches.queries.exposure import Shown
from services.matches.queries.progress import progress as ranking_progress
from services.matches.queries.progress import uncovered_seconds
from services.matches.queries.reasons import Awaited
from services.matches.queries.register import Register
from services.matches.routes import routers
from services.matches.routes.sending import open_places
from services.matches.rules.glossary import glossary_of
from services.matches.tables import METADATA, RANKING
from services.matches.worker.documents import Analysis
from services.matches.worker.feeding import feeder
from services.matches.worker.index import Index
from services.matches.worker.loops import followers, loops
from services.matches.worker.tail import Tail


async def startup(runtime: Runtime) -> None:
    """Prove the analyser, make sure of an epoch and a day, and build the index; before anybody is answered."""
    runtime.state["reference"] = load_reference()
    runtime.state["glossary"] = glossary_of(runtime.state["reference"])
    runtime.state["computations"] = Computations()
    runtime.state["awaited"] = Awaited()
    runtime.state["directory"] = Directory()
    runtime.state["register"] = Register(runtime.state["reference"])
    runtime.state["exposure"] = Shown()
    runtime.state["tail"] = Tail(runtime)
    open_places(runtime)
    if "analysis" not in runtime.state:  # whoever runs several of us in one process may share it
        runtime.state["analysis"] = Analysis()
    await commands.open_frame(runtime)
    index = Index(runtime, runtime.state["analysis"])
    await index.load()
    runtime.state["index"] = index


async def readiness(runtime: Runtime) -> Mapping[str, str | None]:
    """Return whether this process can answer about lists."""
    index: Index | None = runtime.state.get("index")
    return {"index": None if index is not None and index.loaded else "The index is being built."}


async def progress(runtime: Runtime) -> Mapping[str, Any]:
    """Return how far lists have come, and how much of the log this process's consumer has before it."""
    async with runtime.database.read() as connection:
        rows = (await connection.execute(select(RANKING).order_by(RANKING.c.partition))).all()
    unknown, words = runtime.state["index"].unknown_words()
    figures: dict[str, Any] = {
        "open_projects": len(runtime.state["index"].projects),
        "unknown_words": {"unknown": unknown, "words": words},
        "ranked_to": {str(row.partition): orjson.loads(row.ranked_to) for row in rows},
    }
    consumer = runtime.state.get("consumer")
    return figures if consumer is None else figures | {"archive": await consumer.progress()}


async def measure(runtime: Runtime) -> None:
    """Set the gauges that say whether lists are complete, of which day they are, and how well the epoch knows the texts."""
    lists = await ranking_progress(runtime)
    runtime.metrics.lists_open.labels("matches").set(lists["projects"])
    runtime.metrics.lists_missing.labels("matches").set(lists["projects"] - lists["lists"])
    age = 0.0 if lists["complete"] else await uncovered_seconds(runtime)
    runtime.metrics.lists_incomplete.labels("matches").set(age)
    days = (runtime.clock.now().date() - date.fromisoformat(lists["day"])).days
    runtime.metrics.day_age.labels("matches").set(max(0, days))
    unknown, words = runtime.state["index"].unknown_words()
    runtime.metrics.unknown_words.labels("matches").set(unknown / words if words else 0.0)


SERVICE = Service(
    name="matches",
    title="Ranked lists with reasons: every eligible organisation on every open project, and how the ranking is done.",
    prefixes=(
        "/v1/lists",
        "/v1/opportunities",
        "/v1/exposure",
        "/v1/feeds",
        "/v1/streams",
        "/v1/exports",
        "/v1/ranking-statement",
        "/v1/ranking-progress",
        "/v1/epochs",
        "/v1/days",
        "/v1/audit/matches",
        "/v1/dead-letters/matches",
    ),
    metadata=METADATA,
    routers=routers,
    topics=("matches.v1", "standings.v1", "epochs.v1"),
    owner=OWNER,
    linger_seconds=0.05,  # what waits for a list waits for its commit, not for the event that tells of it
    relayed=feeder,
    readers=(ARCHIVE,),
    loops=loops,
    body_limits={"/v1/epochs": commands.MAX_EPOCH_BYTES, "/v1/ranking-progress": 4_000_000},
    followers=followers,
    startup=startup,
    readiness=readiness,
    progress=progress,
    measure=measure,
)
