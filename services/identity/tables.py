"""The tables of `identity`: people, API clients, and the hashes of their secrets.

Names and addresses of people stand in `people` and nowhere else in the system. A secret is stored as an argon2 hash.
"""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, MetaData, Table, Text

from services.chassis.web import audit, idempotency

METADATA = MetaData()
AUDIT = audit.attach(METADATA)
idempotency.attach(METADATA)

PEOPLE = Table(
    "people",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # "active" or "removed"
    Column("name", Text),  # NULL once removed
    Column("email", Text),  # NULL once removed
    Column("roles", Text, nullable=False),  # sorted, space-separated
    Column("organisation", Text, index=True),
    Column("office", Text),
    Column("created_at", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
)
Index("people_email", PEOPLE.c.email, unique=True)  # stored in lower case

CLIENTS = Table(
    "clients",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # "active" or "revoked"
    Column("name", Text, nullable=False),
    Column("roles", Text, nullable=False),  # sorted, space-separated
    Column("organisation", Text, index=True),
    Column("office", Text),
    Column("person", Text, ForeignKey("people.id"), index=True),
    Column("tokens_from", BigInteger, nullable=False),  # tokens issued under an earlier revision are revoked
    Column("created_at", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
)

SECRETS = Table(
    "secrets",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("client", Text, ForeignKey("clients.id"), nullable=False, index=True),
    Column("hash", Text, nullable=False),
    Column("created_at", Text, nullable=False),
)
