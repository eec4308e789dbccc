"""Alembic's environment, one for all owners: it runs on the connection and for the owner that it is given."""

from alembic import context

from migrations.owners import metadata_of

config = context.config
owner: str = config.attributes["owner"]
connection = config.attributes["connection"]

context.configure(
    connection=connection,
    target_metadata=metadata_of(owner),
    transactional_ddl=True,  # SQLite's can be, because the driver begins no transactions of its own here
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
