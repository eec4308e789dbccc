"""`comity roles`: one schema and one role for each owner of tables in PostgreSQL, as statements for its administrator.

What: prints SQL; each role owns its schema, and no other role may look into it. Why printed: whoever makes roles has rights
that Comity never needs, so it is never given them. `database.url` then names its user as `comity_{service}`. It must not
connect anywhere.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

PREFIX = "comity_"
_ADOPT = """DO $$ DECLARE one record; BEGIN
  FOR one IN SELECT oid::regclass AS name FROM pg_class WHERE relnamespace = '{owner}'::regnamespace AND relkind = 'r'
  LOOP EXECUTE format('ALTER TABLE %s OWNER TO %I', one.name, '{role}'); END LOOP; END $$"""


def roles(
    database: Annotated[str, typer.Option(help="The database's name.")] = "comity",
    password: Annotated[
        str | None, typer.Option(help="One password for all; without it, set each with psql's \\password.")
    ] = None,
) -> None:
    r"""Print the statements that make a schema and a role for each owner: `comity roles | psql -v ON_ERROR_STOP=1 DATABASE`."""
    from migrations.owners import owners_of
    from services.chassis.settings import load_settings

    owners = owners_of(load_settings())
    typer.echo(
        "-- A schema and a role for each owner of tables. To be run once, in this database, by an administrator."
    )
    for statement in statements(owners, database=database, password=password):
        typer.echo(f"{statement};")
    if password is None:
        for owner in owners:
            typer.echo(f"\\password {PREFIX}{owner}")


def statements(owners: Iterable[str], *, database: str, password: str | None) -> Iterator[str]:
    """Return the statements, without semicolons; to run them again does no harm, and takes a new owner in."""
    name = '"{}"'.format(database.replace('"', '""'))
    yield f"REVOKE ALL ON DATABASE {name} FROM PUBLIC"
    yield "REVOKE ALL ON SCHEMA public FROM PUBLIC"
    for owner in owners:
        role = PREFIX + owner
        yield (
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') "
            f"THEN CREATE ROLE {role} LOGIN NOINHERIT; END IF; END $$"
        )
        if password is not None:
            yield "ALTER ROLE {} PASSWORD '{}'".format(role, password.replace("'", "''"))
        yield f"GRANT CONNECT ON DATABASE {name} TO {role}"
        yield f"CREATE SCHEMA IF NOT EXISTS {owner}"
        yield f"ALTER SCHEMA {owner} OWNER TO {role}"
        # What another role made there before (a deployment without roles of its own) becomes the owner's.
        yield _ADOPT.replace("{owner}", owner).replace("{role}", role)
