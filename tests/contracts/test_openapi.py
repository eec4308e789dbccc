"""Who reads the document alone can send every body: each has an example, which its own schema takes."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from services.catalogue import SERVICES
from services.chassis.settings import load_settings
from services.chassis.web.application import merged_openapi

A_FILE = {("post", "/v1/epochs")}
"""Its body is the file that `comity epoch build` wrote, megabytes as they stand."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return merged_openapi(tuple(SERVICES.values()), load_settings())


def test_every_body_has_an_example_that_its_schema_takes(document: dict[str, Any]) -> None:
    without, wrong = set(), []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body is None:
                continue
            name = body["schema"].get("$ref", "").rpartition("/")[2]
            schema = document["components"]["schemas"].get(name, body["schema"])
            examples = [body["example"]] if "example" in body else schema.get("examples", [])
            if not examples:
                without.add((method, path))
            whole = body["schema"] | {"components": document["components"]}
            for example in examples:
                found = Draft202012Validator(whole).iter_errors(example)
                wrong += [f"{method} {path}: {error.message}" for error in found]
    assert without == A_FILE
    assert wrong == []
