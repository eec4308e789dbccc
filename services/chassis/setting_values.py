"""Kinds of values that settings have: what is no such value is refused at the start, with what to write instead.

*Why here.* A wrong value that is found when it is first used is found in production. *Never:* read anything, a
setting that was not given included.
"""

import ipaddress
from contextlib import suppress
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Annotated

from pydantic import AfterValidator, SecretStr

DATABASE_DRIVERS = ("postgresql+asyncpg", "sqlite+aiosqlite")
ANYBODY = "*"


def _known_database(url: SecretStr) -> SecretStr:
    """Refuse what is no URL of a database that Comity runs on; the sentence does not repeat it, for it holds a secret."""
    from sqlalchemy.engine import make_url  # noqa: PLC0415 - only where a URL is set
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        driver = make_url(url.get_secret_value()).drivername
    except (ArgumentError, ValueError):
        driver = ""
    if driver not in DATABASE_DRIVERS:
        begins = f"it begins with {driver}" if driver else "it is no URL of a database"
        raise ValueError(f"{begins}; write {' or '.join(f'{one}://…' for one in DATABASE_DRIVERS)}")
    return url


DatabaseUrl = Annotated[SecretStr, AfterValidator(_known_database)]


def _one_sender(value: str) -> str:
    """Refuse what no mail can come from: the server would say so of every single one, long after the start."""
    name, address = parseaddr(value)
    local, _, domain = address.rpartition("@")
    with suppress(ValueError, HeaderParseError, IndexError):  # the parser that writes it into a mail
        Address(display_name=name, addr_spec=address)
        alone = value.strip() == address or value.strip().endswith(f"<{address}>")
        if local and domain and alone and address.isascii() and value.isprintable():
            return value
    raise ValueError(
        f"{value!r} is no address that a mail can come from; write one, in ASCII letters, digits and signs, alone or with a name: "
        "Comity <no-reply@example.org>"
    )


Sender = Annotated[str, AfterValidator(_one_sender)]


def links_open(mail_host: str | None, public_url: str | None) -> None:
    """See that mails link where their readers get by https, which the one click of RFC 8058 needs; a server on loopback has none but this machine.

    Raises ValueError.
    """
    if mail_host is None or _is_loopback(mail_host) or (public_url or "").startswith("https:"):
        return
    raise ValueError(
        f"its host is {mail_host}, and public_url, under which mails link here, is {public_url or 'none'}; set an https one, "
        "which the one click that ends a subscription needs (RFC 8058): https://comity.example.org"
    )


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host.lower() == "localhost"


def _networks(value: str) -> str:
    """Refuse what is no list of networks, such as one with bits beyond its length."""
    for one in filter(None, map(str.strip, value.split(","))):
        try:
            ipaddress.ip_network(one)
        except ValueError as error:
            raise ValueError(f"{error}; write networks, parted by commas: 10.1.0.0/16, fd00::/8") from error
    return value


def _proxies(value: str) -> str:
    """Refuse what is neither a list of networks nor the sign for whoever connects."""
    return value if value.strip() == ANYBODY else _networks(value)


Networks = Annotated[str, AfterValidator(_networks)]
Proxies = Annotated[str, AfterValidator(_proxies)]
