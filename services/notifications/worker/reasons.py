"""Why: asks the lists' API for the reasons of those who are to be told, and makes their notices ready.

*What.* For each cycle that waits, the rows of the organisations concerned: fit, band, confidence, shared terms. *Why by
HTTP, and now.* Reasons cost time to make, and only those of subscribers are needed; they are made when the notice is,
from the list that stands then. The service proves itself with a token of its own. *Why all at once.* The notices of a
cycle become ready in one transaction, so nobody is told before others. *Never:* pass a rank on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2
import orjson

from schemas.http.reasons import MOST_ASKED
from services.chassis.runtime import Runtime
from services.chassis.settings import Settings
from services.chassis.web.secrets import service_secret

CLIENT = "comity:notifications"
READER = "list-reader"
SENTENCES_TOLD = 5
ANSWERED_WITHIN = 30.0
"""Seconds that one question may take from its first byte to the last of its answer: everybody's news waits meanwhile."""
MOST_BYTES = 32_000_000
"""Of one answer; the reasons of as many as are asked for at once, in every language, are a tenth of it."""

Token = Callable[[], Awaitable[str]]
Asked = Mapping[str, Collection[str]]
"""The languages that each organisation is to be told in."""
Rows = dict[tuple[str, str], Mapping[str, Any]]
"""What a notice says, by language and organisation."""


class ListsAway(Exception):  # noqa: N818 - a state of another service
    """The lists' API does not say now what was asked; the notices wait."""


class NoAnswer(ListsAway):
    """It says nothing at all, and whoever asks next may wait as long."""


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
    seconds: float = ANSWERED_WITHIN
    most_bytes: int = MOST_BYTES

    async def rows(self, project: str, asked: Asked) -> Rows:
        """Return what a notice says, by language and organisation, of each that stands above the floor or that a rule leaves out now.

        Raises ListsAway, NoAnswer.
        """
        alike: dict[frozenset[str], list[str]] = {}
        for organisation, languages in sorted(asked.items()):
            alike.setdefault(frozenset(languages), []).append(organisation)
        found: Rows = {}
        try:
            for languages, organisations in alike.items():
                for start in range(0, len(organisations), MOST_ASKED):
                    answer = await self._ask(project, organisations[start : start + MOST_ASKED], languages)
                    for row in answer.get("told", ()):
                        for language, said in row["said"].items():
                            found[language, row["organisation"]] = told(row, said)
                    for row in answer.get("excluded", ()):
                        for language, sentences in row["said"].items():
                            found[language, row["organisation"]] = left_out(sentences)
        except (httpx2.TransportError, TimeoutError) as error:
            raise NoAnswer(f"{type(error).__name__}: {error}") from error
        except (httpx2.HTTPError, KeyError, ValueError) as error:
            raise ListsAway(f"{type(error).__name__}: {error}") from error
        return found

    async def _ask(
        self, project: str, organisations: Sequence[str], languages: Iterable[str]
    ) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        body = {"organisations": organisations, "languages": sorted(languages)}
        read = bytearray()
        async with (
            asyncio.timeout(self.seconds),  # the client's own is from one byte to the next
            self.client.stream(
                "POST",
                f"{self.address}/v1/lists/{project}/reasons",
                json=body,
                headers={"Authorization": f"Bearer {await self.token()}"},
            ) as answer,
        ):
            if answer.status_code == 404:
                return {}
            answer.raise_for_status()
            async for piece in answer.aiter_bytes():
                read += piece
                if len(read) > self.most_bytes:
                    raise ListsAway(f"The answer is longer than {self.most_bytes:,} bytes.")
        rows: Mapping[str, Sequence[Mapping[str, Any]]] = orjson.loads(read)
        return rows


def told(row: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a notice says of a row in one language: no rank, no place, nobody else."""
    return {
        "fit": row["fit"],
        "band": row["band"],
        "confidence": row["confidence"],
        "shared_terms": list(said["shared_terms"]),
        "reasons": list(said["reasons"])[:SENTENCES_TOLD],
    }


def left_out(sentences: Sequence[str]) -> dict[str, Any]:
    """Return what a notice says in one language of a pair that hard rules leave out: the rules, and no fit."""
    return {
        "fit": None,
        "band": None,
        "confidence": None,
        "reasons": list(sentences)[:SENTENCES_TOLD],
    }


def open_reader(runtime: Runtime) -> ListReader:
    """Return the reader of this process; its client lives as long as the process does."""
    settings = runtime.settings
    client = httpx2.AsyncClient(timeout=ANSWERED_WITHIN, trust_env=False)
    return ListReader(
        client=client,
        address=settings.notifications.matches_url or settings.own_address,
        token=ServiceToken(settings, client, runtime.clock.monotonic),
    )
