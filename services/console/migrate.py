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
    from services.chassis.settings import load_settings
    from services.console.owners import migrate_all, owners_of

    settings = load_settings()
    known = owners_of(settings)
    for name in owner or ():
        if name not in known:
            from services.console.exits import Exit, stop

            stop(Exit.USAGE, f"There is no owner {name!r}; there are {', '.join(known)}.")
    for name, revision in migrate_all(settings, tuple(owner or known)).items():
        Console(stderr=True).print(f"{name}: {revision}")
