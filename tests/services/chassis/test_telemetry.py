"""Logs are JSON on standard error and hold no local variables; standard output stays empty."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import logging
from services.chassis.settings import Telemetry
from services.chassis.telemetry import log_of, set_up_logs
set_up_logs(Telemetry(level="info"))
log_of("test").info("hello", answer=42)
log_of("test").debug("unseen")
logging.getLogger("elsewhere").warning("from %s", "a library")
def fail():
    password = "hush"
    raise ValueError("broken")
try:
    fail()
except ValueError as error:
    log_of("test").error("failed", exc_info=error)
"""


def test_every_line_is_one_json_object() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == ""
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["hello", "from a library", "failed"]
    assert (lines[0]["answer"], lines[0]["level"], lines[0]["logger"]) == (42, "info", "test")
    assert "broken" in str(lines[2]["exception"])
    assert "hush" not in str(lines[2]["exception"]).replace('password = "hush"', "")
