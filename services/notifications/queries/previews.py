"""What conditions would have brought, before they are saved.

*What.* Of the open projects on which the organisation crossed the floor or a band in the last 30 days, and that it has not
dismissed, how many meet the conditions, and what each condition costs. *Why.* Too broad floods, too narrow is silent; both are seen before, not after.
*Never:* confidence, which is looked at when a notice is made, or a place in a list.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import select

from services.chassis.reference import Reference
from services.chassis.runtime import Runtime, timestamp
from services.notifications.rules.conditions import failed, reaches_band
from services.notifications.tables import DISMISSALS, PROJECTS, STANDINGS

DAYS = 30


async def preview(runtime: Runtime, organisation: str, conditions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counts of a preview; nothing is stored."""
    reference: Reference = runtime.state["reference"]
    now = runtime.clock.now()
    query = (
        select(PROJECTS.c.facts, STANDINGS.c.band)
        .join(STANDINGS, STANDINGS.c.project == PROJECTS.c.id)
        .where(
            STANDINGS.c.organisation == organisation,
            STANDINGS.c.standing,
            STANDINGS.c.crossed_at >= timestamp(now - timedelta(days=DAYS)),
            PROJECTS.c.state == "published",
            ~select(DISMISSALS.c.project)
            .where(
                DISMISSALS.c.organisation == organisation,
                DISMISSALS.c.project == PROJECTS.c.id,
                ~DISMISSALS.c.lifted,
            )
            .exists(),
        )
    )
    async with runtime.database.read() as connection:
        rows = (await connection.execute(query)).all()
    excluded: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    matching = 0
    for row in rows:
        missing = failed(
            conditions,
            orjson.loads(row.facts),
            least_developed=lambda country: reference.in_group(country, "ldc", now.date()),
        )
        if not reaches_band(row.band, conditions.get("minimum_band")):
            missing = (*missing, "minimum_band")
        matching += not missing
        excluded.update(missing)
        if len(missing) == 1:
            alone.update(missing)
    ordered = sorted(excluded, key=lambda name: (-excluded[name], name))
    return {
        "days": DAYS,
        "considered": len(rows),
        "matching": matching,
        "excludes_most": ordered[0] if ordered else None,
        "excluding": [
            {"condition": name, "excluded": excluded[name], "would_match_without": matching + alone[name]}
            for name in ordered
        ],
    }
