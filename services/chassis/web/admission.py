"""What happens before any route: who asks, may they ask at all, and how often do they.

A token that is sent is always verified, on public routes too. Without one, only routes marked PUBLIC answer; so a route
that forgets to say who may use it is closed. Requests are counted per principal, or per address of the client.
"""

from collections.abc import Mapping
from typing import Any, cast

from fastapi import Request
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from services.chassis.identity.principal import ANONYMOUS, Principal
from services.chassis.identity.verification import TokenRefused, Verifier
from services.chassis.runtime import Clock
from services.chassis.settings import Http
from services.chassis.web.problems import TokenProblem, TooManyRequests, Unauthenticated


class RateLimits:
    """Counts requests in this process, in windows of one minute. A limit of 0 counts nothing."""

    def __init__(self, http: Http, clock: Clock) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._clock = clock
        self._per_minute = {
            "principal": http.requests_per_minute,
            "address": http.anonymous_requests_per_minute,
            "tokens": http.token_requests_per_minute,
        }

    async def count(self, policy: str, key: str, *, headers: dict[str, str]) -> None:
        """Count one request and add the RateLimit fields to `headers`. Raises TooManyRequests beyond the limit."""
        amount = self._per_minute[policy]
        if amount == 0:
            return
        item = RateLimitItemPerMinute(amount)
        allowed = await self._limiter.hit(item, policy, key)
        window = await self._limiter.get_window_stats(item, policy, key)
        seconds = max(1, round(window.reset_time - self._clock.now().timestamp()))
        headers["RateLimit-Policy"] = f'"{policy}";q={amount};w=60'
        headers["RateLimit"] = f'"{policy}";r={max(0, window.remaining)};t={seconds}'
        if not allowed:
            raise TooManyRequests(
                f"The limit is {amount} requests a minute.", headers={"Retry-After": str(seconds)}
            )


async def admit(request: Request) -> None:
    """Find out who asks, count the request, and let it through or not. The principal is then in `request.state`."""
    application = request.app.state
    limits = cast("RateLimits", application.rate_limits)
    address = request.client.host if request.client else "unknown"
    answer_headers: dict[str, str] = request.state.answer_headers
    try:
        principal = await _principal(request, application.verifier)
    except (TokenRefused, TokenProblem):
        await limits.count("address", address, headers=answer_headers)
        raise
    request.state.principal = principal
    if principal.is_anonymous:
        await limits.count("address", address, headers=answer_headers)
        if not _is_public(request):
            raise Unauthenticated
    else:
        await limits.count("principal", principal.id, headers=answer_headers)


async def _principal(request: Request, verifier: Verifier) -> Principal:
    header = request.headers.get("authorization")
    if header is None or _needs_no_token(request):
        return ANONYMOUS
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenProblem("Send the token as `Authorization: Bearer <token>`.")
    return await verifier.verify(token.strip())


def _security(request: Request) -> list[Mapping[str, Any]] | None:
    extra = getattr(request.scope.get("route"), "openapi_extra", None) or {}
    return cast("list[Mapping[str, Any]] | None", extra.get("security"))


def _is_public(request: Request) -> bool:
    security = _security(request)
    return security is not None and (not security or {} in security)


def _needs_no_token(request: Request) -> bool:
    """Return whether the route has its own way of telling who asks, as the token endpoint has with HTTP Basic."""
    security = _security(request)
    return bool(security) and not any("bearer" in one for one in security or ())
