"""The guard of outgoing requests, at the socket: no connection is begun to an address that is not allowed.

*What.* A resolver that refuses a name if any of its answers is refused, and a socket factory that vets the very address
of every connection, literals and every spelling included. *Why at the socket.* Whatever a name meant when it was saved,
or a moment ago, what counts is where the packet would go. *Why no redirect and no proxy.* Either would let somebody
else choose the address. *Why threads of its own for names.* Whoever names a host also answers for its name, or does not: a
lookup that hangs must hold up no other work of the process. *Never:* decide which addresses are allowed; `rules.addresses` does.
"""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from services.chassis.settings import Settings
from services.notifications.rules.addresses import Reach
from services.notifications.worker.bounding import BoundedConnector
from services.notifications.worker.slots import MOST_TIMES

USER_AGENT = "Comity-Webhooks/1"


class ForbiddenTarget(OSError):  # noqa: N818 - what it is, as the attempt log calls it
    """A webhook's name leads to an address that is not allowed. Nothing was sent."""


class VettedResolver(AbstractResolver):
    """Resolves by another resolver, and refuses the name if one of its answers may not be reached."""

    def __init__(self, inner: AbstractResolver, reach: Reach) -> None:
        self._inner = inner
        self._reach = reach

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the answers. Raises ForbiddenTarget, or OSError if there are none."""
        answers = await self._inner.resolve(host, port, family)
        for answer in answers:
            refuse(self._reach, answer["host"])
        return answers

    async def close(self) -> None:
        """Close the resolver behind."""
        await self._inner.close()


class Lookups:
    """The lookups of a resolver in threads of their own, as a loop would make them in those of everybody."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="names")

    async def getaddrinfo(self, host: str, port: int, **asked: Any) -> Any:
        """Return the addresses of a name. Raises OSError."""
        return await self._run(partial(socket.getaddrinfo, host, port, **asked))

    async def getnameinfo(self, address: Any, flags: int) -> Any:
        """Return an address as text with its scope. Raises OSError."""
        return await self._run(partial(socket.getnameinfo, address, flags))

    async def _run(self, lookup: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, lookup)


def refuse(reach: Reach, address: str) -> None:
    """Raise ForbiddenTarget if the address may not be connected to."""
    refusal = reach.refusal_of_address(address)
    if refusal is not None:
        raise ForbiddenTarget(refusal)


def socket_factory(reach: Reach) -> Any:
    """Return what makes the socket of every connection, after a look at where it is to go."""

    def make(address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, where = address
        refuse(reach, where[0])
        return socket.socket(family=family, type=kind, proto=protocol)

    return make


def open_session(
    settings: Settings, reach: Reach, *, resolver: AbstractResolver | None = None
) -> ClientSession:
    """Return the session by which webhooks leave; nothing of the environment has a say in it."""
    asked = settings.notifications
    connector = BoundedConnector(
        limit=MOST_TIMES * asked.concurrency,
        limit_per_host=0,
        use_dns_cache=False,
        resolver=VettedResolver(resolver or _resolver(2 * MOST_TIMES * asked.concurrency), reach),
        socket_factory=socket_factory(reach),
    )
    return ClientSession(
        connector=connector,
        timeout=ClientTimeout(total=asked.attempt_seconds),
        cookie_jar=DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        headers={"User-Agent": USER_AGENT},
    )


def _resolver(threads: int) -> ThreadedResolver:
    """Return the system's resolver; more threads than tries, for a lookup outlives a try that waited in vain."""
    lookups: Any = Lookups(threads)
    return ThreadedResolver(lookups)


def reach_of(settings: Settings) -> Reach:
    """Return what the settings let webhooks reach."""
    own = [host for one in (settings.address, settings.own_address) if (host := urlsplit(one).hostname)]
    asked = settings.notifications
    return Reach.of(
        http=asked.allow_http,
        public=asked.public_addresses,
        ports=asked.ports,
        networks=asked.allowed_networks,
        own_hosts=own,
    )
