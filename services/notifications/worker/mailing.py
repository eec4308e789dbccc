"""One mail sent once, and what became of it.

*What.* The SMTP conversation until the server asks for the content, then a row that says "handed over", then the content. *Why that row.*
SMTP has no id that keeps a second copy out: once the content may have been taken, nobody sends it again, whatever is
killed. The row is written only while the claim stands, so of two who think that a mail is theirs one goes on. *Never:* try again; the schedule does, and only for tries that had handed nothing over; or keep an address, which servers
like to repeat.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from email.errors import HeaderParseError
from email.utils import parseaddr
from typing import Any

import aiosmtplib
from sqlalchemy import select, update

from services.chassis.database import insert_for
from services.chassis.runtime import Runtime, timestamp
from services.chassis.settings import Settings
from services.chassis.telemetry import log_of
from services.notifications.mail.letters import CONFIRMATION, Letter, message_of
from services.notifications.rules.keys import keys_of
from services.notifications.rules.refusals import About, about
from services.notifications.rules.schedule import Outcome
from services.notifications.rules.yearly import NO_QUESTIONS
from services.notifications.tables import ATTEMPTS, DELIVERIES, SUPPRESSIONS
from services.notifications.worker.pacing import LONGEST_TRY

_ADDRESS = re.compile(r"[^\s<>@]+@[^\s<>@]+")
_DOT = re.compile(rb"^\.", re.MULTILINE)
"""A line that begins so would end the content (RFC 5321 §4.5.2)."""
_MOST_KEPT = 300
UNWRITABLE = "unwritable"
"""The word of a mail that no server was asked about, for it cannot be put into the form of one."""


@dataclass(frozen=True, slots=True)
class Post:
    """The mail server of the settings."""

    settings: Settings

    @property
    def open(self) -> bool:
        """Whether there is a server; without one mails wait."""
        return self.settings.mail.host is not None

    async def send(self, runtime: Runtime, row: Mapping[str, Any], number: int) -> Outcome:
        """Send a claimed mail once and return how that ended."""
        begun = time.perf_counter()
        outcome = await self._sent(runtime, row, number)
        return replace(outcome, milliseconds=(time.perf_counter() - begun) * 1_000)

    async def _sent(self, runtime: Runtime, row: Mapping[str, Any], number: int) -> Outcome:
        to = row["email"]
        if to is None or row["body"] is None:
            return Outcome(error="gone", permanent=True)
        keys = keys_of(runtime.state)
        hashed = keys.address_hash(to)
        async with runtime.database.read() as connection:
            kept_out = select(SUPPRESSIONS.c.reason).where(SUPPRESSIONS.c.address_hash == hashed)
            reason = await connection.scalar(kept_out)
            if reason is not None and (reason != NO_QUESTIONS or row["type"] == CONFIRMATION):
                return Outcome(error="suppressed", permanent=True, nobody=reason != NO_QUESTIONS)
        try:
            letter = Letter.decoded(row["body"])
            message = message_of(letter, self.settings, to=to, identifier=row["id"], now=runtime.clock.now())
            content = message.as_bytes()
        except (ValueError, HeaderParseError) as error:
            log_of("notifications").exception("a mail cannot be written", delivery=row["id"])
            return Outcome(error=UNWRITABLE, response=_kept(str(error)), permanent=True)
        return await self._carried(runtime, row, number, content=content, hashed=hashed)

    async def _carried(
        self, runtime: Runtime, row: Mapping[str, Any], number: int, *, content: bytes, hashed: str
    ) -> Outcome:
        handed_over = False
        until = asyncio.get_running_loop().time() + LONGEST_TRY.total_seconds()
        try:
            # Within the conversation first, so that nobody says goodbye to a server that takes its time over that too.
            async with (
                asyncio.timeout_at(until + 1),
                self._connected() as server,
                asyncio.timeout_at(until),
            ):
                await server.mail(parseaddr(self.settings.mail.sender)[1])
                await server.rcpt(row["email"])
                await _ask_for_content(server)
                with ExitStack() as leaving:
                    leaving.callback(server.close)  # without a goodbye, which would be read as content
                    if not await self._hand_over(runtime, row["id"], number):
                        return Outcome(error="superseded")
                    leaving.pop_all()
                handed_over = True
                answer = await self._give(server, content)
                return Outcome(status=answer.code, response=_kept(answer.message))
        except aiosmtplib.SMTPResponseException as error:
            if handed_over and not 400 <= error.code < 600:
                return Outcome(error="unconfirmed", response=_kept(error.message), permanent=True)
            # Refused in words, so it was not taken.
            concerns = _about(error)
            if concerns == "address":
                await _suppress(runtime, hashed)
            elif concerns == "sender":
                log_of("notifications").warning("the mail server refuses us, not an address", code=error.code)
            return Outcome(
                error="smtp",
                status=error.code,
                response=_kept(error.message),
                permanent=concerns in {"address", "mail"},
                nobody=concerns == "address",
            )
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            return Outcome(
                error="unconfirmed" if handed_over else "connect",
                response=_kept(str(error)),
                permanent=handed_over,
            )
        except Exception:
            if not handed_over:
                raise
            log_of("notifications").exception("a mail's end is not known", delivery=row["id"])
            return Outcome(error="unconfirmed", permanent=True)  # like any other that may have been taken

    def _connected(self) -> aiosmtplib.SMTP:
        asked = self.settings.mail
        return aiosmtplib.SMTP(
            hostname=asked.host,
            port=asked.port,
            timeout=asked.seconds,
            use_tls=asked.encryption == "tls",
            start_tls=asked.encryption == "starttls",
            username=asked.username,
            password=None if asked.password is None else asked.password.get_secret_value(),
        )

    async def _give(self, server: aiosmtplib.SMTP, content: bytes) -> aiosmtplib.SMTPResponse:
        """Return the answer that takes the content. Raises SMTPDataError for any other."""
        if server.protocol is None:
            raise aiosmtplib.SMTPServerDisconnected("it hung up")
        server.protocol.write(_DOT.sub(b"..", content) + b".\r\n")
        answer = await server.protocol.read_response(timeout=self.settings.mail.seconds)
        if not 200 <= answer.code < 300:
            raise aiosmtplib.SMTPDataError(answer.code, answer.message)
        return answer

    async def _hand_over(self, runtime: Runtime, delivery: str, number: int) -> bool:
        """Write that the content goes out now; False if this claim had run out, and somebody took the mail over, or its news back."""
        async with runtime.database.write() as connection:
            claim = select(DELIVERIES.c.id).where(
                DELIVERIES.c.id == delivery,
                DELIVERIES.c.state == "sending",
                DELIVERIES.c.attempts == number,
                DELIVERIES.c.body.is_not(None),
            )
            if await connection.scalar(claim.with_for_update()) is None:
                return False
            await connection.execute(
                update(ATTEMPTS)
                .where(ATTEMPTS.c.delivery == delivery, ATTEMPTS.c.number == number)
                .values(handed_over_at=timestamp(runtime.clock.now()))
            )
            return True


async def _ask_for_content(server: aiosmtplib.SMTP) -> None:
    """Come to where nothing but the content may follow. Raises SMTPDataError where the server does not ask for it."""
    answer = await server.execute_command(b"DATA")
    if answer.code != aiosmtplib.SMTPStatus.start_input:
        raise aiosmtplib.SMTPDataError(answer.code, answer.message)


def _kept(said: str) -> bytes:
    """Return what the delivery log keeps of a server's words: the first of them, without any address."""
    return _ADDRESS.sub("…@…", said).encode(errors="replace")[:_MOST_KEPT]


def _about(error: aiosmtplib.SMTPResponseException) -> About | None:
    """Return what a refusal is about; None for one that passes. Before a recipient was named it is about who sends."""
    if not 500 <= error.code < 600:
        return None
    if not isinstance(error, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError):
        return "sender"
    return about(error.code, error.message, taken=isinstance(error, aiosmtplib.SMTPDataError))


async def _suppress(runtime: Runtime, hashed: str) -> None:
    """Remember that nobody is at this address, also if it had only asked for no more questions."""
    found = {"reason": "refused by its server", "suppressed_at": timestamp(runtime.clock.now())}
    async with runtime.database.write() as connection:
        await connection.execute(
            insert_for(connection, SUPPRESSIONS)
            .values(address_hash=hashed, **found)
            .on_conflict_do_update(index_elements=["address_hash"], set_=found)
        )
