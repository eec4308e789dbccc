"""The tables of `matches`: the archive, the epochs, the lists, and who ranks what.

What: every table this service owns. Why: an index is only a cache; lists are recomputed from `documents`, `epochs`
and `days`, and what was said at the time (`list_versions`) is stored and never rebuilt. It must not hold a row per
pair of project and candidate, except for the pairs above the floor (`standings`).
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    false,
    text,
)

from services.chassis.bus import deadletters, incarnation, outbox, positions
from services.chassis.web import audit, idempotency

METADATA = MetaData()

for attach in (
    outbox.attach,
    positions.attach,
    deadletters.attach,
    incarnation.attach,
    idempotency.attach,
    audit.attach,
):
    attach(METADATA)

DOCUMENTS = Table(
    "documents",
    METADATA,
    # Every revision seen of organisations and projects, as it came and as analysed: the archive that indexes are built
    # from. `latest` marks the newest revision of a key; it moves in the transaction that adds the newer row.
    Column("kind", Text, primary_key=True),  # "member" or "project"
    Column("id", Text, primary_key=True),
    Column("incarnation", BigInteger, primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger),  # NULL where the present log does not hold the revision (after a rebuild)
    # Where it stood when it came, which no rebuild changes: past lists are recomputed by it. -1: in a log before this one,
    # and so before every list since; NULL: not known, or dropped by a rebuild as erased long ago.
    Column("came", BigInteger),
    Column(
        "late", BigInteger, unique=True
    ),  # NULL, or the order in which those came that the position had passed
    Column("event_id", Text, nullable=False),
    Column(
        "traceparent", Text
    ),  # of the write that it came from, so that its ranking is a step of the same trace
    Column("latest", Boolean, nullable=False),
    Column("erased", Boolean, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("record", LargeBinary),  # canonical JSON of the event; NULL once erased
    Column("analysed", LargeBinary),  # deflated JSON of the ordered stems; NULL once erased
)
Index("documents_by_place", DOCUMENTS.c.topic, DOCUMENTS.c.partition, DOCUMENTS.c.offset, unique=True)
Index(
    "documents_latest",
    DOCUMENTS.c.kind,
    DOCUMENTS.c.id,
    unique=True,
    sqlite_where=DOCUMENTS.c.latest,
    postgresql_where=DOCUMENTS.c.latest,
)

EPOCHS = Table(
    "epochs",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("hash", Text, nullable=False, unique=True),
    Column("body", LargeBinary, nullable=False),  # the frozen epoch, deflated canonical JSON
    Column("published_at", Text, nullable=False),
)

DAYS = Table(
    "days",
    METADATA,
    Column("day", Text, primary_key=True),  # ISO date; never earlier than one that stands here
    Column("opened_at", Text, nullable=False),
)

RANKING = Table(
    "ranking",
    METADATA,
    # One row per partition of the projects topic: the owner's generation and how far its lists have come.
    Column("partition", Integer, primary_key=True),
    Column("generation", BigInteger, nullable=False),
    Column("owner", Text, nullable=False),
    Column(
        "ranked_to", Text, nullable=False
    ),  # JSON: positions by "topic/partition", epoch hash, reference date
    Column("updated_at", Text, nullable=False),
)

LIST_VERSIONS = Table(
    "list_versions",
    METADATA,
    Column("project", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("project_revision", BigInteger, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("reference_date", Text, nullable=False),
    Column("positions", Text, nullable=False),  # JSON: the position vector of the pinned index
    Column("late", BigInteger, nullable=False, server_default=text("0")),  # and its last late revision
    Column("log", Text),  # identity of the log that the positions of organisations count in; NULL: not known
    Column("counts", Text, nullable=False),
    Column("coverage", Text, nullable=False),
    Column("reasons", Text, nullable=False),  # JSON: codes of what was material
    Column("digest", Text, nullable=False),
    Column("head", LargeBinary, nullable=False),  # JSON: the first 50 rows with points
    Column("delta", LargeBinary, nullable=False),  # JSON: added, removed, moved against the version before
    Column("final", Boolean, nullable=False),  # the last version of a closed project
    Column("rows", LargeBinary),  # the packed canonical rows, stored whole for a final version only
    Column("excluded", LargeBinary),  # JSON: those a hard rule left out, for a final version only
    # What this version gives and owes in attention, packed (`matching.exposure.ROW`), and who stands in its lane, as
    # JSON; NULL for a final version, which nobody is sought by any more, and for those from before there was such a record.
    Column("attention", LargeBinary),
    Column("lane", Text),
    Column("created_at", Text, nullable=False),
    Column("shown_until", Text),  # when the next version took its place, or its project was erased
)
# The lists that stand now, and those that stood at a moment.
Index(
    "list_versions_shown",
    LIST_VERSIONS.c.project,
    LIST_VERSIONS.c.number,
    sqlite_where=LIST_VERSIONS.c.shown_until.is_(None) & LIST_VERSIONS.c.attention.is_not(None),
    postgresql_where=LIST_VERSIONS.c.shown_until.is_(None) & LIST_VERSIONS.c.attention.is_not(None),
)
Index("list_versions_by_end", LIST_VERSIONS.c.shown_until)

LIST_NUMBERS = Table(
    "list_numbers",
    METADATA,
    # The highest number of a list that the log was told of and that a backup, put back, had no version of: said is said,
    # and the versions that follow are numbered from above it.
    Column("project", Text, primary_key=True),
    Column("number", Integer, nullable=False),
)

STANDINGS = Table(
    "standings",
    METADATA,
    # The pairs above the floor: what notices and an organisation's opportunities stand on.
    Column("project", Text, primary_key=True),
    Column("organisation", Text, primary_key=True),
    Column("number", Integer, nullable=False),  # the list version that last changed this pair
    Column("points", BigInteger, nullable=False),
    Column("fit", Integer, nullable=False),
    Column("band", Text, nullable=False),
)
Index("standings_by_organisation", STANDINGS.c.organisation)

FEED = Table(
    "feed",
    METADATA,
    # What the log has been told of lists and standings, in one order: a position is given after the commit of what it
    # tells of, by the one relay, in the transaction that takes the event from the outbox. `latest` marks the newest
    # entry of a subject. Flagship, level and regions are those of the project when the entry was made.
    Column("position", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("incarnation", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("organisation", Text),  # NULL for a list version
    Column("flagship", Text),
    Column("level", Text),
    Column("regions", Text, nullable=False),  # " AFR ASP ", with a blank on both sides of each
    Column("latest", Boolean, nullable=False),
    Column("deleted", Boolean, nullable=False),  # the entry takes its subject away
    # It says only that the project has left a flagship, a region or a level, or come to it; or is hidden, or open again.
    Column("moved", Boolean, nullable=False, server_default=false()),
    Column(
        "hidden", Boolean, nullable=False, server_default=false()
    ),  # its project is at rest now, or withdrawn: not for organisations
    Column("fed_at", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),  # the entry's JSON from behind its id on
    sqlite_autoincrement=True,  # a position is never given out again
)
Index("feed_by_project", FEED.c.project, FEED.c.position)
Index("feed_by_organisation", FEED.c.organisation, FEED.c.position)
Index(
    "feed_latest",
    FEED.c.subject,
    unique=True,
    sqlite_where=FEED.c.latest,
    postgresql_where=FEED.c.latest,
)
Index("feed_current", FEED.c.position, sqlite_where=FEED.c.latest, postgresql_where=FEED.c.latest)

FEED_HORIZON = Table(
    "feed_horizon",
    METADATA,
    # One row, or none while every deletion is kept: who has not read up to here cannot go on, for the last of those that have gone
    # stood here. What is superseded goes without it.
    Column("single", Integer, primary_key=True),
    Column("position", BigInteger, nullable=False),
)
