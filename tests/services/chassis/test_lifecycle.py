"""A process: it starts whole or not at all, a crash ends it with an error, a stop finishes what is in hand."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, Request, Response
from sqlalchemy import MetaData

from migrations.running import migrate_owners
from services.chassis.lifecycle import ProcessFailed, Ready, System, run_services
from services.chassis.runtime import Loop, Role, Runtime, Service
from services.chassis.settings import Settings, load_settings
from services.chassis.web.access import PUBLIC
from services.chassis.web.reading import respond


def service(**more: Any) -> Service:
    def routers() -> tuple[APIRouter, ...]:
        routes = APIRouter(prefix="/v1/slow")

        @routes.get("/{seconds}", openapi_extra=PUBLIC)
        async def slow(request: Request, seconds: float) -> Response:
            await asyncio.sleep(seconds)
            return respond(request, {"slept": seconds})

        return (routes,)

    return replace(
        Service(
            name="slow",
            title="Slow.",
            prefixes=("/v1/slow",),
            metadata=MetaData(),
            routers=routers,
            topics=("members.v1",),
        ),
        **more,
    )


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    settings = load_settings(data_folder=tmp_path, http={"port": 0}, lifecycle={"stop_seconds": 3})
    await migrate_owners(settings, ("log",))
    return settings


def once(stop: asyncio.Event, act: Callable[[System], Any]) -> Ready:
    """Return a `ready` that acts on the running system and then asks it to stop."""

    async def ready(system: System) -> None:
        try:
            await act(system)
        finally:
            stop.set()

    return ready


async def test_a_stop_waits_for_what_is_being_announced(settings: Settings) -> None:
    said = []
    stop = asyncio.Event()

    async def ready(_system: System) -> None:
        stop.set()
        await asyncio.sleep(0.1)
        said.append("a secret that is shown once")

    await run_services(settings, [service()], ready=ready, stop=stop)
    assert said


async def test_a_failing_announcement_ends_the_process(settings: Settings) -> None:
    async def ready(_system: System) -> None:
        raise OSError("no room for the credentials")

    with pytest.raises(ProcessFailed, match="no room for the credentials"):
        await asyncio.wait_for(run_services(settings, [service()], ready=ready), 10)


async def test_it_serves_on_a_free_port_and_stops_when_asked(settings: Settings) -> None:
    seen: dict[str, Any] = {}
    stop = asyncio.Event()

    async def act(system: System) -> None:
        async with httpx2.AsyncClient(base_url=system.address, trust_env=False) as client:
            seen["alive"] = (await client.get("/healthz")).json()
            seen["public"] = (await client.get("/v1/slow/0")).json()
            seen["type"] = (await client.get("/nothing")).json()["type"]
        seen["address"] = system.address

    await run_services(settings, [service()], ready=once(stop, act), stop=stop)
    assert (seen["alive"], seen["public"]) == ({"alive": True}, {"slept": 0.0})
    assert seen["type"] == f"{seen['address']}/problems/not-found"
    assert not seen["address"].endswith(":0")


@pytest.mark.parametrize(
    ("trusted", "statuses"),
    [
        ("", [200, 200, 429, 429]),
        ("10.0.0.0/8", [200, 200, 429, 429]),
        ("127.0.0.0/8, ::1/128", [200, 200, 200, 200]),
        ("*", [200, 200, 200, 200]),
    ],
)
async def test_callers_behind_a_trusted_proxy_have_a_limit_each(
    tmp_path: Path, trusted: str, statuses: list[int]
) -> None:
    http = {"port": 0, "anonymous_requests_per_minute": 2, "trusted_proxies": trusted}
    settings = load_settings(data_folder=tmp_path, http=http)
    await migrate_owners(settings, ("log",))
    found: list[int] = []
    stop = asyncio.Event()

    async def act(system: System) -> None:
        async with httpx2.AsyncClient(base_url=system.address, trust_env=False) as client:
            for caller in ("203.0.113.1", "203.0.113.1", "203.0.113.2", "203.0.113.2"):
                answer = await client.get("/v1/slow/0", headers={"X-Forwarded-For": caller})
                found.append(answer.status_code)

    await run_services(settings, [service()], ready=once(stop, act), stop=stop)
    assert found == statuses


async def test_a_request_in_hand_is_finished_and_relays_stop_last(settings: Settings) -> None:
    order: list[str] = []
    stop = asyncio.Event()

    def loops(runtime: Runtime) -> tuple[Loop, ...]:
        async def work(stopping: asyncio.Event) -> None:
            await stopping.wait()
            order.append("worker")

        return (Loop(name="work", run=work),)

    async def act(system: System) -> None:
        async def ask() -> None:
            async with httpx2.AsyncClient(base_url=system.address, trust_env=False) as client:
                answer = await client.get("/v1/slow/0.5")
                order.append(f"answered {answer.status_code}")

        asking.append(asyncio.create_task(ask()))
        await asyncio.sleep(0.2)

    asking: list[asyncio.Task[None]] = []
    await run_services(settings, [service(loops=loops)], ready=once(stop, act), stop=stop)
    await asyncio.gather(*asking)
    assert sorted(order) == ["answered 200", "worker"]
    assert order[0] == "answered 200" or asking[0].done()


@pytest.mark.parametrize("how", ["raises", "returns"])
async def test_a_loop_that_ends_by_itself_ends_the_process_with_an_error(
    settings: Settings, how: str
) -> None:
    def loops(runtime: Runtime) -> tuple[Loop, ...]:
        async def work(stopping: asyncio.Event) -> None:
            await asyncio.sleep(0.05)
            if how == "raises":
                raise ZeroDivisionError

        return (Loop(name="the faulty loop", run=work),)

    with pytest.raises(ProcessFailed, match="the faulty loop"):
        await asyncio.wait_for(run_services(settings, [service(loops=loops)]), 10)


async def test_what_does_not_end_by_the_deadline_is_cut_off(settings: Settings) -> None:
    stop = asyncio.Event()

    def loops(runtime: Runtime) -> tuple[Loop, ...]:
        async def stubborn(stopping: asyncio.Event) -> None:
            await asyncio.sleep(600)

        return (Loop(name="stubborn", run=stubborn),)

    async def act(system: System) -> None:
        pass

    short = settings.model_copy(
        update={"lifecycle": settings.lifecycle.model_copy(update={"stop_seconds": 0.5})}
    )
    await asyncio.wait_for(run_services(short, [service(loops=loops)], ready=once(stop, act), stop=stop), 5)


@pytest.mark.parametrize(
    ("role", "runs"),
    [
        ("all", {"loops", "followers"}),
        ("api", {"followers"}),
        ("worker", {"loops", "followers"}),
        ("relay", set()),
    ],
)
async def test_a_role_runs_its_own_loops(settings: Settings, role: Any, runs: set[str]) -> None:
    ran: set[str] = set()
    stop = asyncio.Event()

    def some(kind: str) -> Callable[[Runtime], tuple[Loop, ...]]:
        async def run(stopping: asyncio.Event) -> None:
            ran.add(kind)
            await stopping.wait()

        return lambda _: (Loop(name=kind, run=run),)

    async def act(system: System) -> None:
        async with httpx2.AsyncClient(base_url=system.address, trust_env=False) as client:
            assert (await client.get("/healthz")).status_code == 200
            expected = 200 if role in {"all", "api"} else 404
            assert (await client.get("/v1/slow/0")).status_code == expected

    one = service(loops=some("loops"), followers=some("followers"))
    await run_services(settings, [one], role=role, ready=once(stop, act), stop=stop)
    assert ran == runs


async def test_a_port_in_use_is_said_so(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        http = settings.http.model_copy(update={"port": port})
        with pytest.raises(ProcessFailed, match=f"Port {port}"):
            await run_services(settings.model_copy(update={"http": http}), [service()])


async def test_readiness_names_what_is_missing_while_liveness_stays(settings: Settings) -> None:
    stop = asyncio.Event()
    seen: dict[str, Any] = {}

    async def readiness(runtime: Runtime) -> dict[str, str | None]:
        return {"index": "It is being built.", "epoch": None}

    async def act(system: System) -> None:
        from schemas.topics import TOPICS

        async with httpx2.AsyncClient(base_url=system.address, trust_env=False) as client:
            seen["before"] = await client.get("/readyz")
            await system.runtimes[0].transport.create_topics(tuple(TOPICS.values()))
            seen["after"] = await client.get("/readyz")
            seen["alive"] = await client.get("/healthz")

    await run_services(settings, [service(readiness=readiness)], ready=once(stop, act), stop=stop)
    assert seen["alive"].status_code == 200
    before, after = seen["before"].json()["parts"], seen["after"].json()["parts"]
    assert (seen["before"].status_code, before["slow.index"]) == (503, "It is being built.")
    assert before["log"] is not None
    assert after == {
        "slow.started": None,
        "slow.database": None,
        "log": None,
        "slow.index": "It is being built.",
        "slow.epoch": None,
    }


@pytest.mark.parametrize(("role", "started"), [("api", True), ("worker", True), ("relay", False)])
async def test_a_relay_only_relays_and_holds_nothing_that_answers_are_made_of(
    settings: Settings, role: Role, *, started: bool
) -> None:
    stop = asyncio.Event()
    seen: list[str] = []
    parts: dict[str, Any] = {}

    async def startup(runtime: Runtime) -> None:
        seen.append("startup")

    async def own(runtime: Runtime) -> dict[str, Any]:
        return {"index": None}

    def followers(runtime: Runtime) -> tuple[Loop, ...]:
        seen.append("followers")
        return ()

    async def act(system: System) -> None:
        async with httpx2.AsyncClient(base_url=system.address, trust_env=False) as client:
            parts["ready"] = (await client.get("/readyz")).json()["parts"]
            parts["figures"] = (await client.get("/progress")).json()["services"]["slow"]

    one = service(startup=startup, followers=followers, readiness=own, progress=own)
    await run_services(settings, [one], role=role, ready=once(stop, act), stop=stop)
    assert seen == (["startup", "followers"] if started else [])
    assert ("slow.index" in parts["ready"], "index" in parts["figures"]) == (started, started)


def test_signals_stop_a_real_process_in_good_order(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import asyncio, sys
        from functools import partial
        from migrations.running import migrate
        from services.chassis.lifecycle import run_services, run_until_signalled
        from services.chassis.settings import load_settings
        from services.identity import SERVICE
        from services.chassis.telemetry import set_up_logs
        settings = load_settings(http={"port": 0})
        set_up_logs(settings.telemetry)
        migrate(settings, ("identity", "log"))
        async def ready(system):
            print(system.address, flush=True)
        run_until_signalled(
            lambda stop: run_services(settings, [SERVICE], stop=stop, ready=ready), stop_seconds=20
        )
        print("ended", flush=True)
        """
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COMITY_")}
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(Path(__file__).resolve().parents[3])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address, process.stderr.read() if process.stderr else ""
            assert httpx2.get(f"{address}/v1/jwks", trust_env=False).json()["keys"]
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (out.strip(), process.returncode) == ("ended", 0), err


def test_a_thread_that_does_not_end_cannot_keep_a_stopping_process(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import asyncio, time
        from services.chassis import lifecycle
        lifecycle.CUT_OFF_SECONDS = 0.2
        async def main(stop):
            asyncio.get_running_loop().run_in_executor(None, time.sleep, 300)
            print("begun", flush=True)
            await stop.wait()
        lifecycle.run_until_signalled(main, stop_seconds=0.2)
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3])},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "begun"
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 1
