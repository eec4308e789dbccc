"""entries know whether their project is at rest or withdrawn; what was told before this revision follows its project.

Until 0008 pairs stayed where they had lain when their project moved, and nothing was fed when one came to rest or was
erased; for a project at rest the next entry, with which it would be put right, may never come.
"""

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "matches_0009"
down_revision = "matches_0008"
branch_labels = None
depends_on = None

_AT_ONCE = 500
_REMOVAL_OF = {
    "org.comity.list.versioned.v1": "org.comity.list.removed.v1",
    "org.comity.standing.crossed.v1": "org.comity.standing.lost.v1",
}
_PLACES = ("flagship", "level", "regions", "hidden")
_TEXTS = ("type", "subject", "project", "organisation", "flagship", "level", "regions", "fed_at")
_FEED = sa.table(
    "feed",
    sa.column("position", sa.BigInteger),
    sa.column("incarnation", sa.BigInteger),
    *(sa.column(name, sa.Text) for name in _TEXTS),
    *(sa.column(name, sa.Boolean) for name in ("latest", "deleted", "moved", "hidden")),
    sa.column("body", sa.LargeBinary),
)
_DOCUMENTS = sa.table(
    "documents",
    sa.column("id", sa.Text),
    sa.column("kind", sa.Text),
    sa.column("latest", sa.Boolean),
    sa.column("record", sa.LargeBinary),
)


def upgrade() -> None:
    """Bring the tables to this revision, and tell readers of what is hidden, lies elsewhere or was erased today."""
    op.add_column("feed", sa.Column("hidden", sa.Boolean(), nullable=False, server_default=sa.false()))
    connection = op.get_bind()
    newest = sa.select(_FEED.c.incarnation, _FEED.c.fed_at).order_by(_FEED.c.position.desc()).limit(1)
    told = dict(connection.execute(newest).mappings().first() or {})
    for one in _lists(connection):
        if one["record"] is None:
            _remove(connection, one["position"], told)
        else:
            hidden = json.loads(one["record"])["state"] in {"withdrawn", "dormant"}
            where = {name: one[name] for name in ("flagship", "level", "regions")} | {"hidden": hidden}
            _move(connection, one["project"], where, told)


def _lists(connection: sa.Connection) -> Iterator[sa.RowMapping]:
    """Yield the newest list of each project as it was told, with what the project is now."""
    read = (
        sa.select(
            _FEED.c.position, _FEED.c.project, *(_FEED.c[name] for name in _PLACES), _DOCUMENTS.c.record
        )
        .join_from(_FEED, _DOCUMENTS, _DOCUMENTS.c.id == _FEED.c.project)
        .where(_FEED.c.organisation.is_(None), _FEED.c.latest, sa.not_(_FEED.c.deleted))
        .where(_DOCUMENTS.c.kind == "project", _DOCUMENTS.c.latest)
        .order_by(_FEED.c.position)
        .limit(_AT_ONCE)
    )
    after = 0
    while found := connection.execute(read.where(_FEED.c.position > after)).mappings().all():
        after = found[-1]["position"]
        yield from found


def _remove(connection: sa.Connection, position: int, told: dict[str, Any]) -> None:
    """Say that a list is shown no more."""
    this = _FEED.c.position == position
    row = dict(connection.execute(sa.select(_FEED).where(this)).mappings().one())
    del row["position"]
    connection.execute(sa.update(_FEED).where(this).values(latest=False))
    connection.execute(sa.insert(_FEED), [_gone(row | told)])


def _move(connection: sa.Connection, project: str, where: dict[str, Any], told: dict[str, Any]) -> None:
    """Let what was told of a project lie where its list lies: told as gone to who has it, and as there to who may."""
    read = (
        sa.select(_FEED)
        .where(_FEED.c.project == project, sa.not_(_FEED.c.moved))
        .where(sa.or_(*(_FEED.c[name].is_distinct_from(where[name]) for name in _PLACES)))
        .order_by(_FEED.c.position)
        .limit(_AT_ONCE)
    )
    after = 0
    while found := connection.execute(read.where(_FEED.c.position > after)).mappings().all():
        positions = [row["position"] for row in found]
        after = positions[-1]
        away = [
            {name: row[name] for name in row if name != "position"} | told | {"latest": False, "moved": True}
            for row in found
            if row["latest"]
        ]
        come = [row | where for row in away if not row["deleted"]]
        connection.execute(sa.update(_FEED).where(_FEED.c.position.in_(positions)).values(where))
        if away:
            connection.execute(sa.insert(_FEED), [*map(_gone, away), *come])


def _gone(row: dict[str, Any]) -> dict[str, Any]:
    """Return the entry that takes away what this one said; what has gone is said to have gone once more."""
    if row["deleted"]:
        return row
    said = json.loads(b"{" + row["body"])
    kept = {name: said[name] for name in ("specversion", "source", "subject", "time", "sequence", "eventid")}
    kind = _REMOVAL_OF[row["type"]]
    body = json.dumps({"type": kind, **kept, "method": "DELETE"}, separators=(",", ":"), ensure_ascii=False)
    return row | {"type": kind, "deleted": True, "body": body.encode()[1:]}


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
