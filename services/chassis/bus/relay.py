"""The relay: takes what stands in one outbox, appends it to the log, deletes it.

There is no cursor: it reads whatever is there in the order of `position`, so a transaction that commits late is
never overtaken. It is fenced at the log: when another relay of the same outbox starts, this one's appends are
refused and it stops. A crash between append and delete appends again; same id, same sequence, no effect.
"""

import asyncio

from services.chassis.bus.host import Host


class Relay:
    """The one active relay of a service's outbox."""

    def __init__(self, runtime: Host) -> None:
        raise NotImplementedError

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until `stop` is set. Raises Fenced when another relay took over."""
        raise NotImplementedError
