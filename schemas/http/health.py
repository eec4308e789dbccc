"""What `/healthz`, `/readyz` and `/progress` answer of a process.

*What.* That it is alive, what keeps it from serving, and how far its work is. *Why.* Probes, alarms and whoever waits for a
write read them. *Never:* anything of anybody; whoever reaches the process may ask.
"""

from typing import Literal

from pydantic import Field

from schemas.http.matches import Answered, Count, Digest


class Liveness(Answered):
    """The process answers."""

    alive: Literal[True]


class Readiness(Answered):
    """Requests can be served; where they cannot, the answer is a problem with the same `parts`."""

    ready: Literal[True]
    parts: dict[str, str | None] = Field(description="Why a part is not ready; null: it is.")


class PartitionPlace(Answered):
    """How far a reader has come on one partition of the log."""

    position: Count
    end: Count
    lag: Count = Field(description="Offsets before it; more than records where compaction left gaps.")
    age_seconds: float | None = Field(description="How long the oldest record waits; null at rest.")
    trouble: str | None = Field(description="Why its next record could not be applied yet.")


class ConsumerProgress(Answered):
    """How far a reader of the log has come in this process, and the letters that it set aside."""

    group: str
    lag: Count
    age_seconds: float | None
    partitions: dict[str, PartitionPlace] = Field(
        description="By topic and partition, such as `members.v1/3`."
    )
    dead: Count
    parked: Count


class UnknownWords(Answered):
    """How many words of the open projects the epoch has not seen."""

    unknown: Count
    words: Count


class RankedTo(Answered):
    """Up to where the lists of a partition's projects are ranked."""

    day: str
    epoch: Digest
    positions: dict[str, Count] = Field(description="By topic and partition.")


class ServiceProgress(Answered):
    """The figures of one service; each has those of its own work."""

    outbox_rows: Count = Field(0, description="Events that are written, and not on the log yet.")
    outbox_oldest_seconds: float = 0.0
    consumers: dict[str, ConsumerProgress] = Field({}, description="Of a worker: its readers, by group.")
    archive: ConsumerProgress | None = Field(
        None, description="Of a worker of matches: its reader of records."
    )
    open_projects: Count = 0
    unknown_words: UnknownWords | None = None
    ranked_to: dict[str, RankedTo] = Field({}, description="By partition of the projects.")
    notices_waiting: Count = 0
    messages_unsent: Count = 0


class ProcessProgress(Answered):
    """What waits and how far the work is, for each service of this process."""

    services: dict[str, ServiceProgress]
