"""Named lines at which a test may stop, fail or kill the process; nothing happens there otherwise.

A crash between two particular lines is what the conformance scenarios are about, and sleeping never hits it.
The hook lives in a context variable, so it reaches exactly the tasks that a test starts and leaves no state behind.
Only the bus and the matching worker call `reach`, and only tests call `armed`.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LINES = (
    "outbox.posted",  # events stand in the outbox of a transaction that is not committed
    "relay.read",  # a batch was read from the outbox, nothing is appended
    "log.before_commit",  # the embedded log holds the batch in a transaction that is not committed
    "relay.appended",  # the log has the batch, the outbox too
    "consumer.moved",  # a position is moved in a transaction that has no effects yet
    "consumer.before_commit",  # position and effects stand in a transaction that is not committed
    "consumer.committed",  # a consumer's transaction is committed, and nobody was told
    "ranker.ranked",  # an owner has ranked projects of its partitions and has written nothing of it
)
"""Every named line, in the order in which an event passes them."""

Hook = Callable[[str], Awaitable[None]]

_HOOK: ContextVar[Hook | None] = ContextVar("failpoints", default=None)


async def reach(name: str) -> None:
    """Mark a line: awaits the test's hook, if there is one."""
    hook = _HOOK.get()
    if hook is not None:
        await hook(name)


@contextmanager
def armed(hook: Hook) -> Iterator[None]:
    """Call `hook` with the name of every line that is reached by tasks started within."""
    token = _HOOK.set(hook)
    try:
        yield
    finally:
        _HOOK.reset(token)
