"""Writes of `matches` that are not list versions: epochs and days.

What: the first epoch and day at start, publishing an epoch, opening a day. Why: they are the frame of every list, so
each is one row, one event and (where a person asks) one audit row, in one transaction. It must not fit an epoch and must
not rank: the ranker notices the new frame by itself.
"""

import asyncio
import importlib.resources
import zlib
from datetime import date, timedelta
from pathlib import Path

import orjson
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from matching.epoch import Epoch
from matching.reference import MOST_COUNTRIES
from services.chassis.bus import incarnation, outbox
from services.chassis.database import insert_for
from services.chassis.runtime import Runtime, timestamp
from services.chassis.settings import SettingsError
from services.chassis.telemetry import log_of
from services.chassis.web.access import require
from services.chassis.web.operation import Answer, Unit
from services.chassis.web.problems import InvalidBody, Problem
from services.matches import events
from services.matches.tables import DAYS, EPOCHS
from services.matches.worker.documents import Analysis

FIRST_EPOCH = "first.json"
MAX_EPOCH_BYTES = 64_000_000
FARTHEST_DAY = timedelta(days=366)


class EpochKnown(Problem):
    """The epoch was published before; an epoch is named by its content, so there is nothing to add."""

    status = 409
    code = "epoch-known"
    title = "The epoch is published already"


class DayPassed(Problem):
    """The reference date never goes backwards."""

    status = 409
    code = "day-passed"
    title = "A later day is open already"


class DayTooFar(Problem):
    """The day is more than a year ahead; days never go back, so such a slip could not be mended."""

    status = 409
    code = "day-too-far"
    title = "The day is too far ahead"


async def open_frame(runtime: Runtime) -> None:
    """Make sure that there is an epoch to rank under and a day: called at start, by every process, and harmless when repeated.

    A release with another text analyser than the epoch in force needs comes with an epoch of its own, which takes its place.
    Raises SettingsError where that cannot be.
    """
    async with runtime.database.write() as connection:
        needed, here = await _analyser_in_force(connection), runtime.state["analysis"].analyser.number
        if needed != here:
            epoch, body = read_first(runtime.settings.matches.epoch_file)
            if epoch.analyser == here and await add_epoch(connection, runtime, epoch, body) is not None:
                if needed is not None:
                    log_of("matches").warning(
                        "the epoch of this release takes over", epoch=epoch.hash[:12], analyser=here
                    )
            elif await _analyser_in_force(connection) != here:  # nor has another process done it meanwhile
                which = f"The epoch in force needs text analyser {needed}"
                if needed is None:
                    which = f"The epoch that matches.epoch_file names needs text analyser {epoch.analyser}"
                raise SettingsError(
                    f"{which}, and this release has {here}. Run a release that has that one; or name an epoch that was fitted with "
                    f"{here} and never published (`comity epoch build`) in matches.epoch_file."
                )
        await add_day_by_clock(connection, runtime, runtime.clock.now().date())


async def _analyser_in_force(connection: AsyncConnection) -> int | None:
    """Return the number of the text analyser that the epoch in force was fitted with; None where there is no epoch."""
    body = await connection.scalar(select(EPOCHS.c.body).order_by(EPOCHS.c.number.desc()).limit(1))
    return None if body is None else int(orjson.loads(zlib.decompress(body))["analyser"]["number"])


def first_epoch(path: Path | None) -> bytes:
    """Return the epoch to start with: the file that settings name, else the one that ships. Raises SettingsError."""
    if path is not None:
        try:
            return path.read_bytes()
        except OSError as error:
            raise SettingsError(
                f"The setting matches.epoch_file names {path}, which cannot be read ({error.strerror})."
            ) from error
    shipped = importlib.resources.files("services.matches") / "epochs" / FIRST_EPOCH
    return shipped.read_bytes()


def read_first(path: Path | None) -> tuple[Epoch, bytes]:
    """Return the epoch to start with and its bytes. Raises SettingsError."""
    body = first_epoch(path)
    try:
        return Epoch.loads(body), body
    except ValueError as error:
        raise SettingsError(
            f"The setting matches.epoch_file names {path}, which holds no epoch ({error}). "
            "Make one with `comity epoch build`."
        ) from error


async def add_epoch(connection: AsyncConnection, runtime: Runtime, epoch: Epoch, body: bytes) -> int | None:
    """Add an epoch with the next number and its event; None if the same content stands already."""
    number = (await connection.execute(select(func.coalesce(func.max(EPOCHS.c.number), -1) + 1))).scalar_one()
    added = await connection.execute(
        insert_for(connection, EPOCHS)
        .values(
            number=number,
            hash=epoch.hash,
            body=zlib.compress(body, 6),
            published_at=timestamp(runtime.clock.now()),
        )
        .on_conflict_do_nothing()
    )
    if added.rowcount == 0:
        return None
    life = await incarnation.current(connection)
    event = events.epoch_published(
        number, epoch.hash, str(epoch.weights.version), incarnation=life, clock=runtime.clock
    )
    await outbox.post(connection, event, max_record_bytes=runtime.settings.log.max_record_bytes)
    return int(number)


async def add_day(connection: AsyncConnection, runtime: Runtime, day: date) -> bool:
    """Open a day if it is later than every open one; days may be skipped, never go backwards."""
    last = (await connection.execute(select(func.max(DAYS.c.day)))).scalar_one()
    if last is not None and last >= day.isoformat():
        return False
    added = await connection.execute(
        insert_for(connection, DAYS)
        .values(day=day.isoformat(), opened_at=timestamp(runtime.clock.now()))
        .on_conflict_do_nothing()
    )
    if added.rowcount:
        life = await incarnation.current(connection)
        event = events.day_opened(day, incarnation=life, clock=runtime.clock)
        await outbox.post(connection, event, max_record_bytes=runtime.settings.log.max_record_bytes)
    return bool(added.rowcount)


async def add_day_by_clock(connection: AsyncConnection, runtime: Runtime, day: date) -> bool:
    """Open the day that the clock shows, unless it is more than a year after the last one opened.

    The clock is wrong then, or nothing ran for a year: only a person can tell, and opens the day by hand.
    """
    last = (await connection.execute(select(func.max(DAYS.c.day)))).scalar_one()
    if last is not None and day > date.fromisoformat(last) + FARTHEST_DAY:
        log_of("matches").error("a day so far ahead is opened by hand only", day=str(day), last=last)
        return False
    return await add_day(connection, runtime, day)


async def read_epoch(runtime: Runtime, body: bytes) -> Epoch:
    """Read an epoch's bytes, in a thread. Raises InvalidBody if they are none, or if nobody here could rank under it."""
    analysis: Analysis = runtime.state["analysis"]
    fix = "Send the file that `comity epoch build` wrote, unchanged."
    try:
        epoch = await asyncio.to_thread(Epoch.loads, body)
    except ValueError as error:
        raise InvalidBody.at(
            "", "epoch", detail=f"It cannot be read as an epoch ({error}).", fix=fix
        ) from error
    here = (analysis.analyser.number, analysis.golden)
    if (epoch.analyser, epoch.golden) != here:
        detail = f"The epoch needs text analyser {epoch.analyser} ({epoch.golden[:12]}); here is {here[0]} ({here[1][:12]})."
        raise InvalidBody.at("/analyser", "analyser", detail=detail, fix="Fit it with this release.")
    countries = epoch.reference.regions.keys() | runtime.state["reference"].countries.keys()
    if len(countries) > MOST_COUNTRIES:
        detail = f"With the countries that are known here the epoch makes {len(countries)}; {MOST_COUNTRIES} have a place."
        raise InvalidBody.at("/reference/regions", "countries", detail=detail, fix=fix)
    return epoch


async def publish_epoch(unit: Unit, *, epoch: Epoch, body: bytes) -> Answer:
    """Publish an epoch that was read from this body: from now on every list is ranked under it."""
    require(unit.principal, "bdt_admin")
    number = await add_epoch(unit.connection, unit.runtime, epoch, body)
    if number is None:
        raise EpochKnown(f"The epoch {epoch.hash} is published already.")
    await unit.audit(action="epoch.published", subject=epoch.hash, before=None, after=number)
    return Answer(
        status=201,
        body={"number": number, "hash": epoch.hash, "weights_version": str(epoch.weights.version)},
        headers={"Location": f"/v1/epochs/{number}"},
    )


async def open_day(unit: Unit, day: date) -> Answer:
    """Open a day: dated facts (country groups, terms of membership) are resolved at it from now on."""
    require(unit.principal, "bdt_admin")
    if day > unit.now.date() + FARTHEST_DAY:
        raise DayTooFar(f"{day} is more than {FARTHEST_DAY.days} days ahead.")
    if not await add_day(unit.connection, unit.runtime, day):
        raise DayPassed(f"{day} is not later than the last day opened.")
    await unit.audit(action="day.opened", subject=day.isoformat(), before=None, after=day.toordinal())
    return Answer(status=201, body={"day": day.isoformat()})
