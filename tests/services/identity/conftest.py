"""The identity service on real SQLite files, its tokens verified by its own published keys."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from migrations.running import migrate_owners
from services.chassis.identity.verification import Verifier
from services.chassis.lifecycle import open_runtimes
from services.chassis.runtime import Runtime
from services.chassis.settings import load_settings
from services.chassis.web.application import build_application
from services.identity import SERVICE
from services.identity.commands import ensure_first_admin
from services.identity.commands.tokens import key_set


@dataclass
class Desk:
    runtime: Runtime
    http: httpx2.AsyncClient
    admin: tuple[str, str]
    admins_token: str | None = None

    async def ask(self, client_id: str, secret: str, **fields: str) -> httpx2.Response:
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret} | fields
        return await self.http.post("/v1/tokens", data=form)

    async def token(self, client_id: str, secret: str) -> str:
        answer = await self.ask(client_id, secret)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    async def as_admin(self) -> dict[str, str]:
        self.admins_token = self.admins_token or await self.token(*self.admin)
        return {"Authorization": f"Bearer {self.admins_token}"}

    async def client(self, *roles: str, **more: Any) -> dict[str, Any]:
        body = {"name": "A program", "roles": list(roles)} | more
        answer = await self.http.post("/v1/clients", json=body, headers=await self.as_admin())
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def as_client(self, *roles: str, **more: Any) -> dict[str, str]:
        made = await self.client(*roles, **more)
        return {"Authorization": f"Bearer {await self.token(made['id'], made['secret'])}"}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    settings = load_settings(data_folder=tmp_path)
    await migrate_owners(settings, ("identity", "log"))
    async with open_runtimes(settings, [SERVICE]) as (runtime,):

        async def keys() -> dict[str, Any]:
            return await key_set(runtime)

        verifier = Verifier(keys, issuer=settings.issuer, audience=settings.identity.audience)
        transport = httpx2.ASGITransport(app=build_application(runtime, verifier=verifier))
        async with httpx2.AsyncClient(transport=transport, base_url="http://comity.test") as http:
            first = await ensure_first_admin(runtime)
            assert first is not None
            yield Desk(runtime, http, first)
