"""A file that is sent while it is written: its reader may be slower than its writer, and neither waits for the other's pace.

*What.* Bytes written in threads, read from the start on as they come; a little of them in memory, the rest on disk. *Why.* Who
writes does it within a transaction, and that must last as long as the database needs, not as long as a line across the world
does. *Never:* let what is unfinished look whole: `pieces` ends only after `end`, and raises what `end` was given.
"""

import asyncio
import io
import threading
from collections.abc import AsyncIterator
from tempfile import SpooledTemporaryFile
from typing import Any, cast

IN_MEMORY = 1_000_000
"""Bytes of a file that are kept in memory; a longer one lies on disk, without a name."""

PIECE = 65_536
"""The most bytes that are handed on at once."""


class Spool(io.RawIOBase):
    """One such file: a file object for whoever writes it, `pieces` for whoever sends it."""

    def __init__(self) -> None:
        super().__init__()
        self._file = cast("Any", SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115 - closed with this
        self._turn = threading.Lock()
        self._place = 0
        self._moved = asyncio.Event()
        self._begun = False
        self._ended = False
        self._error: BaseException | None = None
        self.length = 0

    def write(self, data: Any) -> int:
        """Write at the writer's place."""
        with self._turn:
            self._file.seek(self._place)
            count: int = self._file.write(data)
            self._place += count
            self.length = max(self.length, self._place)
        return count

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the writer's place; a reader has one of its own."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self.length}[whence]
        self._place = start + offset
        return self._place

    def tell(self) -> int:
        """Return the writer's place."""
        return self._place

    def seekable(self) -> bool:
        """It is."""
        return True

    def writable(self) -> bool:
        """It is."""
        return True

    def close(self) -> None:
        """Let go of it; what lies on disk is gone with it."""
        with self._turn:
            self._file.close()
        super().close()

    def grown(self) -> None:
        """Say on the event loop that there is more to send."""
        self._begun = True
        self._moved.set()

    def end(self, error: BaseException | None = None) -> None:
        """Say on the event loop that this is all, or that no more will come because of an error."""
        self._ended, self._error = True, error
        self._moved.set()

    async def ready(self, *, whole: bool) -> None:
        """Wait until there is something to send, or until all of it is there. Raises what `end` was given."""
        while not (self._ended or (self._begun and not whole)):
            self._moved.clear()
            await self._moved.wait()
        if self._error is not None:
            raise self._error

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield it from the start on as it is written, to the end. Raises what `end` was given."""
        place = 0
        while True:
            ended = self._ended
            self._moved.clear()
            if ended and self._error is not None:
                raise self._error
            if place < self.length:
                piece = await asyncio.to_thread(self._read, place)
                place += len(piece)
                yield piece
            elif ended:
                return
            else:
                await self._moved.wait()

    def _read(self, place: int) -> bytes:
        with self._turn:
            self._file.seek(place)
            found: bytes = self._file.read(PIECE)
        return found
