"""From a service's descriptor to its ASGI application, alone or together with others on one port.

Each service is a FastAPI application of its own; together they are put behind one door that looks at the path's prefix
and hands the request on. No service can tell the difference, and none asks.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from services.chassis.identity.verification import Verifier
from services.chassis.runtime import Runtime, Service
from services.chassis.settings import Settings
from services.chassis.web import openapi
from services.chassis.web.admission import RateLimits, admit
from services.chassis.web.bodies import BodyGate
from services.chassis.web.cursors import Cursors
from services.chassis.web.edge import Edge
from services.chassis.web.house import DESCRIPTION, house_routes
from services.chassis.web.parameters import refuse_unknown_parameters
from services.chassis.web.secrets import cursor_key


def build_application(runtime: Runtime, *, verifier: Verifier | None = None, house: bool = True) -> FastAPI:
    """Return the application of one service. `house=False` leaves out the routes that a whole process has once."""
    application = _bare(runtime, title=f"Comity {runtime.service.name}", verifier=verifier)
    for router in runtime.service.routers():
        application.include_router(router)
    if house:
        application.include_router(
            house_routes({runtime.service.name: runtime}, lambda: _document([application], [runtime]))
        )
    return application


def merge_applications(
    runtimes: Sequence[Runtime], *, verifier: Verifier | None = None, routes: bool = True
) -> ASGIApp:
    """Return one ASGI application for several services in one process, with one merged OpenAPI document.

    `routes=False` serves health, metrics and the pages only, as a process without the role "api" does.
    """
    shared = verifier or Verifier.from_settings(runtimes[0].settings)
    applications = {
        runtime.service.name: build_application(runtime, verifier=shared, house=False)
        for runtime in (runtimes if routes else ())
    }
    shell = _bare(runtimes[0], title="Comity", verifier=shared)
    by_name = {runtime.service.name: runtime for runtime in runtimes}
    shell.include_router(house_routes(by_name, lambda: _document([*applications.values(), shell], runtimes)))
    return Door(
        {runtime.service: applications[runtime.service.name] for runtime in runtimes if routes},
        otherwise=shell,
    )


def merged_openapi(services: Sequence[Service], settings: Settings) -> dict[str, Any]:
    """Return the OpenAPI document that a process with these services serves; nothing has to run for it."""
    routers = [router for service in services for router in service.routers()]
    routers.append(house_routes({}, dict))
    routes = [route for router in routers for route in router.routes]
    return openapi.document(
        routes,
        title="Comity",
        description=DESCRIPTION,
        public_url=settings.address,
        webhooks=[service.webhooks() for service in services if service.webhooks is not None],
    )


class Door:
    """Hands each request to the service whose prefix its path has; the rest goes to the shell."""

    def __init__(self, applications: Mapping[Service, ASGIApp], *, otherwise: ASGIApp) -> None:
        check_disjoint(applications)
        self.applications = dict(applications)
        self.otherwise = otherwise
        self._prefixes = [
            (prefix, application)
            for service, application in applications.items()
            for prefix in service.prefixes
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] == "lifespan":
            await self.otherwise(scope, receive, send)
            return
        path: str = scope["path"]
        for prefix, application in self._prefixes:
            if path == prefix or path.startswith(f"{prefix}/"):
                await application(scope, receive, send)
                return
        await self.otherwise(scope, receive, send)


def check_disjoint(services: Iterable[Service]) -> None:
    """Raise ValueError if two services claim one path."""
    claimed = [(prefix, service.name) for service in services for prefix in service.prefixes]
    for place, (prefix, name) in enumerate(claimed):
        for other, other_name in claimed[place + 1 :]:
            if f"{prefix}/".startswith(f"{other}/") or f"{other}/".startswith(f"{prefix}/"):
                raise ValueError(
                    f"{name} claims {prefix} and {other_name} claims {other}; prefixes must be disjoint"
                )


def _bare(runtime: Runtime, *, title: str, verifier: Verifier | None) -> FastAPI:
    settings = runtime.settings
    application = FastAPI(
        title=title,
        version=openapi.VERSION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        generate_unique_id_function=_operation_id,
        dependencies=[Depends(_enter)],
        middleware=[
            Middleware(Edge, runtime=runtime),
            Middleware(
                BodyGate,
                max_bytes=settings.http.max_body_bytes,
                max_depth=settings.http.max_json_depth,
                larger=runtime.service.body_limits,
                unread=runtime.service.unread_bodies,
            ),
        ],
        exception_handlers={HTTPException: _pass_on, RequestValidationError: _pass_on},
    )
    application.state.runtime = runtime
    application.state.verifier = verifier or Verifier.from_settings(settings)
    application.state.rate_limits = RateLimits(settings.http, runtime.clock)
    application.state.cursors = Cursors(cursor_key(settings))
    application.state.keys_in_flight = set()
    application.state.declared_parameters = {}
    return application


async def _enter(request: Request) -> None:
    """Do what comes before any route; one dependency, for the framework solves each anew at every request."""
    await admit(request)
    await refuse_unknown_parameters(request)


async def _pass_on(request: Request, error: Exception) -> Response:
    """Leave the framework's own errors to the edge, which answers every error alike."""
    del request
    raise error


def _operation_id(route: APIRoute) -> str:
    return route.name


def _document(applications: Sequence[FastAPI], runtimes: Sequence[Runtime]) -> dict[str, Any]:
    routes: list[BaseRoute] = [route for application in applications for route in application.routes]
    return openapi.document(
        routes,
        title=applications[-1].title,
        description=DESCRIPTION,
        public_url=runtimes[0].settings.address,
        webhooks=[one.service.webhooks() for one in runtimes if one.service.webhooks is not None],
    )
