"""The exit codes of the `comity` command, and the one way to stop with a sentence.

What: a code for each kind of end. Why: scripts decide by code, people read the sentence. It must not print a trace.
"""

from enum import IntEnum
from typing import NoReturn

import typer


class Exit(IntEnum):
    """How a command ended."""

    DONE = 0  # everything asked for was done
    FAILED = 1  # something went wrong that the input did not cause
    USAGE = 2  # the command line itself is wrong
    UNREACHABLE = 3  # a server or a part that is needed is not there
    REFUSED = 4  # the server refused: the problem it answered is printed
    BAD_INPUT = 5  # the file has rows that were not taken; each is named on stderr


def stop(code: Exit, sentence: str) -> NoReturn:
    """End the command with `code` and one sentence on stderr."""
    typer.echo(sentence, err=True)
    raise typer.Exit(int(code))
