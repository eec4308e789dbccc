"""The exit codes of the `comity` command, and the one way to stop with a sentence.

What: a code for each kind of end, and what turns an expected failure of any verb into one sentence and its code. Why:
scripts decide by code, people read the sentence. It must not print a trace, except for what nobody expected.
"""

from collections.abc import Iterator
from enum import IntEnum
from types import TracebackType
from typing import NoReturn, Self

import typer


class Exit(IntEnum):
    """How a command ended."""

    DONE = 0  # everything asked for was done
    FAILED = 1  # something went wrong that the input did not cause
    USAGE = 2  # the command line or the settings are wrong
    UNREACHABLE = 3  # a server or a part that is needed is not there, or too busy
    REFUSED = 4  # the server refused: the problem it answered is printed
    BAD_INPUT = 5  # the file has rows that were not taken; each is named on stderr


def stop(code: Exit, sentence: str) -> NoReturn:
    """End the command with `code` and one sentence on stderr."""
    typer.echo(sentence, err=True)
    raise typer.Exit(int(code))


class Ended(Exception):  # noqa: N818 - it is the end of a command
    """What ends the command, raised where nothing may be printed: in a thread, or below what still has an account to give."""

    def __init__(self, code: Exit, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class InSentences:
    """Around the whole command: what can be expected to fail ends it with the error's own sentence, not with a trace."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, Exception):
            return
        if isinstance(error, Ended):
            typer.echo(str(error), err=True)
            raise SystemExit(int(error.code)) from None
        for expected, code in _expected():
            if isinstance(error, expected):
                typer.echo(str(error), err=True)
                raise SystemExit(int(code)) from None


def _expected() -> Iterator[tuple[type[Exception], Exit]]:
    """Errors that carry a sentence for people; imported only when there is one, so that the command starts fast."""
    from services.chassis.settings import SettingsError

    yield SettingsError, Exit.USAGE
    from services.chassis.bus.errors import BusError, Transient
    from services.chassis.database import DatabaseAway
    from services.chassis.lifecycle import ProcessFailed
    from services.console.parts.packages import PartMissingError
    from services.console.parts.processes import PartFailedError
    from services.console.preparing import NotPreparedError
    from services.console.standing_by import StillRuns

    yield StillRuns, Exit.FAILED
    yield NotPreparedError, Exit.FAILED
    yield DatabaseAway, Exit.UNREACHABLE
    yield Transient, Exit.UNREACHABLE
    yield PartMissingError, Exit.UNREACHABLE
    yield PartFailedError, Exit.FAILED
    yield ProcessFailed, Exit.FAILED
    yield BusError, Exit.FAILED
