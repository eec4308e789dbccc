"""Where installed parts are kept, and the lock that lets only one process install at a time.

What: the cache folder (`COMITY_CACHE`, otherwise `.cache` in the repository) and file locks in it. Why: several test
processes may ask for the same part at the same moment. It must not hold data that anybody would miss.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]


def cache_folder() -> Path:
    """Return the folder of installed parts; it is made when it is missing."""
    folder = Path(os.environ.get("COMITY_CACHE") or REPOSITORY / ".cache").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold `file` as a lock among processes; the kernel lets go of it when its holder ends, however it ends."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
