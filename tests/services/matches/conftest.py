"""A whole Comity that moves only when a test says so; see `tests/services/matches/town.py`."""

from tests.services.matches.town import town

__all__ = ["town"]
