"""The fields that a map may fill: those of the bodies that are sent.

What: finds a target that no body has, before the first row is read. Why: a mistyped target is wrong in every row alike,
and each of them would be told that another field is missing. It must not look at a value.
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

from schemas.http.members import Evidence, OrganisationBody
from schemas.http.projects import ProjectBody

SHAPES: Mapping[str, type[OrganisationBody] | type[ProjectBody]] = {
    "organisations": OrganisationBody,
    "projects": ProjectBody,
}
"""The bodies that rows become, by kind."""


def unknown_targets(kind: str, targets: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each target (`legal_name`, `sme.flag`) that a body of this kind has no field for."""
    yield from _unknown(SHAPES[kind], targets)


def unknown_evidence_targets(targets: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each target that an evidence item has no field for."""
    yield from _unknown(Evidence, targets)


def _unknown(shape: type[BaseModel], targets: Iterable[str]) -> Iterator[str]:
    for target in targets:
        inside: type[BaseModel] | None = shape
        for step in target.split("."):
            names = (
                {}
                if inside is None
                else {one.alias or name: one for name, one in inside.model_fields.items()}
            )
            if step not in names:
                near = get_close_matches(step, names, n=1)
                meant = (
                    f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(names)) or 'none'}."
                )
                yield f"{target} is no field ({step}: {meant})"
                break
            inside = next(_shapes_in(names[step].annotation), None)


def _shapes_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the shape that a field holds itself; what a list holds is filled as a whole."""
    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, BaseModel):
            yield one
