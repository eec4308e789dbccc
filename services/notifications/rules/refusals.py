"""What a refusal of a mail server is about: the address, this mail, or whoever sends; published, the same for all.

*What.* A permanent refusal (5xx) after the recipient was named, read by its enhanced code where it has one. *Why so narrow.*
A server says 550 of a mailbox that is not there, and of a sender or a relay that it does not like; the second is to be
mended here, so the mail is tried again and the address keeps its good name. *Never:* read the words of a refusal.
Source: RFC 5321 §4.2.3, RFC 3463 §3.
"""

import re
from typing import Literal

About = Literal["address", "mail", "sender"]

ADDRESS_CODES = frozenset({550, 551, 553})
"""Without an enhanced code these say of a recipient that nobody is there."""

_ENHANCED = re.compile(r"5\.(\d{1,3})\.(\d{1,3})\b")
_ADDRESS, _CONTENT = 1, 6
_OF_THE_SENDER = frozenset(
    {7, 8, 9}
)  # of 5.1: its address cannot be read, is nowhere, or it spoke for somebody who may not
_CLOSED = (2, 1)  # the mailbox is there and takes nothing
_TOO_LONG = frozenset({(2, 3), (3, 4)})
_TOO_MUCH = 552


def about(code: int, message: str, *, taken: bool) -> About:
    """Return what a permanent refusal is about; `taken` says that the recipient was taken before, and the mail refused."""
    found = _ENHANCED.match(message)
    if found is not None:
        subject, detail = int(found[1]), int(found[2])
        if subject == _ADDRESS:
            return "sender" if detail in _OF_THE_SENDER else "address"
        if (subject, detail) == _CLOSED:
            return "address"
        return "mail" if subject == _CONTENT or (subject, detail) in _TOO_LONG else "sender"
    if taken:
        return "mail" if code == _TOO_MUCH else "sender"
    return "address" if code in ADDRESS_CODES else "sender"
