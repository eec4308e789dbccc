"""Which data belongs to which event type, and the two views under which it is checked.

*Writers* are held to the closed view: an unknown field is a mistake of ours, found where the event is posted.
*Readers* use the open view: an unknown field is a newer writer's, and is ignored. Both are the same model.
This module must not send or store anything.
"""

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import BaseModel, ValidationError

from schemas.envelope import Event
from schemas.events import matches, members, projects
from schemas.events.parts import Part
from schemas.topics import (
    DAY_OPENED,
    EPOCH_PUBLISHED,
    FLAGSHIP_REVISED,
    LIST_REMOVED,
    LIST_VERSIONED,
    ORGANISATION_REVISED,
    PROJECT_REVISED,
    STANDING_CROSSED,
    TOMBSTONES,
    TOPIC_OF,
)

MODELS: Mapping[str, type[Part]] = MappingProxyType(
    {
        PROJECT_REVISED: projects.Project,
        FLAGSHIP_REVISED: projects.Flagship,
        ORGANISATION_REVISED: members.Organisation,
        LIST_VERSIONED: matches.ListVersion,
        LIST_REMOVED: matches.ListRemoved,
        STANDING_CROSSED: matches.Standing,
        EPOCH_PUBLISHED: matches.EpochPublished,
        DAY_OPENED: matches.DayOpened,
    }
)
"""Model by event type; a type that is missing here and in TOMBSTONES is unknown."""


class ContractError(ValueError):
    """An event whose topic, type or data is not what the catalogue says."""


def written(event: Event) -> None:
    """Hold an event that we are about to send to the closed view. Raises ContractError."""
    _place(event)
    if event.data is not None:
        _validated(event, event.data, closed=True)


def read(event: Event) -> BaseModel | None:
    """Parse the data of an event that came in under the open view; None for a tombstone. Raises ContractError."""
    _place(event)
    return None if event.data is None else _validated(event, event.data, closed=False)


def _place(event: Event) -> None:
    """Check that the type is known, stands on its own topic, and has data exactly if it is no tombstone."""
    topic = TOPIC_OF.get(event.type)
    if topic is None:
        raise ContractError(f"Nobody here knows the event type {event.type!r}.")
    if topic.name != event.topic:
        raise ContractError(f"{event.type} belongs on {topic.name}, not on {event.topic}.")
    if event.tombstone != (event.type in TOMBSTONES):
        raise ContractError(f"{event.type} {'has no' if event.type in TOMBSTONES else 'needs'} data.")


def _validated(event: Event, data: bytes, *, closed: bool) -> BaseModel:
    try:
        # The validator itself: `model_validate_json` asks again at every event whether its arguments go together.
        validated: BaseModel = MODELS[event.type].__pydantic_validator__.validate_json(
            data, strict=True, extra="forbid" if closed else "ignore"
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "/".join(str(step) for step in first["loc"])
        raise ContractError(
            f"The data of {event.type} does not meet its schema at /{where}: {first['msg']} "
            f"({error.error_count()} fault(s) in all)."
        ) from error
    return validated
