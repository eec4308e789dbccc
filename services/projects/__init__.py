"""Projects and flagships: what is to be done, where, until when, and what it needs.

Owns their drafts, publication, closing, teams, history and erasure. It does not rank anybody (matches does), and
it has no way to award anything: a list is a suggestion, and accepting one partner closes nothing.
"""

from services.chassis.reference import load_reference
from services.chassis.reference.faults import Codebook
from services.chassis.reference.languages import load_language_checks
from services.chassis.runtime import Runtime, Service
from services.chassis.web.faults import CODEBOOK
from services.projects.commands.restoring import OWNER
from services.projects.consumers import LISTS, loops, progress
from services.projects.routes import routers
from services.projects.tables import METADATA


async def startup(runtime: Runtime) -> None:
    """Load the published lists that projects are held against."""
    runtime.state[CODEBOOK] = Codebook(load_reference(), load_language_checks())


SERVICE = Service(
    name="projects",
    title="Projects and flagship initiatives: what is to be done, where, until when, and what it needs.",
    prefixes=("/v1/projects", "/v1/flagships", "/v1/audit/projects", "/v1/dead-letters/projects"),
    metadata=METADATA,
    routers=routers,
    topics=("projects.v1",),
    owner=OWNER,
    readers=(LISTS,),
    loops=loops,
    startup=startup,
    progress=progress,
)
