"""Keeps one server running for as long as a test run lasts: `python keep_server.py PART FOLDER PROCESS`.

It starts the part in FOLDER, writes its address to FOLDER/address (or to FOLDER/refused why it could not), and stops it
when PROCESS, the test run, has ended, however it ended. A worker of a parallel run cannot do that: it ends before others.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from services.console.parts import kafka, postgresql


def start(part: str, folder: Path) -> tuple[str, Callable[[], None]]:
    if part == "postgresql":
        cluster = postgresql.start(folder / "server", durable=False)

        def stop() -> None:
            cluster.stop()
            # Started by root, it stands outside the folder of the run, which may be gone by now.
            shutil.rmtree(cluster.folder, ignore_errors=True)

        return cluster.url(), stop
    broker = kafka.start(folder / "server")
    return broker.bootstrap_servers, broker.stop


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def publish(file: Path, text: str) -> None:
    """Write a file so that nobody reads half of it."""
    file.with_suffix(".part").write_text(text)
    file.with_suffix(".part").rename(file)


def main(part: str, folder: Path, process: int) -> None:
    try:
        address, stop = start(part, folder)
    except RuntimeError as error:
        publish(folder / "refused", str(error))
        return
    publish(folder / "address", address)
    while is_alive(process):
        time.sleep(0.2)
    stop()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
