"""An entry of the match feed: a CloudEvent in JSON, the same bytes in the feed, in its compacted form and in the stream.

What: turns an event of the log into the entry's JSON, all but its `id`, which is the entry's place in the feed and so is
known only when it is read. Why bytes: an entry is written once and sent often. It must not decide who may read it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, Field, RootModel

from schemas.envelope import JSON_CONTENT, SPECIFICATION, Event
from schemas.topics import LIST_REMOVED, LIST_VERSIONED, STANDING_CROSSED, STANDING_LOST

SOURCE = "/comity/feeds/matches"
BATCH_CONTENT = "application/cloudevents-batch+json"
ID_PATTERN = r"^[1-9][0-9]{0,9}-[1-9][0-9]{0,17}$"
PLACE_PATTERN = r"^[1-9][0-9]{0,9}-(0|[1-9][0-9]{0,17})$"
"""What a reader may go on from: the id of an entry, or that of the beginning, which a stream of an empty feed tells."""

EntryType = Literal[
    "org.comity.list.versioned.v1",
    "org.comity.list.removed.v1",
    "org.comity.standing.crossed.v1",
    "org.comity.standing.lost.v1",
]


class FeedEntry(BaseModel):
    """One entry. `id` is its place in the feed (take it as it is), `eventid` the id of the event on the log.

    `method: DELETE` has no data: the subject is gone. Of one subject the entry with the highest `sequence` counts, of two with the
    same the later one.
    """

    id: Annotated[str, Field(pattern=ID_PATTERN)]
    specversion: Literal["1.0"]
    type: EntryType
    source: str
    subject: str
    time: str
    sequence: str
    eventid: str
    method: Literal["DELETE"] | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    data: dict[str, Any] | None = None


class FeedBatch(RootModel[tuple[FeedEntry, ...]]):
    """Entries in the order of the feed; none means that the reader has everything that it may see."""


FED = frozenset({LIST_VERSIONED, LIST_REMOVED, STANDING_CROSSED, STANDING_LOST})
"""The types of events that have an entry."""

REMOVALS = frozenset({LIST_REMOVED, STANDING_LOST})
"""Those of them whose entry takes its subject away."""

REMOVAL_OF: Mapping[str, str] = MappingProxyType(
    {LIST_VERSIONED: LIST_REMOVED, STANDING_CROSSED: STANDING_LOST}
)
"""The type of the entry that takes away what one of this type said."""


def entry_body(event: Event) -> bytes:
    """Return the entry's JSON object from behind its id on, closing brace included."""
    attributes: dict[str, Any] = {
        "specversion": SPECIFICATION,
        "type": event.type,
        "source": SOURCE,
        "subject": event.subject,
        "time": event.time,
        "sequence": event.sequence.sortable(),
        "eventid": event.id,
    }
    if event.data is None or event.type in REMOVALS:
        return orjson.dumps(attributes | {"method": "DELETE"})[1:]
    attributes |= {"datacontenttype": JSON_CONTENT, "dataschema": event.dataschema}
    return orjson.dumps(attributes)[1:-1] + b',"data":' + event.data + b"}"


def removal_body(body: bytes) -> bytes:
    """Return the entry that takes away what this one said, from behind its id on, to who is to have it no more."""
    said = orjson.loads(b"{" + body)
    kept = {name: said[name] for name in ("specversion", "source", "subject", "time", "sequence", "eventid")}
    return orjson.dumps({"type": REMOVAL_OF[said["type"]], **kept, "method": "DELETE"})[1:]


def sequence_of(body: bytes) -> str:
    """Return the sequence that stands in an entry's JSON as `entry_body` made it; sequences compare as text."""
    _, _, behind = body.partition(
        b'"sequence":"'
    )  # among the attributes, of which none holds a quotation mark
    return behind.partition(b'"')[0].decode()


def entry_json(identifier: str, body: bytes) -> bytes:
    """Return the whole entry."""
    return b'{"id":"' + identifier.encode() + b'",' + body
