"""The examples of the OpenAPI document: what a system answered, recorded in `examples.jsonl` by a command of the tests.

*What.* By operation and status the JSON of an answer. *Why.* An example that somebody made up is soon untrue. *Never:* what is
anybody's; the organisations are fictional, and no secret in it opens anything.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_suffix(".jsonl")


@cache
def examples() -> dict[tuple[str, str], Any]:
    """Return every example by the operation's id and the status."""
    lines = map(json.loads, FILE.read_text("utf-8").splitlines())
    return {(one["operation"], one["status"]): one["body"] for one in lines}
