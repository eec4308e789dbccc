"""The tables of `projects`: current projects and flagships, every revision of them, and what lists them.

*What.* An aggregate's row holds its whole record as the JSON that also goes on the log, with the columns that a
query filters by beside it. *Why.* One form of a record means that what is stored, sent and shown cannot differ.
*Never:* a column of a person's name or address; principals are ids. Erasure empties `record` and leaves the row,
so that an erased id is never given out again.
"""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, MetaData, Table, Text

from services.chassis.bus import deadletters, incarnation, outbox, positions
from services.chassis.web import audit, idempotency

METADATA = MetaData()

ERASED = "erased"
"""The state of a project's row that was emptied."""

for attach in (
    outbox.attach,
    positions.attach,
    deadletters.attach,
    incarnation.attach,
    idempotency.attach,
    audit.attach,
):
    attach(METADATA)

IDENTIFIERS = Table(
    "identifiers",
    METADATA,
    # Projects and flagships share one topic, so an id must never name one of each.
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),  # "project" or "flagship"
)

PROJECTS = Table(
    "projects",
    METADATA,
    Column("id", Text, ForeignKey(IDENTIFIERS.c.id), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # draft, published, dormant, closed, withdrawn, or erased
    Column("level", Text),
    Column("owner", Text),
    Column("office", Text),
    Column("flagship", Text),
    Column("deadline", Text),  # ISO dates: the sweep asks for those that are past
    Column("review_by", Text),
    Column("created_at", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    Column("record", LargeBinary),  # the record as it stands on the log; NULL once erased
)
Index("projects_by_time", PROJECTS.c.created_at, PROJECTS.c.id)
Index("projects_by_flagship", PROJECTS.c.flagship)
Index("projects_by_deadline", PROJECTS.c.state, PROJECTS.c.deadline)
Index("projects_by_review", PROJECTS.c.state, PROJECTS.c.review_by)

FLAGSHIPS = Table(
    "flagships",
    METADATA,
    Column("id", Text, ForeignKey(IDENTIFIERS.c.id), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("level", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    Column("record", LargeBinary, nullable=False),
)
Index("flagships_by_time", FLAGSHIPS.c.created_at, FLAGSHIPS.c.id)

REVISIONS = Table(
    "revisions",
    METADATA,
    # Append-only but for erasure, which empties `record` and `why`.
    Column("id", Text, ForeignKey(IDENTIFIERS.c.id), primary_key=True),
    Column("revision", BigInteger, primary_key=True),
    Column("state", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    Column("why", Text),
    Column("record", LargeBinary),
)

FACETS = Table(
    "facets",
    METADATA,
    # What a project can be found by: ("region", "AFR"), ("country", "KEN"), ("tag", "bap:AFR1"), ("team", principal).
    Column("project", Text, ForeignKey(PROJECTS.c.id), primary_key=True),
    Column("facet", Text, primary_key=True),
    Column("value", Text, primary_key=True),
)
Index("facets_by_value", FACETS.c.facet, FACETS.c.value, FACETS.c.project)

EXTERNAL_IDS = Table(
    "external_ids",
    METADATA,
    Column("scheme", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("project", Text, ForeignKey(PROJECTS.c.id), nullable=False, index=True),
)

LIST_SUMMARIES = Table(
    "list_summaries",
    METADATA,
    # The newest list version of each project, from `matches.v1`. It may arrive before the project that it names.
    Column("project", Text, primary_key=True),
    Column("incarnation", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("record", LargeBinary, nullable=False),  # number, epoch, reference date, counts, coverage
)
