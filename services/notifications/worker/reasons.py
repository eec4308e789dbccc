"""Why: asks the lists' API for the reasons of those who are to be told, and makes their notices ready.

*What.* For each cycle that waits, the rows of the organisations concerned: fit, band, confidence, shared terms. *Why by
HTTP, and now.* Reasons cost time to make, and only those of subscribers are needed; they are made when the notice is,
from the list that stands then. The service proves itself with a token of its own. *Why all at once.* The notices of a
cycle become ready in one transaction, so nobody is told before others. *Never:* pass a rank on.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2
import structlog

from services.chassis.runtime import Runtime
from services.chassis.settings import Settings
from services.chassis.web.secrets import service_secret

CLIENT = "comity:notifications"
READER = "list-reader"
FEW = 6
"""Up to so many organisations are asked for one by one; more are read from the list's pages."""
PAGE = 200
TERMS_TOLD = 5
SENTENCES_TOLD = 5

_log = structlog.get_logger(__name__)

Token = Callable[[], Awaitable[str]]


class ListsAway(Exception):  # noqa: N818 - a state of another service
    """The lists' API does not answer now; the notices wait."""


@dataclass(slots=True)
class ServiceToken:
    """The token by which this service asks others: had with its secret, kept until it is about to expire."""

    settings: Settings
    client: httpx2.AsyncClient
    now: Callable[[], float]
    _token: str = field(default="", init=False)
    _until: float = field(default=0.0, init=False)

    async def __call__(self) -> str:
        """Return a token that is good for a while. Raises httpx2.HTTPError."""
        if self.now() >= self._until:
            answer = await self.client.post(
                self.settings.tokens_url,
                data={
                    "grant_type": "client_credentials",
                    "client_id": CLIENT,
                    "client_secret": service_secret(self.settings, CLIENT),
                },
            )
            answer.raise_for_status()
            said = answer.json()
            self._token, self._until = said["access_token"], self.now() + said["expires_in"] / 2
        return self._token


@dataclass(slots=True)
class ListReader:
    """Reads rows of lists for the notices; `address` is where the API is."""

    client: httpx2.AsyncClient
    address: str
    token: Token

    async def rows(
        self, project: str, organisations: Iterable[str], *, language: str
    ) -> dict[str, dict[str, Any]]:
        """Return what a notice says of each of these organisations that stands above the floor now, in this language.

        Raises ListsAway.
        """
        wanted = set(organisations)
        try:
            asked = self._each if len(wanted) <= FEW else self._pages
            found = await asked(project, wanted, language)
        except (httpx2.HTTPError, KeyError, ValueError) as error:
            raise ListsAway(f"{type(error).__name__}: {error}") from error
        return {row["organisation"]: told(row) for row in found if row["above_floor"]}

    async def _each(self, project: str, wanted: set[str], language: str) -> list[Mapping[str, Any]]:
        found = []
        for organisation in sorted(wanted):
            row = await self._get(f"/v1/lists/{project}/candidates/{organisation}?language={language}")
            if row is not None:
                found.append(row)
        return found

    async def _pages(self, project: str, wanted: set[str], language: str) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        path: str | None = f"/v1/lists/{project}/candidates?limit={PAGE}&include=parts&language={language}"
        first = path
        while path is not None and len(found) < len(wanted):
            page = await self._get(path)
            if page is None:
                break
            rows = page["candidates"]
            found += [row for row in rows if row["organisation"] in wanted]
            below = rows and not any(row["above_floor"] for row in rows)
            path = None if below or page["next"] is None else f"{first}&cursor={page['next']}"
        return found

    async def _get(self, path: str) -> Any:
        answer = await self.client.get(
            self.address + path, headers={"Authorization": f"Bearer {await self.token()}"}
        )
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        return answer.json()


def told(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a notice says of a row: no rank, no place, nobody else."""
    return {
        "fit": row["fit"],
        "band": row["band"],
        "confidence": row["confidence"],
        "shared_terms": shared_terms(row.get("parts") or ()),
        "reasons": list(row["reasons"])[:SENTENCES_TOLD],
    }


def shared_terms(parts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the words that project and profile share, those with most points first."""
    ordered = sorted(
        (
            part
            for part in parts
            if part["component"] in {"text", "evidence"} and part.get("asked") and part["points"] > 0
        ),
        key=lambda part: (-part["points"], part["asked"]),
    )
    return list(dict.fromkeys(part["asked"] for part in ordered))[:TERMS_TOLD]


def open_reader(runtime: Runtime) -> ListReader:
    """Return the reader of this process; its client lives as long as the process does."""
    settings = runtime.settings
    client = httpx2.AsyncClient(timeout=30.0, trust_env=False)
    return ListReader(
        client=client,
        address=settings.notifications.matches_url or settings.own_address,
        token=ServiceToken(settings, client, runtime.clock.monotonic),
    )
