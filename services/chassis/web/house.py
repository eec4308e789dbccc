"""The routes that every process has, whatever it serves: health, metrics, documentation, problem pages, `/`."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from schemas.http.health import Liveness, ProcessProgress, Readiness
from services.chassis.runtime import Runtime
from services.chassis.web import health, pages
from services.chassis.web.access import PUBLIC
from services.chassis.web.openapi import older_dialect
from services.chassis.web.problems import NotFound, Unavailable
from services.chassis.web.reading import respond

DESCRIPTION = (
    "Comity matches telecom/ICT development projects with the organisations that could help to carry them out, and "
    "shows exactly why. A ranked list is a suggestion, not an endorsement."
)


def house_routes(runtimes: Mapping[str, Runtime], made: Callable[[], dict[str, Any]]) -> APIRouter:
    """Return the routes of a process in which these services run; `made` returns its OpenAPI document."""
    routes = APIRouter()
    documents: dict[str, bytes] = {}

    @routes.get("/openapi.json", include_in_schema=False, openapi_extra=PUBLIC)
    async def openapi() -> Response:
        if "3.1" not in documents:
            documents["3.1"] = orjson.dumps(made())
        return Response(documents["3.1"], media_type="application/json")

    @routes.get("/docs/openapi.json", include_in_schema=False, openapi_extra=PUBLIC)
    async def openapi_of_the_page() -> Response:
        if "3.0" not in documents:
            documents["3.0"] = orjson.dumps(older_dialect(made()))
        return Response(documents["3.0"], media_type="application/json")

    _add_health(routes, runtimes)
    _add_pages(routes, runtimes)
    return routes


def _add_health(routes: APIRouter, runtimes: Mapping[str, Runtime]) -> None:
    @routes.get(
        "/healthz",
        operation_id="get_liveness",
        summary="Whether the process is alive",
        response_model=Liveness,
        tags=["health"],
        openapi_extra=PUBLIC,
    )
    async def healthz(request: Request) -> Response:
        """Whether the process is alive; asks nothing else of anybody."""
        return respond(request, {"alive": True}, headers={"Cache-Control": "no-store"})

    @routes.get(
        "/readyz",
        operation_id="get_readiness",
        summary="Whether requests can be served now",
        response_model=Readiness,
        tags=["health"],
        openapi_extra=PUBLIC,
    )
    async def readyz(request: Request) -> Response:
        """Whether requests can be served now: each part with the reason why not, or null."""
        parts = await health.gathered_readiness(runtimes)
        faults = {part: reason for part, reason in parts.items() if reason is not None}
        if faults:
            raise Unavailable(" ".join(f"{part}: {reason}" for part, reason in faults.items()), parts=parts)
        return respond(request, {"ready": True, "parts": parts}, headers={"Cache-Control": "no-store"})

    @routes.get(
        "/progress",
        operation_id="get_progress",
        summary="What waits, and how far the work is",
        response_model=ProcessProgress,
        tags=["health"],
        openapi_extra=PUBLIC,
    )
    async def progress(request: Request) -> Response:
        """Return what waits and how far the work is, for each service of this process."""
        figures = {name: await health.progress(runtime) for name, runtime in runtimes.items()}
        return respond(request, {"services": figures}, headers={"Cache-Control": "no-store"})

    @routes.get("/metrics", include_in_schema=False, openapi_extra=PUBLIC)
    async def metrics() -> Response:
        await asyncio.gather(*(health.measure(runtime) for runtime in runtimes.values()))
        found = {id(runtime.metrics): runtime.metrics for runtime in runtimes.values()}
        text = b"".join(one.exposition() for one in found.values())
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_pages(routes: APIRouter, runtimes: Mapping[str, Runtime]) -> None:
    entries = [(name, runtime.service.title, runtime.service.prefixes) for name, runtime in runtimes.items()]

    @routes.get("/", include_in_schema=False, openapi_extra=PUBLIC)
    async def welcome(request: Request) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            return pages.welcome(entries)
        return respond(
            request,
            {
                "name": "Comity",
                "description": DESCRIPTION,
                "services": [{"name": n, "title": t, "prefixes": list(p)} for n, t, p in entries],
                "links": {
                    "documentation": "/docs",
                    "openapi": "/openapi.json",
                    "problems": "/problems",
                    "alive": "/healthz",
                    "ready": "/readyz",
                    "progress": "/progress",
                    "metrics": "/metrics",
                },
            },
        )

    @routes.get("/docs", include_in_schema=False, openapi_extra=PUBLIC)
    async def docs() -> Response:
        return pages.documentation()

    @routes.get("/docs/{name}", include_in_schema=False, openapi_extra=PUBLIC)
    async def docs_asset(name: str) -> Response:
        found = pages.asset(name)
        if found is None:
            raise NotFound
        return found

    @routes.get("/problems", include_in_schema=False, openapi_extra=PUBLIC)
    async def problems() -> Response:
        return pages.problem_list()

    @routes.get("/problems/{code}", include_in_schema=False, openapi_extra=PUBLIC)
    async def problem(code: str) -> Response:
        found = pages.problem_page(code)
        if found is None:
            raise NotFound
        return found
