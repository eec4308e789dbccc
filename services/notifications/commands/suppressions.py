"""The way back out of the list of addresses that no mail is sent to: somebody who looked into it lifts the entry.

*Never:* say who is on the list; it holds keyed hashes, and an address has to be known to be asked for.
"""

from sqlalchemy import delete

from schemas.http.notifications import LiftBody
from services.chassis.web.operation import Answer, Unit
from services.chassis.web.problems import NotFound
from services.notifications.rules import rights
from services.notifications.rules.keys import keys_of
from services.notifications.tables import SUPPRESSIONS


async def lift_suppression(unit: Unit, *, body: LiftBody) -> Answer:
    """Let mails go to an address again that its server had refused; 204. Raises Unauthenticated, Forbidden, NotFound."""
    rights.require_support(unit.principal)
    keys = keys_of(unit.runtime.state)
    hashed = keys.address_hash(body.email)
    lifted = await unit.connection.execute(delete(SUPPRESSIONS).where(SUPPRESSIONS.c.address_hash == hashed))
    if not lifted.rowcount:
        raise NotFound
    await unit.audit(action="suppression.lifted", subject=hashed, before=None, after=None)
    return Answer(status=204)
