"""A mail server of a drill's own: it keeps what it takes, and takes its time at times, so that a kill meets mails under way."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller

from services.console.parts.processes import free_port

_SLOWEST = 0.15
_LINK = "/v1/mail-links/"


@dataclass(kw_only=True)
class Mailbox:
    """What came, by address: each mail with the id of its message."""

    port: int
    chance: random.Random
    held: list[tuple[str, str, EmailMessage]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - the name that is called
        """Keep a mail that came whole."""
        time.sleep(self.chance.random() * _SLOWEST)  # noqa: ASYNC251 - a server of one mind
        message = message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        with self.lock:
            for address in envelope.rcpt_tos:
                self.held.append((address, str(message["Message-ID"]).strip("<>").partition("@")[0], message))
        return "250 taken"

    def to(self, address: str) -> Counter[str]:
        """Return how often each message came to an address."""
        with self.lock:
            return Counter(name for whose, name, _ in self.held if whose == address)

    def link_to(self, address: str, *, seconds: float) -> str:
        """Wait for the first mail to an address, and return the path of its first link."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with self.lock:
                mails = [message for whose, _, message in self.held if whose == address]
            if mails:
                plain = mails[0].get_body(("plain",))
                assert plain is not None
                _, _, rest = plain.get_content().partition(_LINK)
                return _LINK + rest.split()[0]
            time.sleep(0.05)
        raise RuntimeError(f"No question came to {address}.")

    @property
    def settings(self) -> dict[str, str]:
        """The settings by which Comity sends its mails here."""
        return {
            "COMITY_MAIL__HOST": "127.0.0.1",
            "COMITY_MAIL__PORT": str(self.port),
            "COMITY_MAIL__ENCRYPTION": "none",
            "COMITY_MAIL__SENDER": "Comity <drill@comity.example>",
        }


@contextmanager
def taking(seed: int) -> Iterator[Mailbox]:
    """Take mails for as long as this lasts."""
    mailbox = Mailbox(port=free_port(), chance=random.Random(seed))
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
