"""The snapshot file: what the organisations weighed, left beside the data at a graceful stop and taken at the next start.

What: one file a role in `data_folder`, readable by its owner only, written whole (a draft, then a rename) when nobody is answered
any more. Whoever starts takes it away as it reads it, and whoever applies an erasure removes all that lie there; a process that was
killed leaves none. Why: it spares a start the weighing, which every index can do
again. A file that is torn, of another epoch, engine, log or database is refused, named in the log and gone. It must not decide what is in the
index: the archive does, row by row.
"""

import hashlib
import os
import secrets
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

import structlog

import matching
from matching.snapshots import Basis, Snapshot, SnapshotRefused, read
from services.chassis.bus.transport import TopicPartition
from services.chassis.runtime import Runtime

_ANY = "matches-*.snapshot*"

logger = structlog.get_logger(__name__)


class SnapshotFile:
    """The file of one process's role. Its methods wait for the disk."""

    def __init__(self, runtime: Runtime) -> None:
        self._folder = runtime.settings.data_folder
        self._path = self._folder / f"matches-{runtime.role}.snapshot"

    def basis(self, epoch: str, log: str | None, positions: Mapping[TopicPartition, int]) -> Basis:
        """Return what a snapshot stands on that is read or written here."""
        reached = {str(at): offset for at, offset in sorted(positions.items())}
        return Basis(epoch=epoch, build=build(), log=log, positions=reached)

    def take(self, basis: Basis) -> Snapshot | None:
        """Read the file and remove it, drafts too; None where there is none, or it is refused, which the log says."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            logger.warning("the index snapshot cannot be read; every organisation is weighed", why=str(error))
            return None
        finally:
            self.remove(f"{self._path.name}*")
        try:
            found = read(content, basis=basis)
        except SnapshotRefused as refused:
            logger.warning("the index snapshot is refused; every organisation is weighed", why=str(refused))
            return None
        logger.info("the index snapshot is taken", organisations=len(found))
        return found

    def write(self, pieces: Iterable[bytes | memoryview], given_up: threading.Event) -> None:
        """Write the file, whole or not at all. Where that fails the next start weighs; the log says why.

        `given_up`: set by whoever waits no longer, for nobody can cancel the thread of this.
        """
        draft = self._path.with_name(f"{self._path.name}.{secrets.token_hex(4)}")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                for piece in pieces:
                    if given_up.is_set():
                        raise TimeoutError("the stop is past its time")  # noqa: TRY301 - the draft goes below
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
        except Exception as error:  # noqa: BLE001 - a cache: whatever it is, the stop is a good one without
            logger.warning("no index snapshot is left", why=f"{type(error).__name__}: {error}")
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    def remove(self, files: str = _ANY) -> None:
        """Remove the snapshots of this folder, those of other roles and drafts too: somebody whom they hold was erased."""
        for left in self._folder.glob(files):
            try:
                left.unlink(missing_ok=True)
            except OSError as error:
                logger.warning("an index snapshot cannot be removed", file=left.name, why=str(error))


@cache
def build() -> str:
    """Return the hash of the engine's source: what another build weighed is not taken for this one's."""
    digest = hashlib.sha256()
    for file in sorted(Path(matching.__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
