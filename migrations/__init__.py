"""One Alembic chain per owner of tables, and the one way to run them: `migrations.running`."""
