"""The members' side: profiles and evidence items in two indexes, facts in columns; put, forget, pin.

Rows belong to organisations for good, so a row number never means somebody else. Nothing is scored here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from matching.columns import Geography, MemberColumns, Numbers, day_number, facts_of
from matching.family import root_of
from matching.index import Index, PinnedIndex
from matching.items import Pairs, near_duplicates
from matching.judging import enrolled_rows
from matching.kernel import Asked
from matching.quoting import MemberStems
from matching.records import Member
from matching.snapshots import Kept
from matching.texts import PinnedTexts, Texts
from matching.weighed import Weighed
from matching.weights import Weights

_OPEN_END = 99_999_999


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MemberState:
    """One member's revision as it stands in the indexes.

    `profile` and `items` are its documents by term number; `entries` the items' numbers in the evidence index, in the
    order of their ids; `pairs` the near-duplicates among them; `stems` its words in order, None where no passage counts
    as quoted.
    """

    record: Member
    row: int
    profile: Asked
    items: tuple[Asked, ...]
    entries: tuple[int, ...]
    pairs: Pairs
    stems: MemberStems | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PinnedMembers:
    """The members at one moment; arrays run over rows. `conflicts` are the members that have near-duplicates.

    `moment` is the same thing as long as no member has changed, and keeps nothing of them in memory.
    """

    rows: MemberColumns
    ids: npt.NDArray[np.object_]
    states: tuple[MemberState | None, ...]
    row_of: Mapping[str, int]
    profiles: PinnedIndex
    texts: PinnedTexts
    items: PinnedIndex
    owners: npt.NDArray[np.int32]
    conflicts: tuple[MemberState, ...]
    intervals: Mapping[int, tuple[tuple[int, int], ...]]
    roots: npt.NDArray[np.int64]
    parents: Mapping[str, str]
    moment: object = field(default_factory=object)
    _enrolled: dict[int, npt.NDArray[np.bool_]] = field(default_factory=dict)

    def enrolled(self, day: int) -> npt.NDArray[np.bool_]:
        """Return which rows have an active term of membership on a day (yyyymmdd); worked out once for each day."""
        found = self._enrolled.get(day)
        if found is None:
            found = self._enrolled[day] = enrolled_rows(self.intervals, len(self.rows), day)
        return found

    def state(self, member: str) -> MemberState:
        """Return a member's state; KeyError if it is not (or no longer) here."""
        row = self.row_of[member]
        state = self.states[row] if row < len(self.states) else None
        if state is None:
            raise KeyError(member)
        return state


class MemberStore:
    """Takes members in and forgets them; `pin` gives what a view reads."""

    def __init__(self, *, names: Numbers, geography: Geography, weights: Weights) -> None:
        self._names = names
        self._geography = geography
        self._willing_reaches = bool(weights.willing_reaches)
        self._limit = weights.near_duplicate
        self._keeps_stems = any(weights.quoted.values())
        self._rows = MemberColumns.empty(64)
        self._roots = np.zeros(64, np.int64)
        self._id_column = np.empty(64, object)
        self._states: list[MemberState | None] = []
        self._row_of: dict[str, int] = {}
        self._profiles = Index(np.uint8)
        self._texts = Texts()
        self._items = Index(np.uint8)
        self._owners = np.full(64, -1, np.int32)
        self._conflicts: dict[int, MemberState] = {}
        self._intervals: dict[int, tuple[tuple[int, int], ...]] = {}
        self._parents: dict[str, str] = {}
        self._pinned: PinnedMembers | None = None

    def put(self, member: Member, weighed: Weighed) -> None:
        """Take a revision in, in place of the one that was here."""
        row = self._row_of.get(member.id)
        if row is None:
            row = self._new_row(member.id)
        previous = self._states[row]
        self._drop_items(previous)
        self._profiles.put(row, *weighed.profile)
        items = tuple(item.asked for item in weighed.items)
        state = MemberState(
            record=member,
            row=row,
            profile=weighed.profile,
            items=items,
            entries=tuple(self._put_item(row, *item) for item in items),
            pairs=near_duplicates([item.words for item in weighed.items], self._limit),
            stems=weighed.stems if self._keeps_stems else None,
        )
        self._states[row] = state
        if state.stems is not None:
            self._texts.put(
                row,
                state.stems.profile.numbers,
                recorded=day_number(member.recorded.texts),
                added=state.stems.last_added,
            )
        _set(self._conflicts, row, state if state.pairs else None)
        _set(self._intervals, row, active_terms(member) or None)
        number = self._names[member.id]
        facts = facts_of(
            member,
            has_data=weighed.has_data,
            number=number,
            geography=self._geography,
            willing_reaches=self._willing_reaches,
        )
        self._rows.set(row, facts)
        _set(self._parents, member.id, member.parent or None)
        self._roots[row] = number
        self._pinned = None

    def remove(self, member: str) -> bool:
        """Forget a member; False if it was not here."""
        row = self._row_of.get(member)
        state = None if row is None else self._states[row]
        if row is None or state is None:
            return False
        self._drop_items(state)
        self._profiles.clear(row)
        self._texts.clear(row)
        self._states[row] = None
        _set(self._conflicts, row, None)
        _set(self._intervals, row, None)
        self._rows.clear(row)
        _set(self._parents, member, None)
        self._pinned = None
        return True

    def pin(self) -> PinnedMembers:
        """Return the members as they are now."""
        if self._pinned is None:
            size = len(self._states)
            items = self._items.pin()
            self._pinned = PinnedMembers(
                rows=self._rows.copy(size),
                ids=self._id_column[:size],
                states=tuple(self._states),
                row_of=self._row_of,
                profiles=self._profiles.pin(),
                texts=self._texts.pin(size),
                items=items,
                owners=self._owners[: items.entries].copy(),
                conflicts=tuple(self._conflicts.values()),
                intervals=dict(self._intervals),
                roots=self._resolved_roots(size),
                parents=dict(self._parents),
            )
        return self._pinned

    def kept(self, keys: Mapping[str, str]) -> list[Kept]:
        """Return the members of these ids as a snapshot holds them, each under its key; those without words in order are left out."""
        return [
            Kept(
                key=keys[state.record.id],
                profile=state.profile,
                items=state.items,
                stems=state.stems,
                has_data=tuple(self._rows["has_data"][row].tolist()),
            )
            for row, state in enumerate(self._states)
            if state is not None and state.stems is not None and state.record.id in keys
        ]

    def tend(self) -> bool:
        """Put the indexes in order, where that is due; False if there was nothing to do."""
        return self._profiles.tend() | self._items.tend()

    def _new_row(self, member: str) -> int:
        row = self._profiles.new_entry()
        if row == len(self._rows):
            self._rows = self._rows.grown()
            self._roots = np.concatenate((self._roots, np.zeros(row, np.int64)))
        if row == len(self._id_column):
            self._id_column = np.concatenate((self._id_column, np.empty(row, object)))
        self._id_column[row] = member
        self._states.append(None)
        self._row_of[member] = row
        return row

    def _drop_items(self, state: MemberState | None) -> None:
        for entry in state.entries if state else ():
            self._items.drop(entry)
            self._owners[entry] = -1

    def _put_item(self, row: int, terms: npt.NDArray[np.int32], impacts: npt.NDArray[Any]) -> int:
        entry = self._items.new_entry()
        if entry >= len(self._owners):
            self._owners = np.concatenate((self._owners, np.full(len(self._owners), -1, np.int32)))
        self._owners[entry] = row
        self._items.put(entry, terms, impacts)
        return entry

    def _resolved_roots(self, size: int) -> npt.NDArray[np.int64]:
        """Each row's root: itself, but for those that have a parent."""
        roots = self._roots[:size].copy()
        for member in self._parents:
            roots[self._row_of[member]] = self._names[root_of(member, self._parents)]
        return roots


def active_terms(member: Member) -> tuple[tuple[int, int], ...]:
    """Return the first and last day (yyyymmdd) of each active term of membership."""
    return tuple(
        (day_number(term.since), day_number(term.until) or _OPEN_END)
        for term in member.membership
        if term.state == "active"
    )


def _set(mapping: dict[Any, Any], key: Any, value: Any) -> None:
    """Set a value, or forget the key where there is none."""
    if value is None:
        mapping.pop(key, None)
    else:
        mapping[key] = value
