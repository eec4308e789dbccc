"""Run inside a network namespace of its own, where every address there is leads back to a trap on this machine.

`unshare` gives the namespace; here the loopback is raised, every IPv4 and IPv6 address is made local, a DNS server answers
as an attacker's would, and a trap accepts whatever is connected to and notes at which address. Then each URL is sent a
webhook by the real sender. Prints one JSON object: what was tried, and which addresses were reached.
"""

import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import threading
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from dnslib import AAAA, CNAME, QTYPE, RR, A
from dnslib.server import BaseResolver, DNSServer

from services.chassis.settings import load_settings
from services.notifications.rules.keys import new_secret
from services.notifications.worker.guard import open_session, reach_of
from services.notifications.worker.webhooks import Message, send

PORT = 8443
PUBLIC = "93.184.216.34"
PUBLIC_6 = "2606:2800:220:1:248:1893:25c8:1946"

HOSTS = (
    # loopback and "this host", in every spelling that some parser takes
    "127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "2130706433", "0x7f000001", "0x7f.0.0.1", "0x7f.1",
    "017700000001", "0177.0.0.1", "0177.1", "127.0.0.1.", "127.000.000.001", "localhost", "LOCALHOST",
    "localhost.", "foo.localhost", "0.0.0.0", "0", "[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]",  # noqa: S104 - an address under test
    "[::ffff:7f00:1]", "[::127.0.0.1]", "[0:0:0:0:0:ffff:7f00:0001]",
    # private, shared, link-local and metadata
    "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "169.254.169.254",
    "169.254.170.2", "2852039166", "0xa9fea9fe", "[::ffff:169.254.169.254]", "168.63.129.16", "192.0.0.192",
    "[fd00:ec2::254]", "[fc00::1]", "[fe80::1]", "[fec0::1]",
    # reserved, documentation, benchmarking, relays, multicast, broadcast
    "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "192.31.196.1", "192.52.193.1",
    "192.175.48.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "[ff02::1]", "[100::1]",
    "[2001:db8::1]", "[2001::1]", "[2001:10::1]", "[3fff::1]", "[5f00::1]",
    # translated and tunnelled: what is inside is not public
    "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::a00:1]", "[2002:7f00:1::]", "[2002:a9fe:a9fe::1]",
    "[2002:c0a8:1::1]", "[::ffff:0:127.0.0.1]",
    # digits and dots of other scripts
    "①②⑦.⓪.⓪.①", "127。0。0。1", "１２７.０.０.１",
)  # fmt: skip

NAMES: dict[str, tuple[str, ...]] = {
    "loop.test": ("127.0.0.1",),
    "metadata.test": ("169.254.169.254",),
    "private.test": ("10.1.2.3",),
    "mixed.test": (PUBLIC, "10.0.0.1"),
    "mixed-turned.test": ("10.0.0.1", PUBLIC),
    "six.test": ("::1",),
    "mapped.test": ("::ffff:7f00:1",),
    "nat64.test": ("64:ff9b::a9fe:a9fe",),
    "mixed-six.test": (PUBLIC, "fd00::1"),
    "6to4.test": ("2002:7f00:1::",),
    "zero.test": ("0.0.0.0",),  # noqa: S104 - an address under test
}
REBINDING = "rebinding.test"
CHAIN = "chain.test"
OPEN, OPEN_6 = "open.test", "open6.test"


class Attacker(BaseResolver):
    """Answers as it likes: fixed lists, a chain of aliases, and a name whose answer changes with every question."""

    def __init__(self) -> None:
        self.asked = count()

    def resolve(self, request: Any, _handler: Any) -> Any:
        reply, name = request.reply(), str(request.q.qname).rstrip(".")
        answers = NAMES.get(name, ())
        if name == CHAIN:
            reply.add_answer(RR(CHAIN, QTYPE.CNAME, ttl=0, rdata=CNAME("loop.test")))
            name, answers = "loop.test", NAMES["loop.test"]
        if name == REBINDING and request.q.qtype == QTYPE.A:
            answers = (PUBLIC,) if next(self.asked) % 2 == 0 else ("169.254.169.254",)
        if name == OPEN:
            answers = (PUBLIC,)
        if name == OPEN_6:
            answers = (PUBLIC_6,)
        for one in answers:
            if ":" in one and request.q.qtype == QTYPE.AAAA:
                reply.add_answer(RR(name, QTYPE.AAAA, ttl=0, rdata=AAAA(one)))
            elif ":" not in one and request.q.qtype == QTYPE.A:
                reply.add_answer(RR(name, QTYPE.A, ttl=0, rdata=A(one)))
        return reply


def set_up(folder: Path) -> None:
    """Make every address of this namespace local, and this process its name server."""
    for command in (
        "ip link set lo up",
        "ip route add local 0.0.0.0/0 dev lo",
        "ip -6 route add local ::/0 dev lo",
    ):
        subprocess.run(command.split(), check=True)
    names = folder / "resolv.conf"
    names.write_text("nameserver 127.0.0.53\noptions timeout:1 attempts:1\n")
    subprocess.run(["mount", "--bind", str(names), "/etc/resolv.conf"], check=True)
    server = DNSServer(Attacker(), address="127.0.0.53", port=53, logger=Quiet())
    threading.Thread(target=server.start, daemon=True).start()


class Quiet:
    """A logger that says nothing."""

    def __getattr__(self, _name: str) -> Any:
        return lambda *_given: None


async def trap(reached: list[str]) -> list[asyncio.Server]:
    """Listen at every address, answer 204, and note where somebody came in."""

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(writer.get_extra_info("sockname")[0])
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 Taken\r\nConnection: close\r\n\r\n")
        writer.close()

    return [
        await asyncio.start_server(met, "0.0.0.0", PORT, family=socket.AF_INET),  # noqa: S104 - an address under test
        await asyncio.start_server(met, "::", PORT, family=socket.AF_INET6),
    ]


async def main() -> dict[str, Any]:
    reached: list[str] = []
    servers = await trap(reached)
    settings = load_settings(
        data_folder=Path(tempfile.mkdtemp()),
        notifications={"allow_http": True, "ports": str(PORT), "attempt_seconds": 5},
    )
    errors: dict[str, list[str | None]] = {}
    hosts = (*HOSTS, *NAMES, CHAIN, *[REBINDING] * 10)
    async with open_session(settings, reach_of(settings)) as session:

        async def attempt(host: str) -> None:
            message = Message(
                id="m", number=1, url=f"http://{host}:{PORT}/", secrets=(new_secret(),), body=b"{}"
            )
            outcome = await send(session, message, datetime.now(UTC))
            errors.setdefault(host, []).append(outcome.error)

        for host in (OPEN, OPEN_6):
            await attempt(host)
        control, reached[:] = list(reached), []
        for host in hosts:
            await attempt(host)
    for server in servers:
        server.close()
    return {
        "control": control,
        "tried": len(hosts),
        "spellings": len(set(hosts)),
        "reached": reached,
        "errors": errors,
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        set_up(Path(folder))
        sys.stdout.write(json.dumps(asyncio.run(main())))
