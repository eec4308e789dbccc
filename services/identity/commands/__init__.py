"""What changes people and clients, and what makes tokens. `ensure_first_admin` is what a new system begins with."""

from sqlalchemy import select

from schemas.http.identity import ClientBody
from services.chassis.identity.principal import Principal
from services.chassis.runtime import Runtime
from services.chassis.web.conditions import Conditions
from services.chassis.web.operation import Unit
from services.identity.commands.clients import create_client
from services.identity.tables import CLIENTS


async def ensure_first_admin(runtime: Runtime) -> tuple[str, str] | None:
    """Make the first administrator's client if there has never been any client; return its id and secret.

    Returns None if there is one: the secret is stored hashed and cannot be had again.
    """
    async with runtime.database.write() as connection:
        if (await connection.execute(select(CLIENTS.c.id).limit(1))).first() is not None:
            return None
        unit = Unit(
            connection=connection,
            principal=Principal("system", frozenset({"bdt_admin", "public"})),
            runtime=runtime,
            now=runtime.clock.now(),
            conditions=Conditions(None, None),
            request_id="first-start",
        )
        made = await create_client(unit, ClientBody(name="First administrator", roles=("bdt_admin",)))
        return str(made["id"]), str(made["secret"])
