"""Behind the gateway the split deployment is one address, as it is for whoever runs `deploy/compose.yaml`: links lead on."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from schemas.http.projects import ProjectBody
from services.catalogue import SERVICES
from services.console.split import PROCESSES
from tests.deploy.gateway import gateway
from tests.journeys.conftest import Demo

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("journeys"), pytest.mark.timeout(900)]


@pytest.mark.kafka
@pytest.mark.postgresql
def test_what_publishing_answers_leads_to_the_candidates_by_plain_http(
    split_demo: Demo, tmp_path: Path
) -> None:
    containers = {
        process.name: split_demo.addresses[SERVICES[process.service].prefixes[0]]
        for process in PROCESSES
        if process.role in {"all", "api"}
    }
    example = ProjectBody.model_config["json_schema_extra"]["examples"][0]  # type: ignore[index, call-overload]
    body = json.dumps(
        example | {"deadline": None, "review_by": f"{datetime.now(UTC).date() + timedelta(days=90)}"}
    )
    saved = split_demo.saved()
    with gateway(tmp_path, containers) as address:
        token = httpx2.post(
            f"{address}/v1/tokens",
            data={"grant_type": "client_credentials"},
            auth=(saved["client_id"], saved["client_secret"]),
            trust_env=False,
        ).json()["access_token"]
        asking = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        project = str(uuid4())
        here = f"{address}/v1/projects/{project}"
        made = httpx2.put(here, content=body, headers=asking, trust_env=False)
        assert made.status_code == 201, made.text
        published = httpx2.post(
            f"{here}/publish", headers=asking | {"If-Match": made.headers["ETag"]}, trust_env=False
        )
        assert published.status_code == 200, published.text
        link = published.json()["links"]["candidates"]
        found = httpx2.get(
            address + link, headers=asking | {"Prefer": "wait=30"}, timeout=60.0, trust_env=False
        )
        ended = httpx2.post(  # the other journeys know the demo's own lists
            f"{here}/withdraw",
            json={"reason": "It was made to try things out."},
            headers=asking | {"If-Match": published.headers["ETag"]},
            trust_env=False,
        )
        assert ended.status_code == 200, ended.text
    assert found.status_code == 200, found.text
    assert found.json()["project"] == project
