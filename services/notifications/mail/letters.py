"""A mail as it is stored: subject, text and HTML in one language, and what belongs into its headers.

*What.* Rendered from templates and the catalogue of words; the HTML names its language and direction, its style stands
in the elements, and it loads nothing. *Why stored whole.* A retry sends the same mail, whatever has changed meanwhile.
*Never:* an address; it is added when the mail leaves, so that ending a subscription ends it everywhere.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from email.header import Header
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UniqueUnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import format_datetime, parseaddr
from functools import cache
from pathlib import Path
from typing import Any, Self, cast
from unicodedata import bidirectional

import css_inline
import orjson
from babel.dates import format_date
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context, select_autoescape
from jinja2.runtime import Context
from markupsafe import Markup

from services.chassis.settings import Settings
from services.notifications.rules.redaction import shortened

FOLDER = Path(__file__).parent
LANGUAGES = ("ar", "zh", "en", "fr", "ru", "es")
RIGHT_TO_LEFT = frozenset({"ar"})
CONFIRMATION = "confirmation"
"""The kind of the mail that asks an address whether it wants any; the only one that leaves before it has said yes."""


class _Subject(UniqueUnstructuredHeader):
    """A subject whose encoded words are folded by the older of the two folders that Python has.

    The newer one loses a space where a line ends between words of other letters than ASCII.
    """

    def fold(self, *, policy: Policy) -> str:
        folded = Header(str(self), header_name="Subject").encode(linesep=policy.linesep)
        return f"Subject: {folded}{policy.linesep}"


class _Leave(UniqueUnstructuredHeader):
    """`List-Unsubscribe` as RFC 2369 has it: the address as it is, on one line however long, for encoded words mean nothing there."""

    def fold(self, *, policy: Policy) -> str:
        return f"List-Unsubscribe: {self}{policy.linesep}"


_HEADERS = HeaderRegistry()
_HEADERS.map_to_type("subject", cast("type[BaseHeader]", _Subject))
_HEADERS.map_to_type("list-unsubscribe", cast("type[BaseHeader]", _Leave))
_POLICY = SMTP.clone(header_factory=_HEADERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail without its address; `leave` is the path by which one click ends the subscription, None for account mail."""

    subject: str
    text: str
    html: str
    language: str
    leave: str | None = None

    def encoded(self) -> bytes:
        """Return the letter as it is stored."""
        return orjson.dumps(asdict(self))

    @classmethod
    def decoded(cls, stored: bytes) -> Self:
        """Return a stored letter."""
        return cls(**orjson.loads(stored))


@cache
def words_of(language: str) -> Mapping[str, Any]:
    """Return the catalogue of words of a language."""
    found: dict[str, Any] = orjson.loads((FOLDER / "words" / f"{language}.json").read_bytes())
    return found


def isolated(text: str, language: str) -> str:
    """Return a name as it stands in a sentence: between U+2068 and U+2069 where its letters run against the language's.

    Without them a bracket or a full stop at its end is set at the wrong side (UAX #9).
    """
    against = {"L"} if language in RIGHT_TO_LEFT else {"R", "AL"}
    return f"\u2068{text}\u2069" if any(bidirectional(letter) in against for letter in text) else text


@pass_context
def _in_text(context: Context, text: str) -> str:
    return isolated(text, context["language"])


def _in_html(text: str) -> Markup:
    return Markup("<bdi>{}</bdi>").format(text)


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    templates.filters |= {"isolated": _in_text, "bdi": _in_html}
    return templates


def render(kind: str, *, language: str, subject: str, leave: str | None, **content: Any) -> Letter:
    """Return the letter of a kind (`digest`, `confirmation`, `endpoint`) in a language."""
    words = words_of(language)
    given = {
        "words": words,
        "language": language,
        "direction": "rtl" if language in RIGHT_TO_LEFT else "ltr",
        "subject": subject,
        "leave": leave,
        "day": lambda value: format_date(date.fromisoformat(value), "long", locale=language),
        **content,
    }
    text = _templates().get_template(f"{kind}.txt").render(given)
    html = _templates().get_template(f"{kind}.html").render(given)
    return Letter(
        subject=subject,
        text=text,
        html=css_inline.inline(html, load_remote_stylesheets=False),
        language=language,
        leave=leave,
    )


def confirmation_letter(
    settings: Settings, *, language: str, organisation: str, token: str, refuse: str
) -> Letter:
    """Return the letter that asks whether an address wants mails at all (double opt-in), and offers to ask no more."""
    return _question(
        settings, "confirm", language=language, organisation=organisation, token=token, refuse=refuse
    )


def contact_letter(
    settings: Settings, *, language: str, organisation: str, token: str, refuse: str
) -> Letter:
    """Return the letter that asks whether an address wants to hear when an endpoint fails (double opt-in), and offers to ask no more."""
    return _question(
        settings, "contact", language=language, organisation=organisation, token=token, refuse=refuse
    )


def _question(
    settings: Settings, about: str, *, language: str, organisation: str, token: str, refuse: str
) -> Letter:
    words = words_of(language)
    return render(
        CONFIRMATION,
        language=language,
        subject=words[f"{about}_subject"],
        leave=None,
        sentence=words[f"{about}_text"],
        organisation=organisation,
        until="",
        link=f"{settings.address}/v1/mail-links/{token}",
        leave_link=None,
        refuse_link=f"{settings.address}/v1/mail-links/{refuse}",
    )


def yearly_letter(
    settings: Settings, *, language: str, organisation: str, day: date, confirm: str, leave: str
) -> Letter:
    """Return the letter that asks after a year whether the mails are still wanted; account mail, with both answers in it."""
    words = words_of(language)
    return render(
        CONFIRMATION,
        language=language,
        subject=words["yearly_subject"],
        leave=None,
        sentence=words["yearly_text"],
        organisation=organisation,
        until=format_date(day, "long", locale=language),
        link=f"{settings.address}/v1/mail-links/{confirm}",
        leave_link=f"{settings.address}/v1/mail-links/{leave}",
        refuse_link=None,
    )


def endpoint_letter(
    settings: Settings,
    *,
    kind: str,
    language: str,
    endpoint: Mapping[str, Any],
    organisation: str,
    token: str | None,
) -> Letter:
    """Return the letter about an endpoint that fails or was disabled; `token` is its contact's way to leave.

    To the address of a subscription it is account mail: without a way to leave, which would end the subscription.
    """
    words = words_of(language)
    name = "disabled" if "disabled" in kind else "failing"
    leave = None if token is None else f"/v1/mail-links/{token}"
    return render(
        "endpoint",
        language=language,
        subject=words[f"endpoint_{name}_subject"],
        leave=leave,
        sentence=words[f"endpoint_{name}"],
        endpoint=endpoint["id"],
        organisation=organisation,
        leave_link=None if leave is None else settings.address + leave,
        url=shortened(endpoint["url"]),  # a mailbox is no place for what lets one write to a receiver
        guide=f"{settings.address}/docs",
    )


def message_of(
    letter: Letter, settings: Settings, *, to: str, identifier: str, now: datetime
) -> EmailMessage:
    """Return the mail as it goes on the wire: text and HTML, and the headers by which a reader can leave (RFC 8058)."""
    name, address = parseaddr(settings.mail.sender)
    message = EmailMessage(policy=_POLICY)
    message["From"] = Address(display_name=name, addr_spec=address)
    message["To"] = Address(addr_spec=to)
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{identifier}@{address.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    if letter.leave is not None:
        link = settings.address + letter.leave
        message["List-Unsubscribe"] = f"<{link}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(letter.text, charset="utf-8")
    message.add_alternative(letter.html, subtype="html", charset="utf-8")
    message["Content-Language"] = letter.language  # last: setting the content takes such headers away
    return message
