"""The OpenAPI document says what is answered: problems everywhere, who may call, no clash when merged."""

from dataclasses import replace
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, Request, Response
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel

from services.chassis.web import openapi
from services.chassis.web.application import Door, merge_applications
from services.chassis.web.reading import respond


async def test_the_document_is_valid_and_complete(bench: Any) -> None:
    made = (await bench.client.get("/openapi.json")).json()
    OpenAPIV31SpecValidator(made).validate()
    assert made["openapi"].startswith("3.1")
    names = []
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            names.append(operation["operationId"])
            assert operation["responses"]["500"] == {"$ref": "#/components/responses/Problem500"}, path
            assert ("409" in operation["responses"]) == (method != "get"), path
            assert "security" in operation
            assert "HTTPValidationError" not in str(operation)
    assert len(names) == len(set(names))
    assert made["paths"]["/v1/notes"]["get"]["security"] == [{}, {"bearer": []}]
    assert made["paths"]["/v1/notes"]["post"]["security"] == [{"bearer": []}]
    problem = made["components"]["responses"]["Problem500"]["content"]
    assert list(problem) == ["application/problem+json"]


class Thing(BaseModel):
    size: int


def other_service(bench: Any) -> Any:
    class Thing(BaseModel):  # the same name as another service's
        colour: str

    def routers() -> tuple[APIRouter, ...]:
        routes = APIRouter(prefix="/v1/things")

        @routes.get("/{thing}", response_model=Thing)
        async def get_thing(request: Request, thing: str) -> Response:
            return respond(request, {"colour": thing})

        return (routes,)

    return replace(bench.runtime.service, name="things", prefixes=("/v1/things",), routers=routers)


async def test_several_services_are_one_application_with_one_document(bench: Any) -> None:
    def routers() -> tuple[APIRouter, ...]:
        routes = APIRouter(prefix="/v1/notes")

        @routes.get("/thing/one", response_model=Thing)
        async def get_note_thing(request: Request) -> Response:
            return respond(request, {"size": 1})

        return (*bench.runtime.service.routers(), routes)

    notes = replace(bench.runtime, service=replace(bench.runtime.service, routers=routers))
    things = replace(bench.runtime, service=other_service(bench))
    whole = merge_applications([notes, things], verifier=bench.application.state.verifier)
    transport = httpx2.ASGITransport(app=whole)
    async with httpx2.AsyncClient(transport=transport, base_url="http://comity.test") as client:
        made = (await client.get("/openapi.json")).json()
        OpenAPIV31SpecValidator(made).validate()
        assert {"/v1/notes", "/v1/things/{thing}", "/healthz"} <= set(made["paths"])
        shapes = [set(s["properties"]) for n, s in made["components"]["schemas"].items() if "Thing" in n]
        assert sorted(shapes, key=str) == [{"colour"}, {"size"}]
        blue = await client.get("/v1/things/blue", headers=bench.bearer())
        assert blue.json() == {"colour": "blue"}
        assert (await client.get("/v1/notes")).status_code == 200
        elsewhere = await client.get("/v1/thingsandmore")
        assert (elsewhere.status_code, elsewhere.json()["code"]) == (404, "not-found")
        parts = (await client.get("/progress")).json()["services"]
        assert set(parts) == {"notes", "things"}
        assert "comity_http_requests_total" in (await client.get("/metrics")).text


@pytest.mark.parametrize("second", ["/v1/notes", "/v1/notes/deep", "/v1"])
async def test_prefixes_must_be_disjoint(bench: Any, second: str) -> None:
    other = replace(bench.runtime.service, name="other", prefixes=(second,))
    with pytest.raises(ValueError, match="disjoint"):
        Door(
            {bench.runtime.service: bench.application, other: bench.application}, otherwise=bench.application
        )


async def test_a_process_without_the_role_api_answers_health_only(bench: Any) -> None:
    whole = merge_applications([bench.runtime], verifier=bench.application.state.verifier, routes=False)
    transport = httpx2.ASGITransport(app=whole)
    async with httpx2.AsyncClient(transport=transport, base_url="http://comity.test") as client:
        assert (await client.get("/healthz")).json() == {"alive": True}
        assert (await client.get("/v1/notes")).status_code == 404


async def test_the_whole_systems_document_is_valid_in_both_dialects(bench: Any) -> None:
    from openapi_spec_validator import OpenAPIV30SpecValidator

    from services.catalogue import SERVICES

    runtimes = [replace(bench.runtime, service=service) for service in SERVICES.values()]
    whole = merge_applications(runtimes, verifier=bench.application.state.verifier)
    transport = httpx2.ASGITransport(app=whole)
    async with httpx2.AsyncClient(transport=transport, base_url="http://comity.test") as client:
        made = (await client.get("/openapi.json")).json()
        OpenAPIV31SpecValidator(made).validate()
        OpenAPIV30SpecValidator((await client.get("/docs/openapi.json")).json()).validate()
    names = [operation["operationId"] for path in made["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))
    served = tuple(prefix for service in SERVICES.values() for prefix in service.prefixes)
    outside = [path for path in made["paths"] if not path.startswith(served)]
    assert sorted(outside) == ["/healthz", "/progress", "/readyz"]


def test_the_older_dialect_keeps_what_stands_beside_a_reference() -> None:
    member = {"$ref": "#/components/schemas/Thing", "description": "What it is."}
    assert openapi.older_dialect(member) == {
        "allOf": [{"$ref": "#/components/schemas/Thing"}],
        "description": "What it is.",
    }
    assert openapi.older_dialect({"$ref": "#/components/schemas/Thing"}) == {
        "$ref": "#/components/schemas/Thing"
    }
