"""The tables of `members`: current organisations, every revision of them, contacts apart, and external ids.

*What.* An organisation's row holds its whole record as the JSON that also goes on the log, with the columns that
a query filters by beside it. *Why.* One form of a record means that what is stored, sent and shown cannot differ.
*Never:* a person outside `contacts`. Erasure empties `record` and the name and leaves the row, so that an erased
id is never given out again.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
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

ORGANISATIONS = Table(
    "organisations",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # active, dormant, withdrawn, or erased
    Column("legal_name", Text, nullable=False),  # empty once erased
    Column("name_key", Text, nullable=False),  # the name folded, to notice the same name twice
    Column("category", Text, nullable=False),
    Column("hq_country", Text, nullable=False),
    Column("region", Text),  # of the headquarters
    Column("sme", Boolean, nullable=False),
    Column("fictional", Boolean, nullable=False),
    Column("parent", Text),
    Column("membership_state", Text, nullable=False),
    Column(
        "next_change_on", Text
    ),  # ISO date on which a date alone changes the record; the sweep asks for it
    Column("registered_at", Text, nullable=False),
    Column("revised_at", Text, nullable=False),
    Column("record", LargeBinary),  # the record as it stands on the log; NULL once erased
)
Index("organisations_by_name", ORGANISATIONS.c.name_key, ORGANISATIONS.c.hq_country)
Index("organisations_by_country", ORGANISATIONS.c.hq_country, ORGANISATIONS.c.id)
Index("organisations_by_parent", ORGANISATIONS.c.parent)
Index("organisations_by_next_change", ORGANISATIONS.c.next_change_on)

REVISIONS = Table(
    "revisions",
    METADATA,
    # Append-only but for erasure, which empties `record` and `why`. Contacts have no history.
    Column("id", Text, ForeignKey(ORGANISATIONS.c.id), primary_key=True),
    Column("revision", BigInteger, primary_key=True),
    Column("state", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    Column("why", Text),
    Column("record", LargeBinary),
)

CONTACTS = Table(
    "contacts",
    METADATA,
    # The one store of personal data here. Never in an event, a revision or the audit trail.
    Column("id", Text, ForeignKey(ORGANISATIONS.c.id), primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("role", Text),
)

EXTERNAL_IDS = Table(
    "external_ids",
    METADATA,
    Column("scheme", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("organisation", Text, ForeignKey(ORGANISATIONS.c.id), nullable=False, index=True),
)

TREE = Table(
    "tree",
    METADATA,
    # One row, locked by whoever sets a parent: two organisations that name each other at the same moment would
    # otherwise both find no cycle.
    Column("single", Integer, primary_key=True),
)
