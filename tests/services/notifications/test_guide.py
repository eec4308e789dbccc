"""The receiver that the guide prints, in Python and in a shell, run as it is printed."""

import asyncio
import os
import re
import socket
import sys
from asyncio.subprocess import PIPE
from datetime import UTC, datetime
from pathlib import Path

from schemas.http.notifications import Conditions, SubscriptionBody
from schemas.webhooks.notifications import NEWS, RULES
from tests.services.notifications.hall import Hall
from tests.services.notifications.village import Receiver

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "notifications.md"


def printed_receiver(secret: str, port: int) -> str:
    """The guide's program, with a secret and a port of its own and nothing else changed."""
    [program] = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert program.count('"whsec_…"') == program.count("8090") == 1
    return str(program.replace('"whsec_…"', repr(secret)).replace("8090", str(port)))


def test_the_guide_names_every_rule_of_each_type() -> None:
    rows = re.findall(r"^\| `(org\.comity\.[^`]*)`.*\|([^|]*)\|$", GUIDE.read_text("utf-8"), re.MULTILINE)
    codes = {kind: set(re.findall(r"`([^`]*)`", named)) for kind, named in rows}
    assert {kind: codes[kind] for kind in NEWS} == {kind: set(RULES[kind]) for kind in NEWS}
    assert not any(codes[kind] for kind in codes.keys() - RULES.keys())


def test_the_printed_subscription_has_every_condition_and_is_one() -> None:
    [body] = re.findall(r"```json\n(\{\"channel.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    read = SubscriptionBody.model_validate_json(body)
    assert read.conditions.model_fields_set == set(Conditions.model_fields)
    assert read.model_fields_set >= {"language", "cadence", "quiet_hours", "time_zone"}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def listening(port: int) -> None:
    """Wait until somebody takes connections there."""
    for _ in range(600):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise AssertionError("the guide's receiver did not start")


async def test_the_printed_receiver_takes_a_ping_an_example_and_news(hall: Hall) -> None:
    hall.clock.moment = datetime.now(UTC)  # the program looks at the real clock
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    made = await hall.call("POST", "/v1/endpoints", {"url": url}, status=201)
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-u", "-c", printed_receiver(made["secret"], port), stdout=PIPE, stderr=PIPE
    )
    try:
        await listening(port)
        await hall.dispatch()
        assert (await hall.call("GET", f"/v1/endpoints/{made['id']}"))["state"] == "active"
        await hall.call("POST", f"/v1/endpoints/{made['id']}/test", status=202)
        await hall.subscribe(channel="webhook", endpoint=made["id"])
        ada, project = await hall.member("Ada"), await hall.open_project()
        await hall.rank(project, 1, {ada: "good"})
        await hall.settle()
    finally:
        program.terminate()
    said, _ = await program.communicate()
    assert [line.strip() for line in said.decode().splitlines()] == [
        "org.comity.endpoint.pinged.v1",
        "org.comity.endpoint.tested.v1",
        "org.comity.match.proposed.v1 Community networks for rural schools",
    ]
    tries = await hall.rows("SELECT outcome, status FROM attempts")
    assert {(one["outcome"], one["status"]) for one in tries} == {("delivered", 204)}


async def test_the_printed_shell_lines_come_to_the_signature(
    hall: Hall, receiver: Receiver, tmp_path: Path
) -> None:
    endpoint = await hall.endpoint(receiver)
    await hall.call("POST", f"/v1/endpoints/{endpoint}/test", status=202)
    await hall.dispatch()
    headers, body = receiver.taken[-1]
    await asyncio.to_thread((tmp_path / "body.json").write_bytes, body)
    [lines] = re.findall(r"```sh\n(key=.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    shell = await asyncio.create_subprocess_exec(
        "sh", "-c", lines, cwd=tmp_path, stdout=PIPE,
        env=os.environ | {
            "SECRET": receiver.secrets[-1].removeprefix("whsec_"),
            "WEBHOOK_ID": headers["webhook-id"],
            "WEBHOOK_TIMESTAMP": headers["webhook-timestamp"],
        },
    )  # fmt: skip
    said, _ = await shell.communicate()
    assert f"v1,{said.decode().strip()}" == headers["webhook-signature"]
