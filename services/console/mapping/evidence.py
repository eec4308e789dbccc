"""Past projects as evidence: an organisation's history joined with the file that describes those projects.

What: for each entry of a history, one evidence item made of the past project's row. Why: what an organisation did is in
another file than what it is. It must not choose: every entry that names a known project becomes an item, and an entry
that names an unknown one is left out, because there is nothing to say of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from services.console.mapping.language import EvidenceJoin
from services.console.mapping.values import Codes, ValueFault, cleaned, id_of, taken, value_of


@dataclass(slots=True)
class Joined:
    """How many entries of histories became evidence, and how many name a project that is not in the file."""

    items: int = 0
    left_out: int = 0


class PastProjects:
    """The past projects by the source's id, held once, and the items made of them: many organisations share one."""

    def __init__(
        self, rows: Iterable[Mapping[str, Any]], join: EvidenceJoin, *, codes: Codes, clean: bool
    ) -> None:
        used = join.columns()
        self.joined = Joined()
        self._join = join
        self._codes = codes
        self._rows: dict[str, Mapping[str, Any]] = {}
        self._items: dict[tuple[str, str], dict[str, Any]] = {}
        for row in rows:
            kept = {name: value for name, value in row.items() if name in used}
            self._rows[id_of(row, join.id)] = cleaned(kept) if clean else kept

    def __len__(self) -> int:
        return len(self._rows)

    def evidence_of(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the evidence items of an organisation's row, in the order of its history, each project once.

        Where an organisation stands twice in a project, the entry that comes first counts. Raises ValueFault.
        """
        items: dict[str, dict[str, Any]] = {}
        for entry in self._entries(row):
            key = id_of(entry, self._join.key)
            if key not in self._rows:
                self.joined.left_out += 1
            elif key not in items:
                items[key] = self._item(key, entry)
        self.joined.items += len(items)
        return list(items.values())

    def _entries(self, row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        path = self._join.each
        entries, there = taken(row, path), taken(row, path.removesuffix("[]"))
        if len(entries) != len(there) or not all(isinstance(one, Mapping) for one in there):
            raise ValueFault(
                f"{path.removesuffix('[]')} is no list of objects",
                rule="shape",
                fix="Compare the row with the map's `each`.",
            )
        return entries

    def _item(self, key: str, entry: Mapping[str, Any]) -> dict[str, Any]:
        made = self._items.get((key, repr(entry)))
        if made is None:
            found = {**self._rows[key], "entry": entry}
            made = {"id": key, **self._join.constants}
            for target, rules in self._join.fields.items():
                value, _ = value_of(rules, found, self._codes)
                if value is not None:
                    made[target] = value
            self._items[key, repr(entry)] = made
        return made
