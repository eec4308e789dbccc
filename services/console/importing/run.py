"""One import: a file's rows mapped, checked and sent, several at a time, with an account of each.

What: streams rows through the map and a small pool of senders; organisations that name a parent wait until all others
stand, and go parents first. Why: a row that is refused costs only itself. Bodies do not pile up, except those that wait for a parent; what is
held of every other row is its id with its line, and the token of its write to wait with. It must not stop at a bad row,
must not send one that it already knows to be wrong, and gives its account also of what it could not finish.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel

from services.chassis.reference import load_reference
from services.chassis.reference.faults import Fault
from services.console.connection import Connection
from services.console.exits import Ended
from services.console.importing.checking import rule_check, shaped
from services.console.importing.files import BadRow, FileFault, Row, read_rows
from services.console.importing.past import past_projects
from services.console.importing.sending import Outcome, RowUnanswered, Sender, Sent
from services.console.mapping.bodies import Mapper, RowRefused
from services.console.mapping.language import MapError, load_map
from services.console.parents import waves

SENDERS = 8
IN_FLIGHT = 4 * SENDERS


@dataclass(frozen=True, slots=True)
class Ready:
    """A row that may be sent."""

    line: int
    id: str
    body: BaseModel


@dataclass(slots=True)
class Account:
    """How many rows became what."""

    rows: int = 0
    valid: int = 0
    skipped: int = 0
    refused: int = 0
    unsent: int = 0
    past_refused: int = 0
    outcomes: dict[str, int] = field(default_factory=lambda: {one.value: 0 for one in Outcome})


class Import:
    """An import of one file. Raises FileFault or MapError where the file, its map or its evidence cannot be read.

    `bad` is given one line for each row that is not taken, of the file and of the evidence.
    """

    def __init__(
        self,
        kind: str,
        file: Path,
        *,
        map_name: str | None,
        evidence: Path | None,
        bad: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.kind = kind
        self.file = file
        self.account = Account()
        self.tokens: list[dict[str, str]] = []
        self._started = time.monotonic()
        self._bad = bad
        description = None if map_name is None else load_map(map_name, kind=kind)
        past = None
        if evidence is not None:
            if description is None or description.evidence is None:
                raise MapError("--evidence needs a --map that says, under [evidence], how it is joined.")
            past = past_projects(evidence, description, refused=self._refuse_past)
        self._reference = load_reference()
        self._mapper = Mapper(description, kind=kind, reference=self._reference, past=past)
        self._columns = None if description is None else description.columns(joined=past is not None)
        self._lines: dict[str, int] = {}

    def run(
        self,
        connection: Connection | None,
        *,
        progressed: Callable[[int], None] = lambda _rows: None,
    ) -> None:
        """Take every row; without a connection (a dry run) only check it. Raises Ended where no further can be sent."""
        if connection is None:
            check = rule_check(self.kind, self._reference, datetime.now(UTC).date())
            for ready in self._ready(progressed):
                try:
                    check(ready.body)
                    self.account.valid += 1
                except RowRefused as refused:
                    self._refuse(ready.line, refused.faults)
            return
        sender = Sender(connection, self.kind)
        waiting: list[Ready] = []
        try:
            with ThreadPoolExecutor(SENDERS) as pool:
                self._send(pool, sender, self._parents_first(self._ready(progressed), waiting))
                for wave in waves(waiting, id_of=_id, parent_of=_parent):
                    self._send(pool, sender, wave)
        except Ended:
            account = self.account
            account.unsent = max(0, account.rows - account.valid - account.skipped - account.refused)
            raise

    def summary(self) -> dict[str, int | float | str]:
        """Return the counts: `rows` is every row that was read, `unsent` those that it neither took nor refused.

        Of the evidence: the items made, the entries that name no project of its file, and that file's bad rows.
        """
        account = self.account
        return {
            "kind": self.kind,
            "rows": account.rows,
            "valid": account.valid,
            **account.outcomes,
            "skipped": account.skipped,
            "refused": account.refused,
            "unsent": account.unsent,
            "evidence": self._mapper.joined.items,
            "evidence_left_out": self._mapper.joined.left_out,
            "evidence_refused": account.past_refused,
            "seconds": round(time.monotonic() - self._started, 1),
        }

    def _ready(self, progressed: Callable[[int], None]) -> Iterator[Ready]:
        """Yield the rows that can be sent; count and report the others."""
        try:
            for row in read_rows(self.file, columns=self._columns):
                self.account.rows += 1
                progressed(self.account.rows)
                if isinstance(row, BadRow):
                    self._refuse(row.line, (Fault("", row.rule, row.detail, row.fix),))
                    continue
                if self._mapper.skipped(row.values) is not None:
                    self.account.skipped += 1
                    continue
                try:
                    yield self._read(row)
                except RowRefused as refused:
                    self._refuse(row.line, refused.faults)
        except FileFault as fault:
            # The rows before it are taken; what follows cannot be read.
            self.account.refused += 1
            self._bad(str(fault))

    def _read(self, row: Row) -> Ready:
        """Map one row and hold it against its shape. Raises RowRefused, also for an id that an earlier line has."""
        try:
            found = self._mapper.body(row.values)
        except (TypeError, AttributeError, KeyError, ValueError) as error:  # one row must not cost the others
            detail = f"The row has another shape than is expected ({error})"
            raise RowRefused(
                Fault("", "shape", detail, "Compare it with the map, or with a body.")
            ) from error
        first = self._lines.setdefault(found.id, row.line)
        if first != row.line:
            detail = f"Line {first} has the same id {found.external!r}"
            raise RowRefused(Fault("/id", "repeated", detail, "Keep one row of each record."))
        return Ready(row.line, found.id, shaped(self.kind, found.body))

    def _parents_first(self, rows: Iterator[Ready], waiting: list[Ready]) -> Iterator[Ready]:
        """Yield rows without a parent; the others are put aside, for their parent may stand further down."""
        for ready in rows:
            if _parent(ready) is None:
                yield ready
            else:
                waiting.append(ready)

    def _send(
        self, pool: ThreadPoolExecutor, sender: Sender, rows: Iterator[Ready] | Sequence[Ready]
    ) -> None:
        flying: deque[tuple[Ready, Future[Sent]]] = deque()
        try:
            for ready in rows:
                flying.append((ready, pool.submit(sender.put, ready.id, ready.body)))
                if len(flying) >= IN_FLIGHT:
                    self._landed(*flying.popleft())
            while flying:
                self._landed(*flying.popleft())
        except Ended:
            for ready, sent in flying:
                if not sent.cancel():
                    with suppress(Ended):
                        self._landed(ready, sent)
            raise

    def _landed(self, ready: Ready, sent: Future[Sent]) -> None:
        try:
            found = sent.result()
            self.account.outcomes[found.outcome.value] += 1
            self.account.valid += 1
            if found.token is not None:
                self.tokens.append(dict(found.token))
        except RowRefused as refused:
            self._refuse(ready.line, refused.faults)
        except RowUnanswered as failed:
            self.account.unsent += 1
            self._bad(f"line {ready.line}: the server failed at it: {failed}")

    def _refuse_past(self, line: str) -> None:
        self.account.past_refused += 1
        self._bad(line)

    def _refuse(self, line: int, faults: Sequence[Fault]) -> None:
        self.account.refused += 1
        first = faults[0]
        more = f" ({len(faults) - 1} more)" if len(faults) > 1 else ""
        field_name = f" {first.pointer}:" if first.pointer else ""
        self._bad(f"line {line}:{field_name} {first.rule}: {first.detail.rstrip('.')}. {first.fix}{more}")


def _id(ready: Ready) -> str:
    return ready.id


def _parent(ready: Ready) -> str | None:
    parent = getattr(ready.body, "parent", None)
    return None if parent is None else str(parent)
