"""How much one answer may bring: a connection that brings more is cut off, whatever it was to become.

*What.* Bytes, and heads of answers, are counted as they come, from one request to the next. *Why below the parser.* What
never becomes the answer (interim answers, empty lines, the extension of a chunk, all without end) is handed to nobody who
could count it, and each of it costs the loop that everybody else's messages wait for. *Never:* judge an answer; that which
has come is read elsewhere, and no more of it than is kept.
"""

import asyncio
from functools import partial
from typing import Any

from aiohttp import ClientError, TCPConnector
from aiohttp.client_proto import ResponseHandler

MOST_BYTES = 524_288
"""Of one answer, headers and all; far beyond what is read of it before the reading stops."""
MOST_HEADS = 16
"""Of the answer, and of interim ones before it."""
_AT_ONCE = 16_384
"""So many bytes are parsed between two looks at the counts."""


class TooLarge(ClientError):  # noqa: N818 - what it is, as the attempt log calls it
    """An answer went on and on. What was asked may have been done."""


class BoundedConnector(TCPConnector):
    """A connector whose connections are cut off when one answer brings too much."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._factory = partial(_Bounded, loop=self._loop)  # type: ignore[assignment]


class _Bounded(ResponseHandler):
    """The protocol of one connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._bytes = 0
        self._heads = 0

    def set_response_params(self, **given: Any) -> None:
        """Begin to wait for an answer."""
        self._bytes = self._heads = 0
        super().set_response_params(**given)

    def data_received(self, data: bytes) -> None:
        """Take what has come, until it is too much."""
        self._bytes += len(data)
        if len(data) <= _AT_ONCE:
            super().data_received(data)
        else:
            for start in range(0, len(data), _AT_ONCE):
                super().data_received(data[start : start + _AT_ONCE])
                if self._heads > MOST_HEADS or self.exception() is not None:
                    break
        if self._bytes > MOST_BYTES or self._heads > MOST_HEADS:
            self._cut_off()

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Hand a head over to who waits for it."""
        self._heads += 1
        super().feed_data(data, size)

    def _drain_tail(self) -> None:
        self._bytes -= len(self._tail)  # what comes again from here has been counted
        super()._drain_tail()

    def _cut_off(self) -> None:
        error = TooLarge("An answer without end was cut off.")
        if self.exception() is None:
            self.set_exception(error)
        if self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(error)
        if self.transport is not None:
            self.transport.abort()
