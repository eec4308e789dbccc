"""Every line of the demo data passes the checks of the services, so that loading it never stops half way."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from schemas.http.members import OrganisationBody
from schemas.http.projects import FlagshipBody, ProjectBody
from services.chassis.reference import load_reference
from services.chassis.reference.languages import load_language_checks
from services.members.rules import faults as members
from services.projects.rules import faults as projects

DEMO = Path(__file__).parents[2] / "demo"
FILES = sorted(path.name for path in DEMO.glob("*.jsonl"))
TODAY = date(2026, 11, 24)  # a fixed day: the data must be loadable then, whatever the calendar says now
BESIDE_THE_BODY = {"id", "sources", "_flagship"}


def bodies(name: str) -> list[dict[str, Any]]:
    lines = (DEMO / name).read_text(encoding="utf-8").splitlines()
    return [
        {key: value for key, value in json.loads(line).items() if key not in BESIDE_THE_BODY}
        for line in lines
    ]


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("organisations")])
def test_every_organisation_is_accepted(name: str) -> None:
    codebook = members.Codebook(load_reference(), load_language_checks())
    for body in bodies(name):
        parsed = OrganisationBody.model_validate_json(json.dumps(body))
        assert members.body_faults(parsed, today=TODAY, codebook=codebook) == [], body["legal_name"]


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("initiatives")])
def test_every_initiative_can_be_published(name: str) -> None:
    codebook = projects.Codebook(load_reference(), load_language_checks())
    for body in bodies(name):
        parsed = ProjectBody.model_validate_json(json.dumps(body))
        found = projects.publication_faults(parsed, today=TODAY, codebook=codebook)
        assert found == [], body["titles"][0]["text"]


def test_every_flagship_can_be_declared() -> None:
    codebook = projects.Codebook(load_reference(), load_language_checks())
    lines = [line for name in FILES for line in (DEMO / name).read_text(encoding="utf-8").splitlines()]
    declared = [row["_flagship"] for row in map(json.loads, lines) if "_flagship" in row]
    assert declared
    for flagship in declared:
        body = {key: value for key, value in flagship.items() if key != "id"}
        parsed = FlagshipBody.model_validate_json(json.dumps(body))
        found = projects.flagship_faults(parsed, today=TODAY, codebook=codebook)
        assert found == [], flagship["titles"]
