import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.console.parts.packages import PartMissingError, ensure, program
from services.console.parts.processes import Child, PartFailedError, free_port, is_free


def child(command: list[str], tmp_path: Path) -> Child:
    return Child("The part", command, log=tmp_path / "log", stop_signal=signal.SIGTERM)


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # A zombie whose parent is gone is reaped by process 1 in its own time.
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_child_ends_when_it_is_stopped(tmp_path: Path) -> None:
    one = child(["sleep", "60"], tmp_path)
    assert one.running
    one.stop()
    one.stop()
    assert not one.running


def test_a_child_that_does_not_listen_is_killed_after_the_deadline(tmp_path: Path) -> None:
    one = child(["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"], tmp_path)
    one.wait_until(lambda: b"deaf" in one.log.read_bytes(), seconds=10)
    one.stop(seconds=0.2)
    assert not one.running


def test_a_child_ends_with_its_starter_though_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import signal, sys, time; from pathlib import Path; from services.console.parts.processes import Child;"
        f"c = Child('x', ['sleep', '60'], log=Path({str(tmp_path / 'log')!r}), stop_signal=signal.SIGTERM);"
        "print(c.pid, flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    process = int(starter.stdout.readline())
    starter.kill()
    starter.communicate()
    deadline = time.monotonic() + 10
    while is_alive(process):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_child_that_ends_while_starting_is_reported_with_its_log(tmp_path: Path) -> None:
    one = child(["sh", "-c", "echo no room on the disk; exit 1"], tmp_path)
    with pytest.raises(PartFailedError, match="no room on the disk"):
        one.wait_until(lambda: False, seconds=10)


def test_a_child_that_is_never_ready_is_stopped(tmp_path: Path) -> None:
    one = child(["sleep", "60"], tmp_path)
    with pytest.raises(PartFailedError, match="not ready"):
        one.wait_until(lambda: False, seconds=0.1)
    assert not one.running


def test_a_free_port_is_free() -> None:
    assert is_free(free_port())


def test_a_part_that_cannot_be_had_is_named_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no apt-get, no mvn
    with pytest.raises(PartMissingError, match=r"Maven is not here.*apt-get install maven"):
        ensure(program("mvn"), part="Maven", packages=["maven"])


def test_a_part_that_is_there_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mvn").write_text("#!/bin/sh\n")
    (tmp_path / "mvn").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ensure(program("mvn"), part="Maven", packages=["maven"]) == tmp_path / "mvn"
