"""Which addresses a webhook may reach: global unicast ones, and what the settings except by name.

*What.* Two checks: of the URL when it is saved, and of every network address of every attempt. *Why an own list.* The
standard library calls multicast, translated and relayed addresses global. *Why the same parser as the sender's.* Two
parsers that read one URL in two ways are how such guards are passed. *Never:* resolve a name; the guard at the socket
does, for what a name means can change between two looks.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from yarl import URL

from services.notifications.rules.redaction import ELLIPSIS

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NOT_PUBLIC_4 = tuple(
    ipaddress.IPv4Network(one)
    for one in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
        "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",
        "240.0.0.0/4",
    )
)  # fmt: skip
_PUBLIC_6 = ipaddress.IPv6Network("2000::/3")
"""All that is allotted for global unicast: mapped, compatible, NAT64, site-local, link-local, multicast are outside."""
_NOT_PUBLIC_6 = tuple(
    ipaddress.IPv6Network(one)
    for one in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What the settings let webhooks reach."""

    http: bool = False
    public: bool = True  # False: nothing but `networks`, and no name is looked up
    ports: frozenset[int] | None = frozenset({443, 8443})  # None: any
    networks: tuple[Network, ...] = ()
    own_hosts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, *, http: bool, public: bool, ports: str, networks: str, own_hosts: Sequence[str]) -> "Reach":
        """Read the settings' texts. Raises ValueError for a network that is none."""
        named = tuple(ipaddress.ip_network(one.strip()) for one in networks.split(",") if one.strip())
        numbers = None if ports == "any" else frozenset(int(one) for one in ports.split(","))
        hosts = frozenset(map(str.lower, own_hosts))
        return cls(http=http, public=public, ports=numbers, networks=named, own_hosts=hosts)

    def refusal_of_address(self, address: str) -> str | None:
        """Return why this network address may not be connected to, None if it may."""
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return "It is no network address."
        if self._named(found):
            return None
        if not self.public:
            return f"{found} is in none of the networks that the settings allow."
        if isinstance(found, ipaddress.IPv4Address):
            public = not any(found in network for network in _NOT_PUBLIC_4)
        else:
            public = found in _PUBLIC_6 and not any(found in network for network in _NOT_PUBLIC_6)
        return None if public else f"{found} is not a public address."

    def _named(self, found: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        return any(found in network for network in self.networks if network.version == found.version)

    def refusal_of_url(self, text: str) -> tuple[str, str, str] | None:
        """Return rule, sentence and fix if a webhook's URL may not be saved, None if it may."""
        if ELLIPSIS in text:
            return "webhook-url-shortened", "This address was shortened for you.", "Write the whole address."
        try:
            url = URL(text)
            host, port = url.host or "", url.port
        except ValueError:
            host = ""
        if not host:
            return "webhook-url", "This is no web address.", "Write a full address that starts with https://."
        return self._refusal_of_parts(url, port) or self._refusal_of_host(host.rstrip(".").lower())

    def _refusal_of_parts(self, url: URL, port: int | None) -> tuple[str, str, str] | None:
        if url.scheme != "https" and not (self.http and url.scheme == "http"):
            return "webhook-https", "A webhook's address starts with https://.", "Use an https address."
        if url.user is not None or url.password is not None:
            return "webhook-userinfo", "A webhook's address holds no user or password.", "Leave them out."
        if url.raw_fragment:
            return "webhook-fragment", "A webhook's address has no fragment.", "Leave out what follows #."
        if self.ports is not None and port not in self.ports:
            allowed = ", ".join(str(one) for one in sorted(self.ports))
            return "webhook-port", f"Port {port} is not allowed.", f"Use one of the ports {allowed}."
        return None

    def _excepts(self, host: str) -> bool:
        """Whether a named network holds this host; a name may mean any address, so none but `localhost` is held."""
        try:
            return self._named(ipaddress.ip_address("127.0.0.1" if host == "localhost" else host))
        except ValueError:
            return False

    def _refusal_of_host(self, host: str) -> tuple[str, str, str] | None:
        fix = "Use a host name that leads to a public address."
        if not self.public:
            fix = "Use an address of the networks that `notifications.allowed_networks` names."
        if host in self.own_hosts and not self._excepts(host):
            return "webhook-own-host", "This host is this system's own.", fix
        literal = ":" in host or re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3}){3}", host)
        if literal:
            refusal = self.refusal_of_address(host)
            return None if refusal is None else ("webhook-address", refusal, fix)
        if _NUMERIC.fullmatch(host.rpartition(".")[2]):
            return "webhook-address", f"{host} is a number in disguise, not a host name.", fix
        if host == "localhost" or host.endswith(".localhost"):
            loopback = self.refusal_of_address("127.0.0.1")
            return None if loopback is None else ("webhook-address", "localhost is not public.", fix)
        if not self.public:
            return (
                "webhook-address",
                "Only addresses of the allowed networks are reached here, no names.",
                fix,
            )
        return None
