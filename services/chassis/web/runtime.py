"""The runtime behind a request.

What: where `application` put it. Why a function: a route names what it needs, and the type is known there. It must not
build one.
"""

from fastapi import Request

from services.chassis.runtime import Runtime


def runtime_in(request: Request) -> Runtime:
    """Return the runtime that this application was built on."""
    found: Runtime = request.app.state.runtime
    return found
