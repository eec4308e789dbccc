"""Epochs as they are read: the one in force, any by its number, and their contents once parsed.

*What.* Metadata for everybody, the body for those who recompute. *Why parsed ones are kept.* An epoch is frozen under its
hash and takes a moment to read. *Never:* fit or change one.
"""

import asyncio
import zlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from matching.epoch import Epoch
from services.chassis.runtime import Runtime
from services.chassis.web.problems import NotFound
from services.matches.tables import EPOCHS
from services.matches.worker.index import Index

_METADATA = (EPOCHS.c.number, EPOCHS.c.hash, EPOCHS.c.published_at)


async def epoch_named(runtime: Runtime, content_hash: str) -> Epoch:
    """Return an epoch by its hash. Raises NotFound."""
    index: Index = runtime.state["index"]
    here = index.epoch(content_hash)
    if here is not None:
        return here

    async def load() -> Epoch:
        async with runtime.database.read() as connection:
            row = (
                await connection.execute(select(EPOCHS.c.body).where(EPOCHS.c.hash == content_hash))
            ).first()
        if row is None:
            raise NotFound("There is no epoch with this hash.")
        return await asyncio.to_thread(lambda: Epoch.loads(zlib.decompress(row.body)))

    found: Epoch = await runtime.state["computations"].get(("epoch", content_hash), load)
    return found


async def list_epochs(connection: AsyncConnection, *, before: int | None, limit: int) -> Sequence[Any]:
    """Return up to `limit` epochs, the newest first, with a number below `before`."""
    query = select(*_METADATA).order_by(EPOCHS.c.number.desc()).limit(limit)
    if before is not None:
        query = query.where(EPOCHS.c.number < before)
    return (await connection.execute(query)).all()


async def epoch_row(connection: AsyncConnection, number: int) -> Any:
    """Return the metadata of an epoch. Raises NotFound."""
    row = (await connection.execute(select(*_METADATA).where(EPOCHS.c.number == number))).first()
    if row is None:
        raise NotFound("There is no epoch with this number.")
    return row


async def body_of(connection: AsyncConnection, number: int) -> bytes:
    """Return the bytes whose SHA-256 is the epoch's hash. Raises NotFound."""
    row = (await connection.execute(select(EPOCHS.c.body).where(EPOCHS.c.number == number))).first()
    if row is None:
        raise NotFound("There is no epoch with this number.")
    return zlib.decompress(row.body)


def line_of(row: Any) -> dict[str, Any]:
    """Return what a list shows of an epoch."""
    return {
        "number": row.number,
        "hash": row.hash,
        "published_at": row.published_at,
        "links": {"self": f"/v1/epochs/{row.number}", "body": f"/v1/epochs/{row.number}/body"},
    }


def described(row: Any, epoch: Epoch) -> dict[str, Any]:
    """Return what everybody may know of an epoch: everything but the tables of word statistics."""
    return line_of(row) | {
        "weights_version": str(epoch.weights.version),
        "analyser": {"number": epoch.analyser, "golden": epoch.golden},
        "tie_key": epoch.tie_key,
        "bands": bands_of(epoch),
        "corpus": dict(epoch.corpus),
        "weights": epoch.weights.to_json(),
    }


def bands_of(epoch: Epoch) -> dict[str, int]:
    """Return the smallest fit, in per mille, of each band."""
    possible, good, strong = epoch.bands
    return {"strong": strong, "good": good, "possible": possible, "weak": 0}
