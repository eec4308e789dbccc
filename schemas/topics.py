"""The topic catalogue: every topic, who may append to it, what keys it, and what may stand on it.

*What.* The one list from which topics are created, the relay's rights are checked and AsyncAPI is generated.
*Why.* A partition count or a key that is decided in two places is decided differently one day.

A **state topic** is compacted: every record carries the full state of its key, a tombstone erases it, and its
partition count never changes. A **history topic** keeps every record, without limit by default.
Adding a topic: one entry here, its event types with it, then `comity topics`.
"""

from dataclasses import dataclass
from types import MappingProxyType

PROJECT_REVISED = "org.comity.project.revised.v1"
PROJECT_ERASED = "org.comity.project.erased.v1"
FLAGSHIP_REVISED = "org.comity.flagship.revised.v1"
ORGANISATION_REVISED = "org.comity.organisation.revised.v1"
ORGANISATION_ERASED = "org.comity.organisation.erased.v1"
LIST_VERSIONED = "org.comity.list.versioned.v1"
LIST_REMOVED = "org.comity.list.removed.v1"
STANDING_CROSSED = "org.comity.standing.crossed.v1"
STANDING_LOST = "org.comity.standing.lost.v1"
EPOCH_PUBLISHED = "org.comity.epoch.published.v1"
DAY_OPENED = "org.comity.day.opened.v1"

TOMBSTONES = frozenset({PROJECT_ERASED, ORGANISATION_ERASED, STANDING_LOST})
"""The types that have no data: each erases its key."""

LATEST_RELEASE = MappingProxyType({PROJECT_REVISED: 3, ORGANISATION_REVISED: 4})
"""The latest release of the schema of a type's data, where it is not the first; every event names it."""

TOMBSTONE_RETENTION_DAYS = 30
"""How long a state topic keeps a tombstone, unless the settings say otherwise: a reader away longer must rebuild."""

COMPACTION_LAG_SECONDS = 604_800
"""When a superseded record of a state topic goes, unless the settings say otherwise (`max.compaction.lag.ms`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic. `owner` is the only service that appends to it; `key` says in words what the key is."""

    name: str
    owner: str
    key: str
    compacted: bool
    partitions: int
    event_types: tuple[str, ...]
    title: str

    def partition_count(self, configured: int | None) -> int:
        """Return how many partitions to create: the settings may say, except where one means a total order."""
        return self.partitions if configured is None or self.partitions == 1 else configured


_ALL = (
    Topic(
        name="projects.v1",
        owner="projects",
        key="project id or flagship id",
        compacted=True,
        partitions=8,
        event_types=(PROJECT_REVISED, PROJECT_ERASED, FLAGSHIP_REVISED),
        title="Current projects and flagship initiatives, one full record per id.",
    ),
    Topic(
        name="members.v1",
        owner="members",
        key="organisation id",
        compacted=True,
        partitions=8,
        event_types=(ORGANISATION_REVISED, ORGANISATION_ERASED),
        title="Current organisations and their profiles, one full record per id, without contacts.",
    ),
    Topic(
        name="standings.v1",
        owner="matches",
        key="project id/organisation id (partitioned by project id)",
        compacted=True,
        partitions=8,
        event_types=(STANDING_CROSSED, STANDING_LOST),
        title="The pairs above the floor, one record per crossing of the floor or of a band.",
    ),
    Topic(
        name="matches.v1",
        owner="matches",
        key="project id",
        compacted=False,
        partitions=8,
        event_types=(LIST_VERSIONED, LIST_REMOVED),
        title="Every list version: counts, digest, head and bounded delta; and that a list is shown no more.",
    ),
    Topic(
        name="epochs.v1",
        owner="matches",
        key="epoch hash, or the date of the day",
        compacted=False,
        partitions=1,
        event_types=(EPOCH_PUBLISHED, DAY_OPENED),
        title="Epochs published and days opened, in the one order that everybody sees.",
    ),
)

TOPICS = MappingProxyType({topic.name: topic for topic in _ALL})
"""Topic by name."""

TOPIC_OF = MappingProxyType({event_type: topic for topic in _ALL for event_type in topic.event_types})
"""Topic by event type: a type stands on exactly one topic."""


def topics_of(owner: str) -> tuple[Topic, ...]:
    """Return the topics that a service owns, in catalogue order."""
    return tuple(topic for topic in _ALL if topic.owner == owner)


def is_state(name: str) -> bool:
    """Whether this is a state topic of the catalogue."""
    return name in TOPICS and TOPICS[name].compacted
