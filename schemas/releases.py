"""Released schemas: frozen files that say what the data of an event or a webhook is, for readers who do not run our code.

`released/<type>/<n>.json` is the JSON Schema, `<n>.sample.json` a golden sample beside it, and `manifest.json` holds
the digest of every released file. A released file never changes: a test compares digests, and the schema that the
model of today generates must be the latest released one. To change a model: an added optional field is release n + 1
(write the sample, run `comity schemas`); anything else is a new event type (`evolution` says which is which, and every
release is held against all earlier ones in both directions).

The view released is the readers' (open): a validator that uses it does not break when a field is added.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from schemas import contracts
from schemas.envelope import schema_name
from schemas.evolution import differences, refused, unread
from schemas.topics import LATEST_RELEASE
from schemas.webhooks import notifications as webhooks

FOLDER = Path(__file__).parent / "released"
MANIFEST = "manifest.json"

MODELS: Mapping[str, type[BaseModel]] = MappingProxyType({**contracts.MODELS, **webhooks.MODELS})
"""Whatever is released: the data of events on the log, and of webhooks."""

LATEST: Mapping[str, int] = MappingProxyType({kind: LATEST_RELEASE.get(kind, 1) for kind in MODELS})
"""The latest release of each event type's data."""


def generated(event_type: str) -> dict[str, Any]:
    """Generate the JSON Schema (2020-12) of a type's data from today's model."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": schema_name(event_type, LATEST[event_type]),
        **MODELS[event_type].model_json_schema(mode="validation", by_alias=True),
    }


def released(event_type: str, release: int, folder: Path = FOLDER) -> dict[str, Any]:
    """Read a released schema."""
    return _object(folder / event_type / f"{release}.json")


def sample(event_type: str, release: int, folder: Path = FOLDER) -> bytes:
    """Read the golden sample beside a released schema, as the bytes of an event's data."""
    return (folder / event_type / f"{release}.sample.json").read_bytes()


def release(folder: Path = FOLDER) -> list[str]:
    """Write every schema that is not released yet and enter new files in the manifest; returns their names.

    What is released already is left alone, changed or not: `faults` tells.
    """
    for event_type, number in LATEST.items():
        path = folder / event_type / f"{number}.json"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(as_text(generated(event_type)))
    manifest = _manifest(folder)
    fresh = {name: digest for name, digest in _digests(folder).items() if name not in manifest}
    (folder / MANIFEST).write_text(as_text(dict(sorted((manifest | fresh).items()))))
    return sorted(fresh)


def faults(folder: Path = FOLDER) -> list[str]:
    """Name everything that breaks the promise: changed or missing files, models that moved on unreleased."""
    manifest, digests = _manifest(folder), _digests(folder)
    found = [f"{name} is in the manifest but missing" for name in manifest.keys() - digests.keys()]
    found += [f"{name} is not in the manifest" for name in digests.keys() - manifest.keys()]
    found += [
        f"{name} was changed after its release"
        for name in manifest
        if digests.get(name, manifest[name]) != manifest[name]
    ]
    for event_type, number in LATEST.items():
        if f"{event_type}/{number}.sample.json" not in digests:
            found.append(f"{event_type}/{number} has no sample")
        path = folder / event_type / f"{number}.json"
        if path.exists() and released(event_type, number, folder) != generated(event_type):
            found.append(f"the model of {event_type} is not what release {number} says")
        elif path.exists():
            found += evolution_faults(event_type, latest=number, model=MODELS[event_type], folder=folder)
    return sorted(found)


def evolution_faults(
    event_type: str, *, latest: int, model: type[BaseModel], folder: Path = FOLDER
) -> list[str]:
    """Name what keeps a release and an earlier one from understanding each other, in either direction."""
    found = []
    new = released(event_type, latest, folder)
    for number in range(1, latest):
        old = released(event_type, number, folder)
        between = f"{event_type}, releases {number} and {latest}"
        found += [f"{between}: {what}" for what in differences(old, new)]
        if why := unread(model, sample(event_type, number, folder)):
            found.append(f"{between}: today's reader refuses the earlier sample at {why}")
        for later in range(number + 1, latest + 1):
            if why := refused(old, json.loads(sample(event_type, later, folder))):
                found.append(f"{between}: the earlier reader refuses sample {later} at {why}")
    return found


def as_text(document: Mapping[str, Any]) -> str:
    """Write a document as people read and diff it."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*.json") if path.name != MANIFEST)
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def _manifest(folder: Path) -> dict[str, str]:
    path = folder / MANIFEST
    return {str(name): str(digest) for name, digest in _object(path).items()} if path.exists() else {}


def _object(path: Path) -> dict[str, Any]:
    document = json.loads(path.read_text())
    if not isinstance(document, dict):
        raise TypeError(f"{path} does not hold a JSON object.")
    return document
