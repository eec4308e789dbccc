"""Records that may name a parent, in the order in which they can be written.

What: waves, each of which needs only earlier ones. Why: a record whose parent does not stand yet is refused. It must not
judge: a parent that is not among them may stand already, and a circle goes last, for the server to refuse.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def waves(
    records: Sequence[T], *, id_of: Callable[[T], str], parent_of: Callable[[T], str | None]
) -> Iterator[list[T]]:
    """Yield the records in waves: the parent of each is in an earlier one, or not among them; what is left of a circle is the last."""
    pending = list(records)
    here = {id_of(record) for record in pending}
    while pending:
        wave = [record for record in pending if parent_of(record) not in here] or pending
        yield wave
        gone = {id_of(record) for record in wave}
        here -= gone
        pending = [record for record in pending if id_of(record) not in gone]
