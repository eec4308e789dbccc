"""The background loops of this service: the consumer, the herald that makes messages, and the dispatcher that sends them.

*What.* The herald goes round: cycles, reasons, digests, endpoints that fail, reminders, the yearly question, and what the
delivery log lets go. *Why apart from the dispatcher.* A list that is slow to say why holds up no message that is ready.
*Never:* decide anything that its parts decide.
"""

import asyncio

from services.chassis.bus.consumer import Consumer
from services.chassis.database import DatabaseAway
from services.chassis.runtime import Loop, Runtime
from services.chassis.telemetry import log_of
from services.notifications.consumers import READER as LOG_READER
from services.notifications.worker import (
    clocks,
    cycles,
    digests,
    endpoints,
    readying,
    reminders,
    retention,
    unanswered,
    yearly,
)
from services.notifications.worker.dispatch import Dispatcher
from services.notifications.worker.guard import open_session, reach_of
from services.notifications.worker.mailing import Post
from services.notifications.worker.reasons import READER, open_reader

CONSUMER = "consumer"
REMIND_SECONDS = 60.0

CONSUMER_LINGER_SECONDS = 0.05
"""So long what comes in waits for its transaction: whoever waits for a list waits for the group that archives, not for this one."""

LINGER_SECONDS = 0.2
"""After news came in, so long is waited for more: a burst is looked at once, and whoever waits for a list goes first."""


def loops(runtime: Runtime) -> tuple[Loop, ...]:
    """Return the loops of the worker."""
    consumer = Consumer(
        runtime,
        group=LOG_READER.group,
        topics=LOG_READER.topics,
        handle=LOG_READER.handle,
        linger=CONSUMER_LINGER_SECONDS,
    )
    runtime.state[CONSUMER] = consumer
    return (
        Loop(name="notifications.consumer", run=consumer.run),
        Loop(name="notifications.herald", run=lambda stop: herald(runtime, stop)),
        Loop(name="notifications.dispatcher", run=lambda stop: dispatch(runtime, stop)),
    )


async def herald(runtime: Runtime, stop: asyncio.Event) -> None:
    """Make messages of what has come in, until `stop` is set."""
    runtime.state.setdefault(READER, open_reader(runtime))
    remind_at = 0.0
    try:
        while not stop.is_set():
            mark = runtime.signals.mark(f"consumed:{LOG_READER.group}")
            try:
                await cycles.step(runtime)
                await readying.step(runtime)
                await digests.step(runtime)
                if runtime.clock.monotonic() >= remind_at:
                    remind_at = runtime.clock.monotonic() + REMIND_SECONDS
                    await clocks.step(runtime)
                    await endpoints.step(runtime)
                    await reminders.step(runtime)
                    await yearly.step(runtime)
                    await unanswered.step(runtime)
                    await retention.step(runtime)
            except DatabaseAway:
                log_of("notifications").warning("news waits: the database does not answer")
            await _news(runtime, stop, since=mark)
    finally:
        await runtime.state[READER].client.aclose()


async def _news(runtime: Runtime, stop: asyncio.Event, *, since: int) -> None:
    """Wait until something came in, and a moment more for the rest of it; or until `stop` is set, or it is time to look."""
    poll = runtime.settings.notifications.poll_seconds
    stopped = asyncio.ensure_future(stop.wait())
    waits = {
        asyncio.ensure_future(runtime.signals.wait(f"consumed:{LOG_READER.group}", poll, since=since)),
        stopped,
    }
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({stopped}, timeout=LINGER_SECONDS)
    finally:
        for one in waits:
            one.cancel()


async def dispatch(runtime: Runtime, stop: asyncio.Event) -> None:
    """Send what is due, until `stop` is set."""
    async with open_session(runtime.settings, reach_of(runtime.settings)) as session:
        await Dispatcher(runtime, session, Post(runtime.settings)).run(stop)
