"""What a mutant is: the product with one of its rules broken, on purpose, in this process alone.

A mutant is a small patch of product code, made at run time by a test build: the pytest option `--mutant NAME`, the
command `python -m tests.mutants`, or a drill's process starter. The product knows nothing of it and cannot switch it on.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

Patch = pytest.MonkeyPatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One broken rule.

    `rule` is its code in the table of rules (`rules`), `how` says what the mutant does instead. `tests` are the node ids
    of those that must fail with it, the cheapest first; `drills` the drills that must.
    """

    name: str
    rule: str
    how: str
    patch: Callable[[Patch], None]
    tests: tuple[str, ...]
    drills: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()  # where a kill brings it to light; any line if empty
