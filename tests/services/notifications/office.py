"""The notifications service with a real SMTP server on the loopback address, and the verbs of who reads its mails."""

import asyncio
import email
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult

from services.notifications.mail.letters import words_of
from tests.services.notifications.hall import Hall

ADDRESS = "news@ada.example"


class Sink:
    """A mail server that keeps what it takes."""

    def __init__(self) -> None:
        self.refuse_sender = ""
        self.refuse_content = ""
        self.taken: list[tuple[str, EmailMessage]] = []
        self.wire: list[bytes] = []
        """The same mails as they came: reading them mends what a mail program would not."""
        self.refuse: str | bytes = ""
        self.take = "250 taken"
        self.asked_for_content: str | None = None
        """What it says to DATA, empty if it hangs up there; None: it takes the content."""
        self.ask: Callable[[], Awaitable[str]] | None = None
        """What a recipient is refused with, found out when it is named."""
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        """What happens between the content and its answer."""

    async def handle_RCPT(  # noqa: N802 - the name that the server calls
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str | bytes:
        refusal = self.refuse if self.ask is None else await self.ask()
        if refusal:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_MAIL(  # noqa: N802 - as below
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if self.refuse_sender:
            return self.refuse_sender
        envelope.mail_from = address
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - as above
        self, _server: Any, _session: Any, envelope: Any
    ) -> str:
        if self.refuse_content:
            return self.refuse_content
        self.wire.append(envelope.content)
        message = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.taken.append((envelope.rcpt_tos[0], message))
        if self.meanwhile is not None:
            await self.meanwhile()
        return self.take

    def digests(self) -> list[EmailMessage]:
        return [one for _, one in self.taken if one["List-Unsubscribe"]]


class _Server(SMTP):
    event_handler: Sink

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802 - as above
        said = self.event_handler.asked_for_content
        if said is None:
            await super().smtp_DATA(arg)
        elif said:
            await self.push(said)
        else:
            self.transport.abort()


class Page(HTMLParser):
    """What a reader sees of an HTML mail."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.root: dict[str, str | None] = {}
        self.text = ""
        self.links: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "html":
            self.root = dict(attrs)
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data


@asynccontextmanager
async def sinking() -> AsyncIterator[tuple[Sink, int]]:
    """A mail server on a free port; it takes mails of anybody, and no password."""
    found = Sink()

    def nobody(*_asked: Any) -> AuthResult:
        return AuthResult(success=False, handled=False)

    server = await asyncio.get_running_loop().create_server(
        lambda: _Server(found, authenticator=nobody, auth_require_tls=False), "127.0.0.1", 0
    )
    yield found, server.sockets[0].getsockname()[1]
    server.close()


def mail_to(port: int) -> dict[str, Any]:
    """The settings of that server."""
    return {
        "host": "127.0.0.1",
        "port": port,
        "encryption": "none",
        "sender": "Comity <hello@comity.example>",
    }


def unmarked(message: EmailMessage) -> str:
    """The text of a mail, without the marks around what may run the other way."""
    return str(message.get_body(("plain",)).get_content().translate(dict.fromkeys((0x2068, 0x2069))))


def link_in(message: EmailMessage, hall: Hall) -> str:
    text = message.get_body(("plain",)).get_content()
    start = text.index("/v1/mail-links/")
    assert hall.runtime.settings.address + text[start:].split()[0] in text
    return str(text[start:].split()[0])


def refusal_in(sink: Sink, hall: Hall, *, language: str = "en") -> str:
    """The link of the last mail that has its address asked no more, as its text names it."""
    plain = sink.taken[-1][1].get_body(("plain",)).get_content()
    _, _, rest = plain.partition(f"{words_of(language)['refuse_link']}: {hall.runtime.settings.address}")
    return str(rest.split()[0])


async def confirmed(hall: Hall, sink: Sink, **body: Any) -> str:
    """Subscribe by mail and confirm the address; the subscription's id."""
    subscription = await hall.subscribe(channel="email", email=ADDRESS, **body)
    await hall.dispatch()
    mine = [message for _, message in sink.taken if message["To"] == ADDRESS]  # others may be asked beside it
    answer = await hall.http.post(link_in(mine[-1], hall))
    assert answer.json()["state"] == "active"
    return subscription


async def crossing(hall: Hall, *, name: str = "schools", **changes: Any) -> str:
    """Ada comes to stand above the floor of a project that opens; its id."""
    ada, project = await hall.member("Ada"), await hall.open_project(name, **changes)
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    return project
