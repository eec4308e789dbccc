"""The published lists that writes are checked against, and from faults to one problem document that lists them all.

What: where the lists of a process are, and the refusal that every service's writes end in. Why: a person who is told one fault at a time gives up at the
third. It must not check anything itself.
"""

from collections.abc import Sequence
from typing import cast

from services.chassis.reference.faults import MOST_FAULTS, Codebook, Fault
from services.chassis.runtime import Runtime
from services.chassis.web.problems import ErrorEntry, InvalidBody, Problem

CODEBOOK = "codebook"
"""Where the runtime's state holds the published lists."""


def codebook_of(runtime: Runtime) -> Codebook:
    """Return the published lists that were loaded at start."""
    return cast("Codebook", runtime.state[CODEBOOK])


def refuse_faults(faults: Sequence[Fault], *, kind: type[Problem] = InvalidBody) -> None:
    """Raise one problem that lists all faults, unless there is none."""
    if not faults:
        return
    count = "1 point" if len(faults) == 1 else f"{len(faults)} points"
    if len(faults) >= MOST_FAULTS:
        count = f"At least {count}"
    raise kind(f"{count} to mend: {faults[0].detail}", errors=[as_error(fault) for fault in faults])


def as_error(fault: Fault) -> ErrorEntry:
    """Return a fault as one entry of a problem's `errors`."""
    return {"pointer": fault.pointer, "rule": fault.rule, "detail": fault.detail, "fix": fault.fix}
