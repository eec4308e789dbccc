"""Waiting until every list covers what was written.

What: asks the ranking, with the tokens that the writes returned, until it is complete. Why tokens: a write may still
stand in an outbox, where the ranking cannot see it. It must not look into a table or a topic.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from services.console.asking import ask
from services.console.connection import Connection, sentence_of
from services.console.exits import Ended, Exit

AT_ONCE = 1_000
PAUSE_SECONDS = 0.1
PATIENCE_SECONDS = 900.0
"""Without any progress for so long, the command gives up."""

Token = dict[str, str]


def wait_for(
    connection: Connection, tokens: Sequence[Token], *, report: Callable[[int, int], None]
) -> dict[str, Any]:
    """Wait until the lists cover every token; the answer is the ranking's progress.

    `report(lists, projects)` is called as it goes. Raises Ended where nothing moves any more, or no server answers.
    """
    begin, seen, since = 0, None, time.monotonic()
    while True:
        body = {"tokens": tokens[begin : begin + AT_ONCE]}
        answer = ask(connection, "POST", "/v1/ranking-progress", body=body).answer
        if answer.status_code >= 400:
            raise Ended(Exit.REFUSED, sentence_of(answer))
        progress: dict[str, Any] = answer.json()
        report(progress["lists"], progress["projects"])
        state = (begin, progress["lists"], progress["partitions"], progress["waiting_for"])
        if progress["complete"]:
            begin += AT_ONCE
            if begin >= len(tokens):
                return progress
        elif state != seen:
            seen, since = state, time.monotonic()
            time.sleep(PAUSE_SECONDS)
        elif time.monotonic() - since > PATIENCE_SECONDS:
            raise Ended(
                Exit.FAILED,
                f"Nothing has moved for {PATIENCE_SECONDS:.0f} s; waiting for {progress['waiting_for']}.",
            )
        else:
            time.sleep(PAUSE_SECONDS)
