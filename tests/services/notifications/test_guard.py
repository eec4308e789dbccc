"""The guard of outgoing requests: whatever a webhook's address is spelled like or resolves to, no connection is made.

The attempts are made in a network namespace in which every address leads to a trap, so that what would have been reached
is seen, and no packet can leave.
"""

import asyncio
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession

from services.notifications.rules.addresses import Reach
from tests.services.notifications.hall import Hall
from tests.services.notifications.in_a_namespace import CHAIN, HOSTS, NAMES, PUBLIC, PUBLIC_6, REBINDING
from tests.services.notifications.village import Receiver

SCRIPT = Path(__file__).with_name("in_a_namespace.py")
ROOT = SCRIPT.parents[3]


@cache
def outcome() -> Any:
    """Make every attempt once, in a namespace of its own."""
    rights = [] if os.geteuid() == 0 else ["--map-root-user"]
    ran = subprocess.run(
        ["unshare", *rights, "--net", "--mount", sys.executable, str(SCRIPT)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert ran.returncode == 0, (
        "This test needs a network namespace (unshare --net --mount, by root or with user namespaces allowed): "
        + ran.stderr[-2_000:]
    )
    return json.loads(ran.stdout)


@pytest.mark.timeout(300)
def test_sixty_spellings_and_lying_names_reach_nothing() -> None:
    found = outcome()
    assert found["control"] == [PUBLIC, PUBLIC_6]  # the traps work, and public addresses are let through
    assert found["spellings"] >= 60
    assert set(found["reached"]) <= {PUBLIC}  # a name that was public just then
    for host in (*HOSTS, *NAMES, CHAIN):
        assert None not in found["errors"][host], host
    for name in (*NAMES, CHAIN):
        assert found["errors"][name] == ["forbidden_target"], name
    flips = found["errors"][REBINDING]
    assert set(flips) <= {None, "forbidden_target"}
    assert "forbidden_target" in flips


def test_what_can_be_seen_in_the_text_of_an_address_is_refused_when_it_is_saved() -> None:
    reach = Reach(http=True, ports=frozenset({8443}))
    accepted = [host for host in HOSTS if reach.refusal_of_url(f"http://{host}:8443/") is None]
    assert accepted == []
    for url, rule in (
        ("https://user:secret@hooks.example.org/", "webhook-userinfo"),
        ("https://hooks.example.org/#part", "webhook-fragment"),
        ("https://hooks.example.org:22/", "webhook-port"),
        ("http://hooks.example.org/", "webhook-https"),
        ("ftp://hooks.example.org/", "webhook-https"),
        ("https:///nowhere", "webhook-url"),
        ("https://comity.example/", "webhook-own-host"),
    ):
        refusal = Reach(own_hosts=frozenset({"comity.example"})).refusal_of_url(url)
        assert refusal is not None, url
        assert refusal[0] == rule
    assert Reach().refusal_of_url("https://hooks.example.org/comity?tenant=7") is None


def test_an_exception_is_a_setting_and_lets_through_what_it_names_alone() -> None:
    some = Reach.of(http=False, public=True, ports="443", networks="10.1.0.0/16, fd00::/8", own_hosts=())
    assert some.refusal_of_address("10.1.2.3") is None
    assert some.refusal_of_address("fd00::1") is None
    assert some.refusal_of_address("8.8.8.8") is None
    for address in ("10.2.0.1", "127.0.0.1", "::ffff:10.1.2.3", "169.254.169.254"):
        assert some.refusal_of_address(address) is not None
    own = ("comity.example", "10.1.0.7", "10.2.0.7", "localhost")
    beside = Reach.of(http=False, public=True, ports="443", networks="10.1.0.0/16", own_hosts=own)
    refusals = {host: beside.refusal_of_url(f"https://{host}/") for host in own}
    assert refusals.pop("10.1.0.7") is None  # the one that a named network holds
    assert {host: one and one[0] for host, one in refusals.items()} == dict.fromkeys(
        refusals, "webhook-own-host"
    )
    closed = Reach.of(http=False, public=False, ports="443", networks="127.0.0.0/8", own_hosts=())
    assert closed.refusal_of_address("127.0.0.1") is None
    assert closed.refusal_of_address("8.8.8.8") is not None
    assert closed.refusal_of_url("https://hooks.example.org/") is not None


async def test_a_proxy_of_the_environment_is_not_asked(
    hall: Hall, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would look addresses up and connect where the guard does not see it."""
    asked: list[bytes] = []

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.close()

    async with await asyncio.start_server(met, "127.0.0.1", 0) as proxy:
        address = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, address)
            monkeypatch.setenv(name.upper(), address)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        endpoint = await hall.endpoint(receiver)
        assert (await hall.call("GET", f"/v1/endpoints/{endpoint}"))["state"] == "active"
        assert asked == []
        async with ClientSession(trust_env=True) as trusting:  # the trap works
            with pytest.raises(ClientError):
                await trusting.post(receiver.url)
        assert len(asked) == 1
