"""Shared arrays: a value a row, changed by who puts and pinned without a copy.

A pin is a part of the array. Rows are added behind it, which it never sees; the array is copied before a row that a pin holds
changes, and only where the value is another one. So of many facts a revision copies the few that it changes. It must not know what
the values mean.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

Value = TypeVar("Value")

_FIRST_ROWS = 64
_PAGE_BITS = 10
_PAGE = 1 << _PAGE_BITS


class SharedArray:
    """One array by row; `blank` is the value of rows that nothing was set in."""

    __slots__ = ("_array", "_blank", "_held", "_used")

    def __init__(self, dtype: Any, *, shape: tuple[int, ...] = (), blank: Any = 0) -> None:
        self._array: npt.NDArray[Any] = np.empty((_FIRST_ROWS, *shape), dtype)
        self._blank = blank
        self._used = 0  # rows that have a value, blank or not
        self._held = 0  # rows that a pin of this very array holds

    def __getitem__(self, row: int) -> Any:
        """Return a row's value; of many columns a part of the array, to be read at once."""
        return self._array[row] if row < self._used else self._blank

    def set(self, row: int, value: Any) -> None:
        """Set a row's value."""
        if row >= self._used:
            self._reach(row)
            if row == len(self._array):
                self._move(2 * row)
            self._used = row + 1
        elif row < self._held:
            value = np.asarray(value, self._array.dtype)
            if np.array_equal(self._array[row], value):
                return
            self._move(len(self._array))
        self._array[row] = value

    def pin(self, rows: int) -> npt.NDArray[Any]:
        """Return the first so many rows as they are now; what is returned never changes, and is not to be changed."""
        self._reach(rows)
        self._held = max(self._held, rows)
        return self._array[:rows]

    def _reach(self, rows: int) -> None:
        if rows > len(self._array):
            self._move(max(rows, 2 * len(self._array)))
        if rows > self._used:
            self._array[self._used : rows] = self._blank
            self._used = rows

    def _move(self, room: int) -> None:
        """Go on in a new array, which no pin holds; room that nothing stands in costs nothing."""
        moved = np.empty((room, *self._array.shape[1:]), self._array.dtype)
        moved[: self._used] = self._array[: self._used]
        self._array, self._held = moved, 0


class PinnedRows(Generic[Value]):
    """Objects by row at one moment."""

    __slots__ = ("_pages", "_rows")

    def __init__(self, pages: tuple[tuple[Value, ...], ...], rows: int) -> None:
        self._pages = pages
        self._rows = rows

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, row: int) -> Value:
        return self._pages[row >> _PAGE_BITS][row & (_PAGE - 1)]


class SharedRows(Generic[Value]):
    """Objects by row, in pages of which a pin shares those that nothing changed in."""

    def __init__(self) -> None:
        self._rows = list[Value]()
        self._pages = list[tuple[Value, ...]]()
        self._changed = set[int]()

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> Value:
        return self._rows[row]

    def append(self, value: Value) -> None:
        """Add a row."""
        self._changed.add(len(self._rows) >> _PAGE_BITS)
        self._rows.append(value)

    def set(self, row: int, value: Value) -> None:
        """Set a row."""
        self._changed.add(row >> _PAGE_BITS)
        self._rows[row] = value

    def pin(self) -> PinnedRows[Value]:
        """Return the rows as they are now."""
        self._pages += [()] * (-(-len(self._rows) // _PAGE) - len(self._pages))
        for page in self._changed:
            self._pages[page] = tuple(self._rows[page * _PAGE : (page + 1) * _PAGE])
        self._changed.clear()
        return PinnedRows(tuple(self._pages), len(self._rows))
