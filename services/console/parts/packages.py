"""Programs of the system: found, or installed by the package manager where we may.

What: `ensure(...)` answers the path of a program. Why: a part says what it needs in one place and in one sentence.
It must not install anything without being root, nor on a system that has no `apt-get`: there it says what to install.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

_APT_OPTIONS = ("-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300")


class PartMissingError(RuntimeError):
    """A part cannot be had here; the text is the sentence that says what to install."""


def ensure(find: Callable[[], Path | None], *, part: str, packages: Sequence[str]) -> Path:
    """Return what `find` finds, after installing `packages` if it found nothing. Raises PartMissingError."""
    found = find()
    if found is not None:
        return found
    names = " ".join(packages)
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        reason = "this system has no apt-get" if apt is None else "only root may install packages"
        raise PartMissingError(
            f"{part} is not here, and {reason}. Please install it (on Debian: apt-get install {names})."
        )
    _apt(apt, packages, part=part)
    found = find()
    if found is None:
        raise PartMissingError(f"{part} is still not to be found after apt-get install {names}.")
    return found


def _apt(apt: str, packages: Sequence[str], *, part: str) -> None:
    """Install; the package lists are fetched only if the first try fails, because most images have them."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = [apt, "install", *_APT_OPTIONS, *packages]
    for command in (install, [apt, "update", "-q"], install):
        done = subprocess.run(  # noqa: S603 -- fixed words and package names of our own
            command, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode == 0 and command is install:
            return
    raise PartMissingError(
        f"{part} is not here, and apt-get could not install {' '.join(packages)}: {done.stderr.strip()[-600:]}"
    )


def program(name: str) -> Callable[[], Path | None]:
    """Make a finder for a program on the PATH."""

    def find() -> Path | None:
        path = shutil.which(name)
        return Path(path) if path else None

    return find
