"""Who works with the system: people, API clients, their roles, and the tokens that say so everywhere.

Owns names, addresses and hashed secrets, and gives none of them away; the other services know a principal's id, roles,
organisation and office from its token alone. It does not decide what a role may do: each service's rules do.
"""

from services.chassis.reference import load_reference
from services.chassis.runtime import Runtime, Service
from services.identity.commands.clients import REFERENCE
from services.identity.commands.hashing import HASHING, Hashing
from services.identity.commands.signing import SIGNING, Signing
from services.identity.routes import routers
from services.identity.tables import METADATA


async def startup(runtime: Runtime) -> None:
    """Make the signing key if there is none, and load what commands need."""
    signing = Signing(runtime.settings.data_folder / "keys")
    signing.ensure_key(runtime.clock.now())
    runtime.state |= {SIGNING: signing, HASHING: Hashing(), REFERENCE: load_reference()}


SERVICE = Service(
    name="identity",
    title="People, API clients, their roles, and the tokens that say so.",
    prefixes=("/v1/tokens", "/v1/jwks", "/v1/clients", "/v1/people", "/v1/audit/identity"),
    metadata=METADATA,
    routers=routers,
    startup=startup,
)
