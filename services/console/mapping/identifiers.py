"""Our ids for other people's records: the same record has the same id in every run and on every machine.

What: a UUIDv5 of kind, scheme and external id. Why: an import can be repeated, and two runs can be compared. It must not
be random and must not depend on the file that the record stands in.
"""

import uuid

NAMESPACE = uuid.UUID("5d0f2b0c-7c55-5b7e-9a53-2f6f6f1f9f6a")
"""Published, so that anybody can compute the id of a record from its external id."""


def identifier_of(kind: str, scheme: str, value: str) -> str:
    """Return the id of the record of `kind` (organisations, projects) that has `value` under `scheme`."""
    return str(uuid.uuid5(NAMESPACE, f"{kind}:{scheme}:{value}"))
