"""A real list for whoever is told of it: one project, so many organisations above its floor, ranked and answered for by `matches`.

What: revisions are put into the archive as its consumer leaves them, with the analyser's stems; the service then starts as
it always does, its ranker writes the first version, and its API gives reasons. Every organisation's text is its own: the demo's
sentences, and words of the project in an order of their own, so that no passage is quoted and nobody shares an account. It must
not measure anything, nor answer in the service's place.
"""

import hashlib
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import insert

from benchmarks.write_to_list import make_town
from migrations.running import migrate
from services.chassis.bus.transport import TopicPartition
from services.chassis.database import Database
from services.chassis.runtime import Runtime
from services.chassis.settings import Settings
from services.matches import SERVICE
from services.matches.queries.computed import ranked_now
from services.matches.tables import DOCUMENTS
from services.matches.worker.documents import MEMBER, PROJECT, Analysis
from services.matches.worker.index import Index
from services.matches.worker.ownership import Ownership
from services.matches.worker.ranker import Ranker

_SHARED_WORDS = 12  # with many more, a profile is taken for one that quotes the project
_SPARE = 1.1
_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RealList:
    """The service, the project's record, and who stands above its floor."""

    runtime: Runtime
    project: dict[str, Any]
    above: Sequence[str]


def prepare(settings: Settings) -> None:
    """Make the files of the service; in a thread, where a loop runs."""
    migrate(settings, ["log", "matches"])


async def ranked(settings: Settings, organisations: int, seed: int = 1) -> RealList:
    """Archive, start, rank. SystemExit where fewer than so many stand above the floor."""
    town, chance = make_town(int(organisations * _SPARE), 1, seed), random.Random(seed)
    project = town.projects[0] | {
        "revision": 2, "state": "published", "published_at": "2026-11-01T00:00:00.000000Z", "owner": str(uuid.UUID(int=1)),
        "presence_required": {"required": False}, "countries": ["KEN"], "level": "national", "deadline": None,
    }  # fmt: skip
    told = project["objectives"][0]["text"].replace(".", " ").replace(",", " ").split()
    words = sorted({word for word in told if len(word) > 5})
    bodies = []
    for body in town.organisations:
        own = body["descriptions"][0]["text"]
        shared = " ".join(chance.sample(words, _SHARED_WORDS))
        texts = [{"language": "en", "text": f"{own}. {shared}."}]
        bodies.append(body | {"descriptions": texts, "revision": 1, "state": "active"})
    runtime = Runtime(
        settings=settings,
        service=SERVICE,
        database=Database.for_service(settings, "matches"),
        transport=None,  # type: ignore[arg-type] - nothing of this is relayed
    )
    analysis = runtime.state["analysis"] = Analysis()
    rows = [_row(analysis, PROJECT, "projects.v1", 0, project)]
    rows += [_row(analysis, MEMBER, "members.v1", place, body) for place, body in enumerate(bodies)]
    async with runtime.database.write() as connection:
        for start in range(0, len(rows), _AT_ONCE):
            await connection.execute(insert(DOCUMENTS), rows[start : start + _AT_ONCE])
    await SERVICE.startup(runtime)
    await _rank(runtime)
    index: Index = runtime.state["index"]
    computed = await ranked_now(runtime, project["id"], await index.pin())
    found = computed.ranked
    above = [name for name, stands in zip(found.members, found.above_floor.tolist(), strict=True) if stands]
    if len(above) < organisations:
        raise SystemExit(f"only {len(above)} organisations are above the floor, not {organisations}")
    return RealList(runtime=runtime, project=project, above=above)


async def _rank(runtime: Runtime) -> None:
    index: Index = runtime.state["index"]
    group = {TopicPartition("projects.v1", 0)}
    owned = Ownership(runtime, "benchmark", group=lambda: group)
    ranker = Ranker(runtime, index, owned)
    await owned.assigned(frozenset(group))
    await index.watch()
    while await ranker.step():
        pass


def _row(analysis: Analysis, kind: str, topic: str, offset: int, body: dict[str, Any]) -> dict[str, Any]:
    record = orjson.dumps(body)
    return {
        "kind": kind, "id": body["id"], "incarnation": 1, "version": body["revision"], "topic": topic, "partition": 0,
        "offset": offset, "came": offset, "late": None, "event_id": str(uuid.uuid4()), "latest": True, "erased": False,
        "content_hash": hashlib.sha256(record).hexdigest(), "record": record, "analysed": analysis.of(kind, record),
    }  # fmt: skip
