"""What may change between two releases of one event's data, so that readers and writers of either understand the other.

A reader of today gets records of yesterday from the log, and a reader of yesterday gets records of today: so a release
is held against every earlier one in **both directions**. What passes both is short: an optional field may be added,
at any depth. A field that is removed, renamed, narrowed, widened, made required or made optional is a new event type.
Titles, descriptions and defaults mean nothing to a record and may change. This module must not know any event.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

Schema = Mapping[str, Any]

_ANNOTATIONS = frozenset({"$id", "$schema", "$defs", "title", "description", "default", "examples"})
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")


def differences(old: Schema, new: Schema) -> list[str]:
    """Name everything in `new` that a reader or a writer of `old` would not understand; [] if they get along."""
    return sorted(_between(old, new, roots=(old, new), path=""))


def refused(schema: Schema, sample: Any) -> str | None:
    """Return why a released schema does not take a sample, None if it does."""
    error = next(Draft202012Validator(schema).iter_errors(sample), None)
    return None if error is None else f"/{'/'.join(map(str, error.path))}: {error.message}"


def unread(model: type[BaseModel], sample: bytes) -> str | None:
    """Return why a reader of today does not understand a sample, None if it does."""
    try:
        model.model_validate_json(sample, strict=True, extra="ignore")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"/{'/'.join(map(str, first['loc']))}: {first['msg']}"
    return None


def _between(old: Schema, new: Schema, *, roots: tuple[Schema, Schema], path: str) -> Iterator[str]:
    old, new = _resolved(old, roots[0]), _resolved(new, roots[1])
    yield from _fields(old, new, roots=roots, path=path)
    for name in _LISTS:
        before, after = old.get(name, ()), new.get(name, ())
        if len(before) != len(after):
            yield f"{path or '/'} has other alternatives"
        for one, other in zip(before, after, strict=False):
            yield from _between(one, other, roots=roots, path=path)
    if isinstance(old.get("items"), Mapping) and isinstance(new.get("items"), Mapping):
        yield from _between(old["items"], new["items"], roots=roots, path=f"{path}/*")
    apart = {*_ANNOTATIONS, *_LISTS, "properties", "required", "items"}
    for name in sorted((old.keys() | new.keys()) - apart):
        if old.get(name) != new.get(name):
            yield f"{path or '/'} was {name} {old.get(name)!r} and is {new.get(name)!r}"


def _fields(old: Schema, new: Schema, *, roots: tuple[Schema, Schema], path: str) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    needed, need = set(old.get("required", ())), set(new.get("required", ()))
    for name in before.keys() - after.keys():
        yield f"{path}/{name} is gone"
    for name in need - needed:
        yield f"{path}/{name} is required now: earlier records may lack it"
    for name in needed - need:
        yield f"{path}/{name} is not required any more: earlier readers need it"
    for name in before.keys() & after.keys():
        yield from _between(before[name], after[name], roots=roots, path=f"{path}/{name}")


def _resolved(schema: Schema, root: Schema) -> Schema:
    """Follow a reference within the document; what stands beside it counts too."""
    while "$ref" in schema:
        rest = {name: value for name, value in schema.items() if name != "$ref"}
        schema = {**root["$defs"][schema["$ref"].removeprefix("#/$defs/")], **rest}
    return schema
