"""The recorded examples are of this release: what the system answers now has the same members."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.http.examples import HEADERS, examples
from tests.contracts.examples import caller_of, furnish
from tests.contracts.visibility_rows import Get
from tests.contracts.visibility_table import TABLE
from tests.contracts.world import started

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


OF_ANY_FORM = frozenset({"partitions", "ranked_to", "positions", "details", "data", "body"})
"""Members whose own members are places of the log, or hang on what was done or said."""


def differences(shown: Any, answered: Any, at: str = "") -> Iterator[str]:
    """Tell which members only one of two answers has; lists are compared by what stands first."""
    if isinstance(shown, dict) and isinstance(answered, dict):
        yield from (f"{at}/{name}" for name in shown.keys() ^ answered.keys())
        for name in (shown.keys() & answered.keys()) - OF_ANY_FORM:
            yield from differences(shown[name], answered[name], f"{at}/{name}")
    if isinstance(shown, list) and isinstance(answered, list) and shown and answered:
        yield from differences(shown[0], answered[0], f"{at}/0")


def test_what_is_answered_now_has_the_members_of_the_examples(tmp_path: Path) -> None:
    compared, found = 0, []
    with started(tmp_path) as world:
        furnish(world)
        for name, (row, *_) in TABLE.items():
            shown = examples().get((name, "200"))
            if shown is not None and isinstance(row.send, Get):
                answer = row.send(world, caller_of(name, row))
                if answer.status_code == 200:
                    compared += 1
                    found += [f"{name}{one}" for one in differences(shown.body, answer.json())]
                    assert shown.headers == tuple(one for one in HEADERS if one in answer.headers), name
    assert compared > 40
    assert found == []
