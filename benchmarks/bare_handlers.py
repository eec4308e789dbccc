"""The bare side of `http_vs_bare.py`: two FastAPI handlers with the work of a write and of a list page, and nothing around.

Started by that script as a process of its own on a copy of the data: `bare_handlers.py FILE`, where the file holds the body
of a write and the answers of list pages. It must not serve anybody else: it asks nobody who he is.
"""

import asyncio
import json
import sys
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from fastapi import FastAPI, Request, Response
from sqlalchemy import event, text

from schemas.http.projects import ProjectBody
from services.catalogue import SERVICES
from services.chassis.identity.principal import Principal
from services.chassis.lifecycle import open_runtimes
from services.chassis.runtime import Runtime
from services.chassis.settings import load_settings
from services.chassis.web.conditions import Conditions
from services.chassis.web.operation import Unit
from services.chassis.web.reading import encode
from services.projects.commands.writing import put_project

_NEWEST_EVENT = text("SELECT id FROM outbox ORDER BY position DESC LIMIT 1")


class UndoneError(Exception):
    """Rolls the recorded command back."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one real command did: statement, parameters and whether many sets of them; the ids in it; its answer."""

    statements: Sequence[tuple[str, Any, bool]]
    project: str
    event: str
    answer: bytes


async def record(runtime: Runtime, body: bytes) -> Recorded:
    """Run the real command once and roll it back."""
    statements: list[tuple[str, Any, bool]] = []
    project, posted, answered = str(uuid.uuid4()), "", b""

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _x: Any, many: Any) -> None:
        statements.append((statement, parameters, bool(many)))

    with suppress(UndoneError):
        async with runtime.database.write() as connection:
            event.listen(connection.sync_connection, "before_cursor_execute", note)
            unit = Unit(
                connection=connection,
                principal=Principal("bench", frozenset({"bdt_admin", "public"})),
                runtime=runtime,
                now=runtime.clock.now(),
                conditions=Conditions(None, None),
                request_id="bench",
            )
            answer = await put_project(unit, project_id=project, body=ProjectBody.model_validate_json(body))
            event.remove(connection.sync_connection, "before_cursor_execute", note)
            answered, posted = encode(answer.body or {}), str(await connection.scalar(_NEWEST_EVENT))
            raise UndoneError
    return Recorded(statements, project, posted, answered)


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """Return parameters, or an answer, with other ids in every text and every record."""
    if isinstance(value, str):
        for old, new in names.items():
            value = value.replace(old, new)
    elif isinstance(value, bytes):
        for old, new in names.items():
            value = value.replace(old.encode(), new.encode())
    elif isinstance(value, list | tuple):
        return tuple(renamed(one, names) for one in value)
    return value


async def serve(body: bytes, pages: Mapping[str, bytes]) -> None:
    """Serve the two handlers until told to stop."""
    settings, application = load_settings(), FastAPI()
    services = [SERVICES["projects"], SERVICES["matches"]]
    async with open_runtimes(settings, services, role="api") as (projects, matches):
        recorded = await record(projects, body)
        pinned = await matches.state["index"].pin()

        @application.put("/v1/projects/{project}")
        async def write(project: str, request: Request) -> Response:
            await request.body()
            names = {recorded.project: project, recorded.event: str(uuid.uuid4())}
            async with projects.database.write() as connection:
                for statement, parameters, many in recorded.statements:
                    given = renamed(parameters, names)
                    await connection.exec_driver_sql(statement, list(given) if many else given)
            answer = renamed(recorded.answer, names)
            return Response(answer, status_code=201, media_type="application/json")

        @application.get("/v1/lists/{project}/candidates")
        async def page(project: str) -> Response:
            await asyncio.to_thread(pinned.view.rank, project, pinned.day)
            return Response(pages[project], media_type="application/json")

        @application.get("/healthz")
        async def healthz() -> Response:
            return Response(b"{}", media_type="application/json")

        port = settings.http.port
        config = uvicorn.Config(application, host="127.0.0.1", port=port, log_config=None, access_log=False)
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    said = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    uvloop.run(serve(said["body"].encode(), {key: page.encode() for key, page in said["pages"].items()}))
