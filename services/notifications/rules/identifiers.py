"""The ids of messages that news makes: the same news has the same id, whoever makes the message and however often.

*What.* A UUIDv5 of what the message tells to whom. *Why not drawn.* A database that is put back from a backup has forgotten what was sent
since: it tells it again, and only the id says so to a receiver. *Never:* for what somebody asks for (a ping, an example, a
question): each time it is another message; or in the place of time, for such ids have no order.
"""

import uuid
from collections.abc import Mapping
from typing import Any

NAMESPACE = uuid.UUID("8f6d4a52-0c3e-5a64-9d0b-3b1f2a7c9e15")


def identifier_of(kind: str, *what: str) -> str:
    """Return the id of the message of this kind about these things, in this order."""
    return str(uuid.uuid5(NAMESPACE, "|".join((kind, *what))))


def identifier_of_news(notice: Mapping[str, Any]) -> str:
    """Return the id under which a notice is told, by webhook and by the feed: of what makes its row unique.

    Its row's own id has the order in which notices were made, and is drawn. A webhook that was made before ids were those of
    news has that one, for ever.
    """
    if notice["delivery"] == notice["id"]:
        return str(notice["id"])
    return identifier_of("news", notice["subscription"], notice["project"], notice["cause"])
