"""Pages of a list, and one organisation's row: what `GET /v1/lists/{project}/candidates…` answers.

*What.* Chooses the rows of a page, fetches names and reasons for those alone, and puts the answer together. *Never:* ask
who the caller is beyond the view that it is given, or load anything for rows that are not on the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from matching.changes import WhatIf
from matching.explanation import Explanation
from matching.lists import RankedList, Row
from matching.placement import STEP_BITS
from matching.rules import codes_of
from matching.sentences import phrases_in
from services.chassis.web.problems import InvalidParameter, NotFound
from services.chassis.web.small_counts import coarse
from services.matches.queries.archive import organisations_of
from services.matches.queries.directory import NO_FACE, directory_of, face_of
from services.matches.queries.filters import Filters
from services.matches.queries.listing import Listing
from services.matches.queries.pages import Page, Place, page
from services.matches.queries.showing import candidate_json, row_of, rules_json
from services.matches.queries.telling import Telling
from services.matches.rules.rights import View, stepped


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a page was asked for. `own`: the one organisation whose row may be shown, None for all."""

    filters: Filters
    limit: int
    parts: bool = False
    excluded: bool = False
    own: str | None = None
    language: str = "en"


def envelope(listing: Listing, *, view: View, language: str) -> dict[str, Any]:
    """Return an answer without rows: where the list stands, its budgets and figures, small counts for who sees all."""
    counts, coverage = listing.figures()
    body = listing.described(language=language) | {
        "view": view,
        "total_budget": 0,
        "budgets": {},
        "floor": dict(listing.weights.floors),
        "head": 0,
        "serves_ldc": False,
        "counts": counts if view == "whole" else coarse(counts),
        "coverage": coverage if view == "whole" else [],
        "changed_since_first_page": False,
        "candidates": [],
        "excluded": [],
        "also_fits": None,
        "next": None,
    }
    if listing.computed is not None:
        ranked = listing.computed.ranked
        body |= {
            "total_budget": ranked.total_budget,
            "budgets": dict(ranked.budgets),
            "head": ranked.head,
            "serves_ldc": ranked.serves_ldc,
        }
    return body


async def candidates(
    listing: Listing, asked: Asked, *, after: Place | None
) -> tuple[list[dict[str, Any]], dict[str, Any] | None, Page]:
    """Return the rows of a page, beside the first page of an open list its lane, and where the next page begins."""
    computed = listing.computed
    if computed is None:
        if listing.project.record:  # of a project that is only announced, its needs are not known yet
            asked.filters.check_need(need["id"] for need in listing.project.record.get("needs", ()))
        return [], None, Page(places=(), following=None)
    ranked = computed.ranked
    mask = asked.filters.mask(ranked)
    if asked.own is not None:
        mask &= np.array([member == asked.own for member in ranked.members], np.bool_)
    if asked.filters.need is not None and listing.state == "closed" and not ranked.need_weights:
        raise InvalidParameter("This closed list has no needs to order by.")
    found = page(computed, mask, after=after, limit=asked.limit, by=asked.filters.ordering(ranked))
    if after is not None or not listing.weights.lane or listing.version.lane is None:
        return await _shown(listing, ranked, found.places, asked), None, found
    lane = _lane(listing, ranked, mask)
    rows = await _shown(listing, ranked, (*found.places, *lane), asked)
    beside = zip(rows[len(found.places) :], lane.values(), strict=True)
    label, rule = phrases_in(asked.language).lane()
    also_fits = {"label": label, "rule": rule, "candidates": [row | {"seen": share} for row, share in beside]}
    return rows[: len(found.places)], also_fits, found


def _lane(listing: Listing, ranked: RankedList, mask: npt.NDArray[np.bool_]) -> dict[int, int]:
    """Return the places of those in a list's lane that `mask` lets through, each with the share it was chosen by.

    Who stands in the lane was chosen with the version; the rows are the list's own, as it is computed now.
    """
    able = mask & ranked.above_floor
    able[: len(listing.weights.attention)] = False
    found = {}
    for one in orjson.loads(listing.version.lane):
        rank = ranked.position_of(one["organisation"])
        if rank is not None and able[rank - 1]:
            found[rank - 1] = one["share"]
    return dict(sorted(found.items()))


async def excluded(
    listing: Listing, asked: Asked, *, after: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """Return those whom a hard rule leaves out, by id, each with its rules; and the last id if more follow."""
    if listing.computed is None:
        return [], None
    ranked = listing.computed.ranked
    pairs = zip(ranked.excluded_members, ranked.excluded_rules.tolist(), strict=True)
    rows = sorted(
        (name, bits) for name, bits in pairs if (after is None or name > after) and asked.own in {None, name}
    )
    taken = rows[: asked.limit]
    async with listing.runtime.database.read() as connection:
        faces = await directory_of(listing.runtime).of(connection, [name for name, _ in taken])
    reason = listing.project.presence_reason
    shown = [
        {"organisation": name}
        | dict(faces.get(name) or NO_FACE)
        | {"code": codes_of(bits)[0], "failed_rules": rules_json(codes_of(bits), reason, asked.language)}
        for name, bits in taken
    ]
    return shown, taken[-1][0] if len(rows) > asked.limit else None


async def candidate(listing: Listing, organisation: str, *, view: View, language: str) -> dict[str, Any]:
    """Return one organisation on one list: its place or why it has none, every part, what is missing, what would help.

    Raises NotFound if no such organisation is known here, or the project has no list yet.
    """
    if listing.computed is None:
        raise NotFound("The project has no list yet; ask again in a moment.")
    ranked = listing.computed.ranked
    rank = ranked.position_of(organisation)
    failed = _failed(ranked, organisation)
    revision = int(ranked.revisions[rank - 1]) if rank is not None else await _revision(listing, organisation)
    asked = Telling(language=language, passages=True, gaps=True)
    explained = await listing.explained([(organisation, revision)], asked)
    explanation = explained.get(organisation)
    async with listing.runtime.database.read() as connection:
        records = await organisations_of(connection, [organisation])
    body = listing.described(language=language) | {
        "view": view,
        "eligible": rank is not None,
        "total_budget": ranked.total_budget,
        "budgets": dict(ranked.budgets),
    }
    if rank is not None:
        row = candidate_json(
            _confident(ranked.row(rank), explanation),
            face_of(records.get(organisation)),
            total=ranked.total_budget,
            reasons=_why(listing, explanation, language, known=organisation in records),
            parts=() if explanation is None else explanation.parts,
            tie_group=ranked.tie_groups([rank - 1])[0] if view == "whole" else None,
            language=language,
        )
        what_ifs = await listing.what_ifs(organisation, explanation, language=language)
        return (
            body
            | row
            | {
                "margin": margin(ranked, rank, view=view),
                "failed_rules": [],
                "gaps": [] if explanation is None else gaps_json(explanation, view=view),
                "what_ifs": [what_if_json(one, view=view) for one in what_ifs],
            }
        )
    if explanation is None and failed and not listing.explains:
        raise NotFound(phrases_in(language).earlier())
    if explanation is None:
        raise NotFound("No such organisation is known here, or it was erased.")
    return body | _left_out(listing, failed, records.get(organisation), explanation, language, view=view)


def _why(
    listing: Listing, explanation: Explanation | None, language: str, *, known: bool
) -> tuple[str, ...] | None:
    """Return the reasons of a row, why there are none any more, or None where its record was erased."""
    if known and not listing.explains:
        return (phrases_in(language).earlier(),)
    return None if explanation is None else explanation.reasons


def gaps_json(explanation: Explanation, *, view: View) -> list[dict[str, Any]]:
    """Return what is missing, what gives most first; an organisation is told no points.

    With them, and the rank that a change gives, it could read at how many points others stand.
    """
    hidden = {"points": None} if view == "own" else {}
    return [gap.to_json() | hidden for gap in explanation.gaps]


def what_if_json(one: WhatIf, *, view: View) -> dict[str, Any]:
    """Return a change that would give a better rank; an organisation is told no points, as in its margin."""
    return one.to_json() | ({"points": None} if view == "own" else {})


def margin(ranked: RankedList, rank: int, *, view: View) -> dict[str, Any] | None:
    """Return the distance to the next rank that more points lead to: exact for those who see the list, in steps for the organisation.

    Rows above that a step placed there with fewer points are passed over. None at the first rank, where nobody above has as many
    points, and where the group's cap keeps the row out of the head: it is not for want of points that it stands there.
    """
    mine = rank - 1
    reached = np.flatnonzero(ranked.points[:mine] >= ranked.points[mine])
    if not len(reached):
        return None
    above = int(reached[-1])
    if above < ranked.head and int(ranked.steps[mine]) & STEP_BITS["parent_cap"]:
        return None
    fit = int(ranked.fit[above]) - int(ranked.fit[mine])
    if view == "own":
        return {"to_rank": above + 1, "points": None, "fit": stepped(fit)}
    return {"to_rank": above + 1, "points": int(ranked.points[above]) - int(ranked.points[mine]), "fit": fit}


def _left_out(
    listing: Listing,
    failed: Sequence[str],
    record: Mapping[str, Any] | None,
    explanation: Explanation,
    language: str,
    *,
    view: View,
) -> dict[str, Any]:
    """Return an organisation that a hard rule leaves out: its points as they would be, and the rules."""
    codes = failed or explanation.failed_rules
    reasons = rules_json(codes, listing.project.presence_reason, language)
    row = candidate_json(
        row_of(explanation),
        face_of(record),
        total=explanation.total_budget,
        reasons=explanation.reasons,
        parts=explanation.parts,
        language=language,
    )
    row["reasons"] = [*(rule["sentence"] for rule in reasons), *explanation.reasons]
    return row | {
        "rank": None,
        "margin": None,
        "failed_rules": reasons,
        "gaps": gaps_json(explanation, view=view),
        "what_ifs": [],
    }


def _failed(ranked: RankedList, organisation: str) -> tuple[str, ...]:
    for name, bits in zip(ranked.excluded_members, ranked.excluded_rules.tolist(), strict=True):
        if name == organisation:
            return codes_of(bits)
    return ()


async def _revision(listing: Listing, organisation: str) -> int:
    async with listing.runtime.database.read() as connection:
        records = await organisations_of(connection, [organisation])
    return int(records[organisation]["revision"]) if organisation in records else 0


async def _shown(
    listing: Listing, ranked: RankedList, places: Sequence[int], asked: Asked
) -> list[dict[str, Any]]:
    """Return rows with names and reasons: one query for all, and no part named that nobody asked for."""
    rows = list(ranked.rows_at(places))
    async with listing.runtime.database.read() as connection:
        faces = await directory_of(listing.runtime).of(connection, [row.member for row in rows])
    explained: Mapping[str, Explanation] = {}
    if asked.parts or listing.state == "closed":
        keys = [(row.member, row.revision) for row in rows]
        explained = await listing.explained(keys, Telling(language=asked.language))
        reasons = {name: explanation.reasons for name, explanation in explained.items()}
        if not listing.explains:
            reasons = dict.fromkeys(faces, (phrases_in(asked.language).earlier(),))
    else:
        reasons = await listing.reasons(rows, language=asked.language)
    need = asked.filters.need
    points = None if need is None else ranked.need_points(need)
    # An organisation that sees its own row alone is not told how near others stand.
    ties = ranked.tie_groups(places) if asked.own is None else [None] * len(rows)
    shown = []
    for place, row, tie_group in zip(places, rows, ties, strict=True):
        explanation = explained.get(row.member)
        shown.append(
            candidate_json(
                _confident(row, explanation),
                faces.get(row.member),
                total=ranked.total_budget,
                reasons=reasons.get(row.member),
                parts=(explanation.parts if explanation else ()) if asked.parts else None,
                need_points=None if points is None else int(points[place]),
                tie_group=tie_group,
                language=asked.language,
            )
        )
    return shown


def _confident(row: Row, explanation: Explanation | None) -> Row:
    """Give a row the confidence of its explanation: a closed list does not store it."""
    return row if explanation is None else replace(row, confidence=explanation.confidence)
