"""Checks the parent that an organisation names: it exists, and following parents never comes back.

*Why a lock.* Two organisations that name each other in two transactions at once would each find the other without
a parent; whoever sets a parent locks the one row of `tree` first, so the second sees what the first did.
"""

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.http.members import OrganisationBody
from services.chassis.database import insert_for
from services.chassis.reference.faults import Fault
from services.members.queries import Row
from services.members.tables import ORGANISATIONS, TREE

DEEPEST = 20
"""How many generations a tree may have; more is a mistake of an import."""


async def check_parent(
    connection: AsyncConnection, organisation_id: str, body: OrganisationBody, *, before: Row | None
) -> list[Fault]:
    """Return what is wrong with the parent; a cycle is named with its whole path."""
    parent = None if body.parent is None else str(body.parent)
    if parent is None or (before is not None and before["parent"] == parent):
        return []
    if parent == organisation_id:
        return [
            Fault(
                "/parent",
                "parent-self",
                "The organisation names itself as its own parent.",
                "Leave parent out.",
            )
        ]
    await _lock(connection)
    path: list[tuple[str, str]] = [(organisation_id, body.legal_name)]
    following: str | None = parent
    while following is not None:
        query = select(ORGANISATIONS.c.legal_name, ORGANISATIONS.c.parent, ORGANISATIONS.c.state)
        row = (await connection.execute(query.where(ORGANISATIONS.c.id == following))).mappings().first()
        if row is None or row["state"] == "erased":
            # Only the parent itself must exist; a link further up may have been erased since.
            return [] if following != parent else [_unknown(parent)]
        path.append((following, row["legal_name"]))
        if row["parent"] == organisation_id:
            return [_cycle([*path, path[0]])]
        if len(path) > DEEPEST:
            return [
                Fault(
                    "/parent",
                    "parent-depth",
                    f"The tree would be deeper than {DEEPEST}.",
                    "Name a higher parent.",
                )
            ]
        following = row["parent"]
    return []


async def _lock(connection: AsyncConnection) -> None:
    await connection.execute(insert_for(connection, TREE).values(single=1).on_conflict_do_nothing())
    await connection.execute(update(TREE).values(single=1))


def _unknown(parent: str) -> Fault:
    return Fault(
        "/parent",
        "parent-unknown",
        f"There is no organisation {parent}.",
        "Register the parent first, or leave it out.",
    )


def _cycle(path: list[tuple[str, str]]) -> Fault:
    named = " → ".join(f"{name} ({organisation})" for organisation, name in path)
    return Fault(
        "/parent",
        "parent-cycle",
        f"The parents would form a cycle: {named}.",
        "Break the cycle at one place.",
    )
