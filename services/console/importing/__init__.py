"""`comity import organisations FILE` and `comity import projects FILE`: other people's records through the HTTP API.

What: reads rows, maps them, checks them, sends them. `files` reads, `checking` holds a row against the rules, `sending`
puts one row, `run` does it for a file. Why: a register of thousands enters Comity by the same door, and under the same
checks, as one profile that a person types. It must not write a table or a topic.
"""

from services.console.importing.verbs import app

__all__ = ["app"]
