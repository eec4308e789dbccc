"""Past projects as evidence: an organisation's history joined with the file that describes those projects.

What: for each entry of a history, one evidence item made of the past project's row. Why: what an organisation did is in
another file than what it is. It must not choose: every entry that names a known project becomes an item, and an entry
that names an unknown one is left out, because there is nothing to say of it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from services.console.mapping.language import EvidenceJoin
from services.console.mapping.values import Codes, taken, value_of

PastProjects = Mapping[str, Mapping[str, Any]]
"""Past projects by the source's id; held once, whatever the number of organisations that name them."""


def past_projects(rows: Iterable[Mapping[str, Any]], join: EvidenceJoin) -> dict[str, Mapping[str, Any]]:
    """Return the rows of a projects file by their id, with the columns that the map uses."""
    used = join.columns()
    return {
        str(row[join.id]): {name: value for name, value in row.items() if name in used}
        for row in rows
        if row.get(join.id) is not None
    }


def evidence_of(row: Mapping[str, Any], join: EvidenceJoin, past: PastProjects, codes: Codes) -> list[dict[str, Any]]:
    """Return the evidence items of an organisation's row, in the order of its history, each project once.

    Where an organisation stands twice in a project, the entry that comes first counts. Raises ValueFault.
    """
    items: dict[str, dict[str, Any]] = {}
    for entry in taken(row, join.each):
        key = next((str(value).strip() for value in taken(entry, join.key)), "")
        if key not in past or key in items:
            continue
        found = {**past[key], "entry": entry}
        item: dict[str, Any] = {"id": key, **join.constants}
        for target, rules in join.fields.items():
            value, _ = value_of(rules, found, codes)
            if value is not None:
                item[target] = value
        items[key] = item
    return list(items.values())
