"""Named lines at which a test may stop, fail or kill the process; nothing happens there otherwise.

A crash between two particular lines is what the conformance scenarios are about, and sleeping never hits it.
The hook lives in a context variable, so it reaches exactly the tasks that a test starts and leaves no state behind.
Only the bus itself calls `reach`, and only tests call `armed`.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

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
