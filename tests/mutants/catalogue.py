"""Every mutant by its name."""

from collections.abc import Mapping

from tests.mutants import (
    consumer,
    log,
    notifications,
    outbox,
    passes,
    relay,
    restoring,
    said,
    topics,
    workers,
)
from tests.mutants.mutant import Mutant

MUTANTS: Mapping[str, Mutant] = {
    one.name: one
    for module in (outbox, relay, log, consumer, topics, restoring, said, notifications, workers, passes)
    for one in module.MUTANTS
}
