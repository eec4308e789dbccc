"""How long a yes to mails is good for, and how long an answer is waited for: published, the same for all.

*Never:* read a clock.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

ASK_AFTER = timedelta(days=365)
"""So long after its address last said yes, a subscription is asked whether it is still wanted."""

ANSWER_WITHIN = timedelta(days=30)
"""So long an answer is waited for, from when the question has left; without one the subscription is paused."""


ASKED_WITHIN = timedelta(hours=24)
MOST_QUESTIONS = 5
"""So many questions of new subscriptions go to one address within `ASKED_WITHIN`, whoever saves them."""


NO_QUESTIONS = "asked for no more questions"
"""Why an address is suppressed that said so in answer to one: what it has said yes to goes on."""


def waits_for_answer(row: Mapping[str, Any]) -> bool:
    """Whether a yes of the address would change anything: never said, asked for again, or not said in time."""
    if row["state"] == "unconfirmed":
        return True
    return (row["state"] == "active" and row["confirm_by"] is not None) or (
        row["state"] == "paused" and row["lapsed_at"] is not None
    )
