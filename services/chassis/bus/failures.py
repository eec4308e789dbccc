"""One classification of everything that can go wrong with a record, made in one place.

*Transient*: the world is away (database, broker, a lock, a deadline); the same record succeeds later, so it is
tried again in place and order is kept. *Invalid*: the record itself is wrong; trying again cannot help.
*Unexpected*: a bug of ours, most likely; a few tries, because some bugs are races. This module decides nothing
about what happens next. An error's words may quote the record, so they are made fit for any database here too.
"""

from typing import Literal

from schemas.contracts import ContractError
from schemas.envelope import EnvelopeError
from services.chassis.bus.errors import InvalidEvent, RecordTooLarge, Transient
from services.chassis.database import DatabaseAway

Failure = Literal["transient", "invalid", "unexpected"]


TRANSIENT = (Transient, DatabaseAway, TimeoutError, ConnectionError)
"""What the same attempt may survive later, with nothing changed; transports raise Transient for their clients'."""


def classify(error: BaseException) -> Failure:
    """Tell what kind of failure this is, by what was raised, its causes included."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, TRANSIENT):
            return "transient"
        if isinstance(cause, EnvelopeError | ContractError | InvalidEvent | RecordTooLarge):
            return "invalid"
        cause = cause.__cause__
    return "unexpected"


def printable(words: str) -> str:
    """Return the words of an error with what no database takes in a text (NUL, lone surrogates) written as escapes."""
    return words.encode(errors="backslashreplace").decode().replace("\0", "\\x00")
