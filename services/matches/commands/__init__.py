"""Writes of `matches` that are not list versions: the frame of every list, and what is said again after a restore."""

from services.matches.commands.frame import (
    FARTHEST_DAY,
    FIRST_EPOCH,
    MAX_EPOCH_BYTES,
    DayPassed,
    DayTooFar,
    EpochKnown,
    add_day,
    add_day_by_clock,
    add_epoch,
    first_epoch,
    open_day,
    open_frame,
    publish_epoch,
    read_epoch,
)

__all__ = [
    "FARTHEST_DAY",
    "FIRST_EPOCH",
    "MAX_EPOCH_BYTES",
    "DayPassed",
    "DayTooFar",
    "EpochKnown",
    "add_day",
    "add_day_by_clock",
    "add_epoch",
    "first_epoch",
    "open_day",
    "open_frame",
    "publish_epoch",
    "read_epoch",
]
