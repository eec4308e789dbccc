"""Tries every mutant: `python -m tests.mutants [NAME …]`. With `--page` it writes docs/architecture/mutants.md.

Each mutant is switched on and every test that its row names is run; the exit code is 0 if each of them fails with it.
"""

import argparse
import sys
from collections import defaultdict

from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import Mutant
from tests.mutants.page import PAGE, page
from tests.mutants.trial import trial


def main() -> None:
    """Try mutants, or write the page."""
    options = argparse.ArgumentParser(description="Break each rule on purpose and see which tests notice.")
    options.add_argument("names", nargs="*", metavar="NAME", help="mutants to try; all by default")
    options.add_argument("--no-servers", action="store_true", help="only tests that need none")
    options.add_argument("--page", action="store_true", help="write docs/architecture/mutants.md and stop")
    given = options.parse_args()
    if given.page:
        PAGE.write_text(page(), encoding="utf-8")
        return
    pairs = [(MUTANTS[name], test) for name in given.names or MUTANTS for test in MUTANTS[name].tests]
    if given.no_servers:
        for mutant, test in [pair for pair in pairs if needs_server(pair[1])]:
            sys.stdout.write(f"needs a server  {mutant.name}  {test}\n")
        pairs = [pair for pair in pairs if not needs_server(pair[1])]
    wanted: dict[str, list[Mutant]] = defaultdict(list)
    for mutant, test in pairs:
        wanted[test].append(mutant)
    caught = trial(wanted)
    survived = 0
    for mutant, test in pairs:
        found = any(node.startswith(test) for node in caught.get(mutant.name, ()))
        sys.stdout.write(f"{'caught  ' if found else 'SURVIVED'}  {mutant.name}  {test}\n")
        survived += not found
    sys.exit(1 if survived else 0)


def needs_server(test: str) -> bool:
    """Whether a test's case is one on a server, which a trial of a few seconds leaves out."""
    return "[kafka" in test or "[postgresql" in test


if __name__ == "__main__":
    main()
