"""The commands without HTTP, on a transaction that the caller shares."""

import json
from typing import Any
from uuid import uuid4

import pytest

from schemas.http.projects import ClosingBody, ProjectBody
from services.chassis.identity.principal import Principal
from services.chassis.web.conditions import Conditions
from services.chassis.web.operation import Unit
from services.chassis.web.problems import InvalidBody, StaleRevision
from services.projects.commands.lifecycle import close_project, publish_project
from services.projects.commands.writing import put_project
from services.projects.routes import routers
from services.projects.rules.problems import DuplicateExternalId

EDITOR = Principal("importer", frozenset({"public", "bdt_editor"}))


def unit_of(bench: Any, connection: Any, *, if_match: str | None = None) -> Unit:
    return Unit(
        connection=connection,
        principal=EDITOR,
        runtime=bench.runtime,
        now=bench.clock.now(),
        conditions=Conditions(if_match, None),
        request_id="test",
    )


async def test_many_projects_are_written_in_one_transaction(bench: Any, body: Any) -> None:
    ids = [str(uuid4()) for _ in range(5)]
    async with bench.runtime.database.write() as connection:
        for project_id in ids:
            parsed = ProjectBody.model_validate(body(provenance={"constants": ["needs"]}))
            await put_project(unit_of(bench, connection), project_id=project_id, body=parsed)
            answer = await publish_project(unit_of(bench, connection, if_match='"1"'), project_id=project_id)
            assert answer.revision == 2
            assert answer.body is not None
            assert answer.body["token"]["sequence"] == "1.2"
    events = await bench.events()
    assert len(events) == 10
    assert events[1]["data"]["provenance"] == {"constants": ["needs"]}, (
        "provenance stays with the revision it is of"
    )
    assert len(await bench.rows("SELECT * FROM audit")) == 10


async def test_a_project_written_by_hand_has_no_constants_any_more(bench: Any, body: Any) -> None:
    project_id = str(uuid4())
    async with bench.runtime.database.write() as connection:
        parsed = ProjectBody.model_validate(body(provenance={"constants": ["level", "needs"]}))
        await put_project(unit_of(bench, connection), project_id=project_id, body=parsed)
    shown = (await bench.call("GET", f"/v1/projects/{project_id}")).json()
    assert shown["provenance"] == {"constants": ["level", "needs"]}
    await bench.call("PUT", f"/v1/projects/{project_id}", body(), If_Match='"1"')
    assert (await bench.call("GET", f"/v1/projects/{project_id}")).json()["provenance"] == {"constants": []}


async def test_a_refused_command_leaves_nothing_when_its_transaction_goes(bench: Any, body: Any) -> None:
    ids = [{"scheme": "cordis", "value": "7"}]
    parsed = ProjectBody.model_validate(body(external_ids=ids))

    async def twice() -> None:
        async with bench.runtime.database.write() as connection:
            for _ in range(2):
                await put_project(unit_of(bench, connection), project_id=str(uuid4()), body=parsed)

    with pytest.raises(DuplicateExternalId):
        await twice()
    assert await bench.rows("SELECT * FROM projects") == []
    assert await bench.events() == []


async def test_the_commands_check_what_the_api_checks(bench: Any, body: Any) -> None:
    project_id = str(uuid4())
    async with bench.runtime.database.write() as connection:
        parsed = ProjectBody.model_validate(body(countries=["EL"]))
        with pytest.raises(InvalidBody) as refused:
            await put_project(unit_of(bench, connection), project_id=project_id, body=parsed)
        assert "GRC" in refused.value.errors[0]["fix"]
        await put_project(
            unit_of(bench, connection), project_id=project_id, body=ProjectBody.model_validate(body())
        )
        with pytest.raises(StaleRevision):
            await close_project(
                unit_of(bench, connection, if_match='"7"'),
                project_id=project_id,
                body=ClosingBody(reason="No more."),
            )


async def test_every_operation_is_documented(bench: Any) -> None:
    document = json.loads((await bench.client.get("/openapi.json")).content)
    names = [
        operation["operationId"]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if path.startswith(("/v1/projects", "/v1/flagships"))
    ]
    assert len(names) == len(set(names)) == 15
    for path, operations in document["paths"].items():
        if not path.startswith(("/v1/projects", "/v1/flagships")):
            continue
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            assert operation["description"], (method, path)
    put = document["paths"]["/v1/projects/{project_id}"]["put"]
    assert {"200", "201", "409", "410", "412", "413", "422", "428"} <= set(put["responses"])
    assert document["components"]["schemas"]["ProjectBody"]["examples"]
    assert len(routers()) == 5
