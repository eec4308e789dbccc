"""Released schemas are frozen; models, samples and the AsyncAPI snapshot agree with them."""

import json
import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from schemas import asyncapi, releases
from schemas.envelope import schema_name

ROOT = Path(__file__).parents[2]


def test_released_schemas_never_change_and_models_meet_them():
    assert releases.faults() == []


@pytest.mark.parametrize(
    ("kind", "number"),
    [(kind, n + 1) for kind, latest in sorted(releases.LATEST.items()) for n in range(latest)],
)
def test_every_sample_meets_its_released_schema(kind, number):
    schema = releases.released(kind, number)
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(json.loads(releases.sample(kind, number)))
    assert schema["$id"] == schema_name(kind, number)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(releases.FOLDER, tmp_path / "released"))


def test_a_changed_release_is_found(copy):
    path = copy / "org.comity.day.opened.v1" / "1.json"
    path.write_text(path.read_text() + "\n")
    assert releases.faults(copy) == ["org.comity.day.opened.v1/1.json was changed after its release"]


def test_a_removed_release_is_found(copy):
    (copy / "org.comity.day.opened.v1" / "1.json").unlink()
    assert releases.faults(copy) == ["org.comity.day.opened.v1/1.json is in the manifest but missing"]


def test_a_model_that_moved_on_without_a_release_is_found(copy):
    path = copy / "org.comity.day.opened.v1" / "1.json"
    path.write_text(path.read_text().replace('"day"', '"date"'))
    assert "the model of org.comity.day.opened.v1 is not what release 1 says" in releases.faults(copy)


def test_releasing_again_changes_nothing(copy):
    before = {path: path.read_bytes() for path in copy.rglob("*.json")}
    assert releases.release(copy) == []
    assert {path: path.read_bytes() for path in copy.rglob("*.json")} == before


def test_releasing_into_an_empty_folder_writes_every_schema(tmp_path):
    assert releases.release(tmp_path) == sorted(f"{kind}/{n}.json" for kind, n in releases.LATEST.items())


def test_the_asyncapi_snapshot_is_what_the_catalogue_generates():
    assert (ROOT / "docs" / "asyncapi.json").read_text() == releases.as_text(asyncapi.document())


def test_every_reference_in_the_asyncapi_document_leads_somewhere():
    document = asyncapi.document()

    def references(node):
        if isinstance(node, dict):
            if "$ref" in node:
                yield node["$ref"]
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    found = set(references(document))
    assert "#/components/schemas/Organisation" in found
    for reference in found:
        target = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]
