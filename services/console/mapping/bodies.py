"""One row → one body: fields by their rules, constants where the source lacks a field, id and external id.

What: applies a map to a row. Why: `comity import` and `comity evaluate` must make the same records of the same rows. It
must not check what the services check (that is `importing.checking`), and must not read a file.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.chassis.reference import Reference
from services.chassis.reference.faults import Fault
from services.console.mapping.evidence import Joined, PastProjects
from services.console.mapping.identifiers import identifier_of
from services.console.mapping.language import MapFile, Rule
from services.console.mapping.values import Codes, ValueFault, cleaned, encodes, id_of, taken, value_of


class RowRefused(Exception):  # noqa: N818 - it is about a row of the source, not about us
    """The row cannot become a body; `faults` say why."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(fault.detail for fault in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Mapped:
    """A body as it is sent, the id that it is put under, and the source's own id of the record."""

    id: str
    external: str
    body: dict[str, Any]


class Mapper:
    """A map ready for use, with the rows of past projects if they are to become evidence.

    Without a map, rows are bodies already, with an `id` or an external id.
    """

    def __init__(
        self,
        description: MapFile | None,
        *,
        kind: str,
        reference: Reference,
        past: Iterable[Mapping[str, Any]] | None = None,
    ) -> None:
        self.kind = kind
        self.map = description
        self._codes = Codes(reference, description.scheme if description else "")
        self._past: PastProjects | None = None
        if description is not None and description.evidence is not None and past is not None:
            self._past = PastProjects(past, description.evidence, codes=self._codes, clean=description.clean)

    @property
    def joined(self) -> Joined:
        """How much evidence the bodies so far were given."""
        return Joined() if self._past is None else self._past.joined

    def skipped(self, row: Mapping[str, Any]) -> str | None:
        """Return why this row is no record of ours, or None."""
        for skip in self.map.skip if self.map else ():
            values = [str(value) for value in taken(row, skip.source)]
            if (skip.empty and not values) or any(value in skip.equals for value in values):
                return skip.why
        return None

    def body(self, row: Mapping[str, Any]) -> Mapped:
        """Return the body of a row. Raises RowRefused."""
        if self.map is None:
            return _plain(row, self.kind)
        try:
            external = id_of(row, self.map.id)
        except ValueFault as fault:
            raise RowRefused(Fault(f"/{self.map.id}", fault.rule, str(fault), fault.fix)) from fault
        if not external:
            detail = f"The column {self.map.id} is empty"
            raise RowRefused(Fault(f"/{self.map.id}", "external-id", detail, "Give the record an id."))
        body, constants = self._fields(self.map, cleaned(row) if self.map.clean else row)
        for name, value in self.map.constants.items():
            if name not in body:
                body[name] = value
                constants.add(name)
        body.setdefault("external_ids", [{"scheme": self.map.scheme, "value": external}])
        body["provenance"] = {"constants": sorted(constants)}
        return Mapped(identifier_of(self.kind, self.map.scheme, external), external, body)

    def _fields(self, description: MapFile, row: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
        """Return the fields that the row gives, and the names of those that a default filled. Raises RowRefused."""
        body: dict[str, Any] = {}
        filled: set[str] = set()
        faults = []
        for target, rules in description.fields.items():
            try:
                value, default = _value(target, rules, row, self._codes)
            except ValueFault as fault:
                faults.append(Fault("/" + target.replace(".", "/"), fault.rule, str(fault), fault.fix))
                continue
            if value is not None:
                _set(body, target, value)
                filled |= {target.partition(".")[0]} if default else set()
        if self._past is not None:
            try:
                body["evidence"] = self._past.evidence_of(row)
            except ValueFault as fault:
                faults.append(Fault("/evidence", fault.rule, str(fault), fault.fix))
        if faults:
            raise RowRefused(*faults)
        return body, filled


def _value(target: str, rules: Sequence[Rule], row: Mapping[str, Any], codes: Codes) -> tuple[Any, bool]:
    try:
        return value_of(rules, row, codes)
    except ValueFault:
        raise
    except (TypeError, AttributeError) as error:
        raise ValueFault(
            f"The value for {target} has another shape than the map expects ({error})",
            rule="shape",
            fix="Compare the row with the map's `from`.",
        ) from error


def _set(body: dict[str, Any], target: str, value: Any) -> None:
    *outer, last = target.split(".")
    place = body
    for name in outer:
        place = place.setdefault(name, {})
    place[last] = value


def _plain(row: Mapping[str, Any], kind: str) -> Mapped:
    body = dict(row)
    given = body.pop("id", None)
    listed = row.get("external_ids")
    external = next(
        (
            (one.get("scheme"), one.get("value"))
            for one in (listed if isinstance(listed, list) else ())
            if isinstance(one, Mapping)
        ),
        None,
    )
    if given is not None:
        try:
            return Mapped(str(UUID(str(given))), str(given), body)
        except ValueError as error:
            raise RowRefused(
                Fault(
                    "/id",
                    "uuid",
                    f"{str(given)[:60]!r} is no UUID",
                    "Write a UUID, or use external_ids and no id.",
                )
            ) from error
    if external is None or not all(isinstance(part, str) and encodes(part) for part in external):
        raise RowRefused(
            Fault(
                "/id",
                "id-required",
                "The row has neither an id nor an external id that is two texts",
                "Add `id`, or one `external_ids`.",
            )
        )
    scheme, value = external
    return Mapped(identifier_of(kind, str(scheme), str(value)), str(value), body)
