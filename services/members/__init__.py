"""Organisations: companies, administrations, universities and others, with their profiles.

Owns who they are, what they offer and seek, their past work, and whom to write to. It does not rank them (matches),
and it treats a prospect's profile exactly as a member's.
"""

from services.chassis.reference import load_reference
from services.chassis.reference.faults import Codebook
from services.chassis.reference.languages import load_language_checks
from services.chassis.runtime import Runtime, Service
from services.chassis.web.faults import CODEBOOK
from services.members.commands.restoring import OWNER
from services.members.consumers import loops
from services.members.routes import routers
from services.members.tables import METADATA


async def startup(runtime: Runtime) -> None:
    """Load the published lists that profiles are held against."""
    runtime.state[CODEBOOK] = Codebook(load_reference(), load_language_checks())


SERVICE = Service(
    name="members",
    title="Organisations and their profiles: who they are, what they offer, where they work.",
    prefixes=("/v1/organisations", "/v1/audit/members"),
    metadata=METADATA,
    routers=routers,
    topics=("members.v1",),
    owner=OWNER,
    loops=loops,
    startup=startup,
)
