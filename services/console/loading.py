"""Loading the demo data through the HTTP API, and waiting until every list is complete.

What: reads the files in `demo/`, PUTs organisations and projects as any client would, publishes the projects, and waits
on the tokens that publishing returned. Why: what the demo shows went through every door that users go through. Closing
dates that have passed are moved whole years ahead, so that the demo does not expire. It must not touch a database or a
topic.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from services.console.connection import Connection, sentence_of
from services.console.exits import Exit, stop
from services.console.parents import waves
from services.console.waiting import wait_for

DEMO_FOLDER = Path(__file__).resolve().parents[2] / "demo"


def records(folder: Path, stem: str) -> Iterator[dict[str, Any]]:
    """Every line of the JSONL files whose name begins with `stem`, in the order of file names."""
    for path in sorted(folder.glob(f"{stem}*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            yield from (json.loads(line) for line in lines if line.strip())


def kept_open(initiative: Mapping[str, Any], today: date) -> dict[str, Any]:
    """Return an initiative whose deadline, day of review and end of period are not past.

    If one of them is, all three are moved ahead by the same number of years, the least that will do.
    """
    period = initiative.get("period") or {}
    closing = {name: initiative[name] for name in ("deadline", "review_by") if initiative.get(name)}
    closing |= {"end": period["end"]} if "end" in period else {}
    years = 0
    while any(_later(day, years) < today for day in closing.values()):
        years += 1
    moved = {name: _later(day, years).isoformat() for name, day in closing.items()}
    end = {"period": period | {"end": moved.pop("end")}} if "end" in moved else {}
    return {**initiative, **moved, **end}


def load(
    connection: Connection, manager: Connection, folder: Path, *, report: Callable[[str, int, int], None]
) -> None:
    """Put every organisation, flagship and project that is not there yet, publish the projects, await their lists.

    `connection` acts for an administrator; `manager` brings the projects in, and is their team from then on.
    `report(what, done, total)` is called as it goes. Organisations come parents first, because a profile that names a
    parent is refused before the parent exists. A second run finds everything there and changes nothing.
    """
    organisations = list(records(folder, "organisations"))
    today = datetime.now(UTC).date()
    initiatives = [kept_open(item, today) for item in records(folder, "initiatives")]
    tokens: list[Any] = []
    for wave in waves(
        organisations, id_of=lambda one: str(one["id"]), parent_of=lambda one: one.get("parent")
    ):
        tokens += _put_all(
            connection, "/v1/organisations", wave, lambda done, total: report("organisations", done, total)
        )
    flagships = {
        item["_flagship"]["id"]: {key: value for key, value in item["_flagship"].items() if key != "id"}
        for item in initiatives
        if item.get("_flagship")
    }
    _put_all(
        connection,
        "/v1/flagships",
        [{"id": key, **body} for key, body in flagships.items()],
        lambda done, total: report("flagships", done, total),
    )
    tokens += _put_all(
        manager,
        "/v1/projects",
        initiatives,
        lambda done, total: report("projects", done, total),
        publish=True,
    )
    wait_for(connection, tokens, report=lambda done, total: report("lists", done, total))


def _later(day: str, years: int) -> date:
    """Return the same day some years later; the 29th of February becomes the 28th."""
    then = date.fromisoformat(day)
    try:
        return then.replace(year=then.year + years)
    except ValueError:
        return then.replace(year=then.year + years, day=28)


def _put_all(
    connection: Connection,
    path: str,
    items: Sequence[dict[str, Any]],
    report: Callable[[int, int], None],
    *,
    publish: bool = False,
) -> list[Any]:
    """Put items side by side; returns the tokens of those that were written."""

    def put(item: dict[str, Any]) -> Any:
        token = None
        identifier = item["id"]
        there = connection.send("GET", f"{path}/{identifier}")
        if there.status_code == 404:
            body = {key: value for key, value in item.items() if key not in {"id", "sources", "_flagship"}}
            if item.get("_flagship"):
                body["flagship"] = item["_flagship"]["id"]
            there = connection.send("PUT", f"{path}/{identifier}", body=body)
            token = there.json().get("token") if there.status_code < 400 else None
        if there.status_code >= 400:
            stop(Exit.REFUSED, f"{path}/{identifier}: {sentence_of(there)}")
        if publish and there.json()["state"] == "draft":
            answer = connection.send(
                "POST",
                f"{path}/{identifier}/publish",
                headers={"If-Match": there.headers["ETag"], "Idempotency-Key": f"publish-{identifier}"},
            )
            if answer.status_code >= 400:
                stop(Exit.REFUSED, f"{path}/{identifier}/publish: {sentence_of(answer)}")
            token = answer.json()["token"]
        return token

    tokens = []
    with ThreadPoolExecutor(max_workers=8) as pool:
        for done, token in enumerate(pool.map(put, items), 1):
            report(done, len(items))
            if token is not None:
                tokens.append(token)
    return tokens
