"""Installs the parts that the tests and the split demo run on: `python -m services.console.parts`.

What: each part's `install()`, one line each. Why: fetching takes longer than a test may. It must not start anything.
"""

import sys

from services.console.parts import kafka, postgresql
from services.console.parts.packages import PartMissingError


def main() -> int:
    """Install; 0 if everything is there, 3 with a sentence for each part that is not."""
    missing = 0
    for name, install in (("PostgreSQL", postgresql.install), ("Apache Kafka", kafka.install)):
        try:
            install()
        except PartMissingError as error:
            print(f"{name}: {error}", file=sys.stderr)
            missing = 3
        else:
            print(f"{name}: ready to be started", file=sys.stderr)
    return missing


if __name__ == "__main__":
    sys.exit(main())
