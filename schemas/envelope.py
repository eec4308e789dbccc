"""The event as it travels: CloudEvents 1.0, binary mode, JSON.

*What.* One frozen `Event`, the order in which its versions are compared (`Sequence`), and the codec between
an event and the (key, headers, value) triple that both logs store. *Why our own.* A null value must stay a
true tombstone, and an attribute that we rely on must be refused when missing; a general library is lenient on
both. Structured mode (the whole event as one JSON value) can be read, and is never written.

The key of the record is not part of the event: it is the identity of the aggregate. The partition is chosen
from `partitionkey`, which equals the key unless several keys must stay in one partition.

This module must not know what any event's data means: that is `schemas.events`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol, Self

import orjson
import uuid_utils
from pydantic import BaseModel

from schemas.topics import LATEST_RELEASE

SPECIFICATION = "1.0"
JSON_CONTENT = "application/json"
STRUCTURED_CONTENT = "application/cloudevents+json"
ATTRIBUTE_PREFIX = "ce_"

_SPECVERSION, _SPECIFICATION = "ce_specversion", SPECIFICATION.encode()
_CONTENT_TYPE, _JSON = "content-type", JSON_CONTENT.encode()
_NEEDED = ("ce_id", "ce_source", "ce_type", "ce_sequence")
_WRITTEN = frozenset(
    (_SPECVERSION, *_NEEDED, "ce_subject", "ce_time", "ce_dataschema", "ce_partitionkey", "ce_traceparent")
) | {_CONTENT_TYPE}
"""The names of the headers that we write: a record that has no others needs no look at their case."""


class EnvelopeError(ValueError):
    """A record that is no event of ours: an attribute is missing, unreadable, or of another major version."""


class Recorded(Protocol):
    """The part of a log record that the codec reads; every transport's record has it."""

    @property
    def topic(self) -> str:
        """The topic's name."""
        ...

    @property
    def key(self) -> bytes | None:
        """The aggregate's id."""
        ...

    @property
    def headers(self) -> tuple[tuple[str, bytes], ...]:
        """Name and value, in the order of the log."""
        ...

    @property
    def value(self) -> bytes | None:
        """The data; None for a tombstone."""
        ...


class Clock(Protocol):
    """Whatever tells the time of an event; never used to order anything."""

    def now(self) -> datetime:
        """Return the wall time, aware."""
        ...


class Sequence(NamedTuple):
    """The position of one record in the life of its key: (incarnation of the owner, version), in that order.

    The version is the aggregate's revision. The incarnation rises when an owner is restored from a backup, so
    that what it says afterwards outranks what it had said before, whatever the versions are.
    """

    incarnation: int
    version: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "1.42" or its zero-padded form. Raises EnvelopeError."""
        incarnation, dot, version = text.partition(".")
        if not (dot and incarnation.isdecimal() and version.isdecimal() and text.isascii()):
            raise EnvelopeError(f"A sequence is <incarnation>.<version>, two whole numbers; got {text!r}.")
        return cls(int(incarnation), int(version))

    def sortable(self) -> str:
        """Return the zero-padded form that is sent: it sorts as text, as the CloudEvents extension asks."""
        return f"{self.incarnation:010d}.{self.version:018d}"

    def __str__(self) -> str:
        return f"{self.incarnation}.{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fact about one aggregate.

    `id` is a UUIDv7 and the same for ever; `type` is reverse-DNS, past tense, its major version last;
    `subject` and `key` are the aggregate's id; `time` is RFC 3339; `dataschema` names the released JSON Schema;
    `data` is the JSON text as bytes, or None for a tombstone ("this key is erased").
    """

    id: str
    source: str
    type: str
    subject: str
    time: str
    dataschema: str | None
    sequence: Sequence
    partitionkey: str
    topic: str
    key: str
    traceparent: str | None
    data: bytes | None

    @property
    def tombstone(self) -> bool:
        """Whether this record erases its key."""
        return self.data is None

    def headers(self) -> tuple[tuple[str, bytes], ...]:
        """Return the record's headers, always in the same order, so that both logs store the same bytes."""
        dataschema = () if self.dataschema is None else (("ce_dataschema", self.dataschema.encode()),)
        traceparent = () if self.traceparent is None else (("ce_traceparent", self.traceparent.encode()),)
        content = () if self.data is None else ((_CONTENT_TYPE, _JSON),)
        return (
            (_SPECVERSION, _SPECIFICATION),
            ("ce_id", self.id.encode()),
            ("ce_source", self.source.encode()),
            ("ce_type", self.type.encode()),
            ("ce_subject", self.subject.encode()),
            ("ce_time", self.time.encode()),
            *dataschema,
            ("ce_sequence", self.sequence.sortable().encode()),
            ("ce_partitionkey", self.partitionkey.encode()),
            *traceparent,
            *content,
        )

    def json(self) -> Any:
        """Return the data as Python values; None for a tombstone. Raises EnvelopeError if it is not JSON."""
        if self.data is None:
            return None
        try:
            return orjson.loads(self.data)
        except orjson.JSONDecodeError as error:
            raise EnvelopeError(f"The data of event {self.id} is not JSON: {error}.") from error

    @classmethod
    def from_record(cls, record: Recorded) -> Self:
        """Read a log record, binary or structured. Raises EnvelopeError with a sentence that names the fault."""
        headers = dict(record.headers)
        if headers.keys() <= _WRITTEN and headers.get(_CONTENT_TYPE, _JSON) == _JSON:
            return cls._assemble(record, _texts(headers), record.value)
        headers = {name.lower(): value for name, value in record.headers}
        content = _text(_CONTENT_TYPE, headers.get(_CONTENT_TYPE, b"")).partition(";")[0].strip().lower()
        if content == STRUCTURED_CONTENT:
            return cls._assemble(record, *_structured(record.value))
        if content and content != JSON_CONTENT:
            raise EnvelopeError(f"Events carry {JSON_CONTENT}; this record says {content!r}.")
        named = {name: value for name, value in headers.items() if name.startswith(ATTRIBUTE_PREFIX)}
        return cls._assemble(record, _texts(named), record.value)

    @classmethod
    def _assemble(cls, record: Recorded, attributes: Mapping[str, str], data: bytes | None) -> Self:
        """Make the event of attributes that are named as in headers."""
        given = attributes.get
        if given(_SPECVERSION) != SPECIFICATION:
            raise EnvelopeError(f"CloudEvents {SPECIFICATION} expected; got {given(_SPECVERSION)!r}.")
        missing = [name for name in _NEEDED if not given(name)]
        if missing:
            names = ", ".join(name.removeprefix(ATTRIBUTE_PREFIX) for name in missing)
            raise EnvelopeError(f"The event lacks {names}.")
        if record.key is None:
            raise EnvelopeError(f"Event {attributes['ce_id']} has no key; every topic here is keyed.")
        key = _text("key", record.key)
        if "\0" in attributes["ce_id"] or "\0" in key:
            raise EnvelopeError("An id or a key holds no U+0000; no database would take it.")
        return cls(
            id=attributes["ce_id"],
            source=attributes["ce_source"],
            type=attributes["ce_type"],
            subject=given("ce_subject", key),
            time=given("ce_time", ""),
            dataschema=given("ce_dataschema"),
            sequence=Sequence.parse(attributes["ce_sequence"]),
            partitionkey=given("ce_partitionkey", key),
            topic=record.topic,
            key=key,
            traceparent=given("ce_traceparent"),
            data=data,
        )


def new_event(
    topic: str,
    event_type: str,
    *,
    key: str,
    sequence: Sequence,
    data: Mapping[str, Any] | BaseModel | bytes | None,
    source: str,
    clock: Clock,
    partitionkey: str | None = None,
    traceparent: str | None = None,
) -> Event:
    """Make a fresh event with an id and a time of its own; `data` None makes a tombstone.

    A Pydantic model is written by its aliases, with what is None left out, so that an absent field and an
    empty one are one thing on the wire; bytes are JSON that was written like that already. The data is checked against its
    schema where the event is posted.
    """
    if isinstance(data, BaseModel):
        data = data.model_dump(mode="json", by_alias=True, exclude_none=True)
    return Event(
        id=str(uuid_utils.uuid7()),
        source=source,
        type=event_type,
        subject=key,
        time=clock.now().astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        dataschema=None if data is None else schema_name(event_type),
        sequence=sequence,
        partitionkey=partitionkey or key,
        topic=topic,
        key=key,
        traceparent=traceparent,
        data=data if data is None or isinstance(data, bytes) else orjson.dumps(data),
    )


def schema_name(event_type: str, release: int | None = None) -> str:
    """Return the URN of a released schema (the latest one): what `dataschema` says and the schema file's `$id`."""
    release = LATEST_RELEASE.get(event_type, 1) if release is None else release
    return f"urn:comity:schema:{event_type}:{release}"


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise EnvelopeError(f"{name} is not UTF-8.") from error


def _texts(headers: Mapping[str, bytes]) -> dict[str, str]:
    try:
        return {name: value.decode() for name, value in headers.items()}
    except UnicodeDecodeError:
        return {name: _text(name, value) for name, value in headers.items()}  # raises, and says which


def _structured(value: bytes | None) -> tuple[Mapping[str, str], bytes | None]:
    """Take apart an event that is one JSON object."""
    if value is None:
        raise EnvelopeError("A structured event has a value; a tombstone is sent in binary mode.")
    try:
        whole = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise EnvelopeError(f"The structured event is not JSON: {error}.") from error
    if not isinstance(whole, dict):
        raise EnvelopeError("A structured event is a JSON object.")
    if "data_base64" in whole:
        raise EnvelopeError("Events carry JSON, not base64 data.")
    data = orjson.dumps(whole["data"]) if whole.get("data") is not None else None
    texts = {name: text for name, text in whole.items() if name != "data" and isinstance(text, str)}
    return {ATTRIBUTE_PREFIX + name: text for name, text in texts.items()}, data
