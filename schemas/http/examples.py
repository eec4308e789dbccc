"""The examples of the OpenAPI document: what a system answered, recorded in `examples.jsonl` by a command of the tests.

*What.* By operation and status the JSON of an answer, and which headers a client goes on with came with it. *Why.* An example that somebody made up is soon untrue. *Never:* what is
anybody's; the organisations are fictional, and no secret in it opens anything.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

FILE = Path(__file__).with_suffix(".jsonl")
HEADERS = ("ETag", "Link", "Location")
"""The headers that a client goes on with."""


class Example(NamedTuple):
    """One answer."""

    body: Any
    headers: tuple[str, ...]


@cache
def examples() -> dict[tuple[str, str], Example]:
    """Return every example by the operation's id and the status."""
    lines = map(json.loads, FILE.read_text("utf-8").splitlines())
    return {(one["operation"], one["status"]): Example(one["body"], tuple(one["headers"])) for one in lines}
