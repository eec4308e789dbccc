"""What the bus needs of the process that it runs in: a narrow view of the chassis' `Runtime`.

The runtime builds the transport, so the bus cannot import the runtime; it names what it uses of it here, and
the runtime fits by shape.
"""

from datetime import datetime
from typing import Any, Protocol

from services.chassis.bus.transport import Transport
from services.chassis.database import Database
from services.chassis.telemetry import Metrics


class Clock(Protocol):
    """Wall time for stamps, monotonic time for durations."""

    def now(self) -> datetime:
        """Return the wall time, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...


class Signals(Protocol):
    """In-process wake-ups by name; losing one costs latency, never correctness."""

    def notify(self, name: str) -> None:
        """Wake whoever waits for this name."""
        ...

    async def wait(self, name: str, timeout: float) -> bool:  # noqa: ASYNC109 - its own bound
        """Wait for the name, at most `timeout` seconds; False when the time ran out."""
        ...


class Named(Protocol):
    """The service whose outbox and positions these are."""

    @property
    def name(self) -> str:
        """Return the service's name, which is also its outbox's."""
        ...


class Host(Protocol):
    """One service in one process: its database, the log, and the means to wait."""

    @property
    def service(self) -> Named:
        """Return the service that runs here."""
        ...

    @property
    def database(self) -> Database:
        """Return the service's own database."""
        ...

    @property
    def transport(self) -> Transport:
        """Return the opened log."""
        ...

    @property
    def signals(self) -> Signals:
        """Return the process's wake-ups."""
        ...

    @property
    def clock(self) -> Clock:
        """Return the process's clock."""
        ...

    @property
    def metrics(self) -> Metrics:
        """Return the process's metrics."""
        ...

    @property
    def settings(self) -> Any:
        """Return the typed settings; the bus reads `log` and `dead_letters`."""
        ...

    @property
    def state(self) -> dict[str, Any]:
        """Return the service's own long-lived objects."""
        ...
