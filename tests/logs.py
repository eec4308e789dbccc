"""What is logged while something runs, whatever level an earlier test of this process has set."""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog
from structlog.testing import capture_logs


@contextmanager
def captured() -> Iterator[list[MutableMapping[str, Any]]]:
    """Collect every log entry."""
    before = structlog.get_config()
    structlog.reset_defaults()
    try:
        with capture_logs() as entries:
            yield entries
    finally:
        structlog.configure(**before)
