"""`python -m migrations OWNER "what changes"`: draft an owner's next revision from its declared tables.

The draft is compared with an empty SQLite database that the chain so far was run on; read it before committing it.
"""

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import Connection

from migrations.owners import every_owner, metadata_of
from migrations.running import FOLDER, configuration, upgrade
from services.chassis.database import Database


async def draft(owner: str, message: str) -> Path:
    """Write the next revision of an owner's chain and return its file."""
    earlier = len(list((FOLDER / owner).glob("[0-9]*.py")))
    number = f"{earlier + 1:04d}"
    slug = "_".join(message.lower().split())[:40]
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite+aiosqlite:///{folder}/draft.db", service=owner)
        if earlier:
            await upgrade(database, owner)

        def write(connection: Connection) -> None:
            command.revision(
                configuration(owner, connection), message, autogenerate=True, rev_id=f"{owner}_{number}"
            )

        async with database.write() as connection:
            await connection.run_sync(write)
        await database.close()
    written = next((FOLDER / owner).glob(f"{owner}_{number}*.py"))
    target = written.rename(FOLDER / owner / f"{number}_{slug}.py")
    text = "".join(
        line for line in target.read_text("utf-8").splitlines(keepends=True) if "# ### " not in line
    )
    if not earlier and "audit" in metadata_of(owner).tables:
        text = text.replace("\n\n\ndef downgrade", "\n    make_audit_append_only()\n\n\ndef downgrade")
        text = text.replace(
            "from alembic import op\n",
            "from alembic import op\n\nfrom migrations.append_only import make_audit_append_only\n",
        )
    target.write_text(text, "utf-8")
    return target


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in every_owner():
        sys.exit(f'usage: python -m migrations {{{",".join(every_owner())}}} "what changes"')
    drafted = asyncio.run(draft(sys.argv[1], sys.argv[2]))
    ruff = Path(sys.executable).with_name("ruff")
    if ruff.exists():
        subprocess.run([ruff, "format", "-q", drafted], check=True)  # noqa: S603 - our own tool on our own file
    sys.stdout.write(f"{drafted}\n")
