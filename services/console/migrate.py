"""`comity migrate`: bring every owner's tables to the newest revision.

What: runs each owner's Alembic chain. Why: a deployment migrates once, before its processes start. It must not create
topics (`comity topics`) or data.
"""

from typing import Annotated

import typer
from rich.console import Console


def migrate(
    owner: Annotated[
        list[str] | None, typer.Argument(help="Owners to migrate; without any, all of them.")
    ] = None,
) -> None:
    """Bring the tables of all owners, or of those named, to the newest revision."""
    from migrations.owners import owners_of
    from migrations.running import migrate as migrate_owners
    from services.chassis.settings import load_settings
    from services.console.exits import Exit, stop

    settings = load_settings()
    known = owners_of(settings)
    unknown = [name for name in owner or () if name not in known]
    if unknown:
        stop(Exit.USAGE, f"There is no owner {unknown[0]!r}; there are {', '.join(known)}.")
    for name, revision in migrate_owners(settings, owner or None).items():
        Console(stderr=True).print(f"{name}: {revision}")
