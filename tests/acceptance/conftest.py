"""A whole Comity that moves only when a test says so; see `tests/services/matches/town.py` and `…/notifications/village.py`."""

from tests.services.matches.town import town
from tests.services.notifications.conftest import hall, receiver, village

__all__ = ["hall", "receiver", "town", "village"]
