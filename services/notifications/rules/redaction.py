"""What somebody else sees of an organisation's messages: that they were, of which kind and how long, not what they said.

*What.* The envelope of a webhook's body, the length of its data and of an answer, an endpoint's host without what follows.
*Why the URL too.* Path and query of a webhook's address are often the whole secret that lets one write to it. *Never:*
decide who somebody else is (`rules.rights` does); or let a secret through to the organisation itself either.
"""

import re
from typing import Any

import orjson
from yarl import URL

from schemas.webhooks.notifications import NEWS

ELLIPSIS = "…"
"""What stands for what is left out; no address that can be called has it."""

_ENVELOPE = ("specversion", "id", "source", "type", "time", "datacontenttype", "dataschema")
_SECRETS = re.compile(rb"(whsec_|v1,)[\w+/=\\-]{8,}")


def shortened(url: str) -> str:
    """Return an address without path, query and user; of an endpoint that is gone nothing is left."""
    return f"{URL(url).origin()}/{ELLIPSIS}" if url else ""


def redacted_event(stored: bytes) -> dict[str, Any]:
    """Return a webhook's body with its envelope alone: of the subject the kind, of the data how long it is."""
    event = orjson.loads(stored)
    kind = "project" if event["type"] in NEWS else "endpoint"
    shown = {name: event[name] for name in _ENVELOPE}
    return shown | {"subject": f"{kind}/{ELLIPSIS}", "data": redacted(orjson.dumps(event["data"]))}


def redacted(stored: bytes) -> dict[str, Any]:
    """Return what stands for the content of JSON."""
    return {"redacted_bytes": len(stored)}


def redacted_text(stored: bytes) -> str:
    """Return what stands for a text that somebody answered."""
    return f"[redacted: {len(stored)} bytes]"


def without_secrets(said: bytes) -> bytes:
    """Return a receiver's answer as it may be kept: some repeat the signature, or the secret that they checked it with."""
    return _SECRETS.sub(rb"\1" + ELLIPSIS.encode(), said)
