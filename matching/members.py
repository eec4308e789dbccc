"""The members' side: profiles and evidence items in two indexes, facts in columns; put, forget, pin.

Rows belong to organisations for good, so a row number never means somebody else. Nothing is scored here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from matching.columns import Geography, MemberColumns, MemberRows, Numbers, day_number, facts_of
from matching.family import root_of
from matching.index import Index, PinnedIndex
from matching.items import Pairs, near_duplicates
from matching.judging import enrolled_rows
from matching.kernel import Asked
from matching.quoting import MemberStems
from matching.records import Member
from matching.sharing import PinnedRows, SharedArray, SharedRows
from matching.snapshots import Kept
from matching.texts import PinnedTexts, Texts
from matching.weighed import Weighed
from matching.weights import Weights

_OPEN_END = 99_999_999

Key = TypeVar("Key")
Value = TypeVar("Value")


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
    states: PinnedRows[MemberState | None]
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
        self._rows = MemberRows()
        self._roots = SharedArray(np.int64)
        self._ids = SharedArray(object)
        self._states = SharedRows[MemberState | None]()
        self._row_of: dict[str, int] = {}
        self._profiles = Index(np.uint8)
        self._texts = Texts()
        self._items = Index(np.uint8)
        self._owners = SharedArray(np.int32, blank=-1)
        self._conflicts = _Known[int, MemberState]()
        self._intervals = _Known[int, tuple[tuple[int, int], ...]]()
        self._parents = _Known[str, str]()
        self._resolved: tuple[Mapping[str, str], npt.NDArray[np.int64]] | None = None
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
        self._states.set(row, state)
        if state.stems is not None:
            self._texts.put(
                row,
                state.stems.profile.numbers,
                recorded=day_number(member.recorded.texts),
                added=state.stems.last_added,
            )
        self._conflicts.set(row, state if state.pairs else None)
        self._intervals.set(row, active_terms(member) or None)
        number = self._names[member.id]
        facts = facts_of(
            member,
            has_data=weighed.has_data,
            number=number,
            geography=self._geography,
            willing_reaches=self._willing_reaches,
        )
        self._rows.set(row, facts)
        self._parents.set(member.id, member.parent or None)
        self._roots.set(row, number)
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
        self._states.set(row, None)
        self._conflicts.set(row, None)
        self._intervals.set(row, None)
        self._rows.clear(row)
        self._parents.set(member, None)
        self._pinned = None
        return True

    def pin(self) -> PinnedMembers:
        """Return the members as they are now."""
        if self._pinned is None:
            size = len(self._states)
            items = self._items.pin()
            self._pinned = PinnedMembers(
                rows=self._rows.pin(size),
                ids=self._ids.pin(size),
                states=self._states.pin(),
                row_of=self._row_of,
                profiles=self._profiles.pin(),
                texts=self._texts.pin(size),
                items=items,
                owners=self._owners.pin(items.entries),
                conflicts=tuple(self._conflicts.pin().values()),
                intervals=self._intervals.pin(),
                roots=self._resolved_roots(size),
                parents=self._parents.pin(),
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
                has_data=tuple(self._rows["has_data"][state.row].tolist()),
            )
            for state in map(self._states.__getitem__, range(len(self._states)))
            if state is not None and state.stems is not None and state.record.id in keys
        ]

    def tend(self) -> bool:
        """Put the indexes in order, where that is due; False if there was nothing to do."""
        return self._profiles.tend() | self._items.tend()

    def _new_row(self, member: str) -> int:
        row = self._profiles.new_entry()
        self._ids.set(row, member)
        self._states.append(None)
        self._row_of[member] = row
        return row

    def _drop_items(self, state: MemberState | None) -> None:
        for entry in state.entries if state else ():
            self._items.drop(entry)
            self._owners.set(entry, -1)

    def _put_item(self, row: int, terms: npt.NDArray[np.int32], impacts: npt.NDArray[Any]) -> int:
        entry = self._items.new_entry()
        self._owners.set(entry, row)
        self._items.put(entry, terms, impacts)
        return entry

    def _resolved_roots(self, size: int) -> npt.NDArray[np.int64]:
        """Each row's root: itself, but for those that have a parent; made anew where a parent or a row is."""
        parents = self._parents.pin()
        if self._resolved is None or self._resolved[0] is not parents or len(self._resolved[1]) != size:
            roots = self._roots.pin(size)
            if parents:
                roots = roots.copy()
                for member in parents:
                    roots[self._row_of[member]] = self._names[root_of(member, parents)]
            self._resolved = parents, roots
        return self._resolved[1]


def active_terms(member: Member) -> tuple[tuple[int, int], ...]:
    """Return the first and last day (yyyymmdd) of each active term of membership."""
    return tuple(
        (day_number(term.since), day_number(term.until) or _OPEN_END)
        for term in member.membership
        if term.state == "active"
    )


class _Known(Generic[Key, Value]):
    """What is known of some, of which a pin shares the mapping until it changes."""

    def __init__(self) -> None:
        self._mapping: dict[Key, Value] = {}
        self._pinned: Mapping[Key, Value] | None = None

    def set(self, key: Key, value: Value | None) -> None:
        """Set a value, or forget the key where there is none."""
        if self._mapping.get(key) == value:
            return
        self._pinned = None
        if value is None:
            del self._mapping[key]
        else:
            self._mapping[key] = value

    def pin(self) -> Mapping[Key, Value]:
        """Return the mapping as it is now; the same one as long as nothing changes."""
        if self._pinned is None:
            self._pinned = dict(self._mapping)
        return self._pinned
