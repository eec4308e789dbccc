"""Who reads the document alone can send every request: each body has an example, each condition its header."""

import re
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest
from fastapi.routing import APIRoute
from jsonschema import Draft202012Validator

from schemas.http.examples import FILE, examples
from schemas.http.glossary import glossary
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


def test_every_parameter_says_what_it_is(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for one in operation.get("parameters", ()):
                assert one.get("description"), (method, path, one["name"])
                # Generators of clients give up at a header with one value.
                assert one["in"] != "header" or "const" not in one["schema"], (method, path)


def members_of(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every member of a schema, those of the objects within it too."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).items()
        for within in schema.values():
            yield from members_of(within)
    elif isinstance(schema, list):
        for within in schema:
            yield from members_of(within)


def test_every_member_and_every_tag_says_what_it_is(document: dict[str, Any]) -> None:
    silent = {
        (model, name)
        for model, schema in document["components"]["schemas"].items()
        for name, member in members_of(schema)
        if not member.get("description")
    }
    assert silent == set()
    inline = [
        (path, name)
        for path, methods in document["paths"].items()
        for one in methods.values()
        for name, member in members_of([one.get("requestBody"), one["responses"]])
        if not member.get("description")
    ]
    assert inline == []
    operations = [
        one for part in ("paths", "webhooks") for path in document[part].values() for one in path.values()
    ]
    tags = {one["name"]: one["description"] for one in document["tags"]}
    assert tags.keys() == {tag for one in operations for tag in one["tags"]}
    assert all(tags.values())


def test_every_meaning_is_used_where_it_says(document: dict[str, Any]) -> None:
    schemas, words = document["components"]["schemas"], glossary()
    elsewhere = {
        (name, member.get("description"))
        for model, schema in schemas.items()
        for name, member in schema.get("properties", {}).items()
        if (model, name) not in words.particular
    }
    assert [(name, text) for name, text in words.members.items() if (name, text) not in elsewhere] == []
    unused = [
        (model, name)
        for (model, name), text in words.particular.items()
        if schemas.get(model, {}).get("properties", {}).get(name, {}).get("description") != text
        or text == words.members.get(name)
    ]
    assert unused == []
    assert words.tags.keys() == {one["name"] for one in document["tags"]}


def test_every_security_scheme_is_named_by_an_operation(document: dict[str, Any]) -> None:
    operations = [one for path in document["paths"].values() for one in path.values()]
    named = {scheme for one in operations for way in one["security"] for scheme in way}
    assert named == document["components"]["securitySchemes"].keys()


def test_only_types_have_a_title(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        assert not [one for one in schema.get("properties", {}).values() if "title" in one], name
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert not [one for one in operation.get("parameters", ()) if "title" in one["schema"]], path
            for answer in operation["responses"].values():
                assert not [one for one in answer.get("content", {}).values() if "title" in one["schema"]], (
                    path
                )


def test_every_answer_says_what_is_in_it(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for status in {"200", "201", "202"} & operation["responses"].keys():
                content = operation["responses"][status]["content"]
                assert all(one["schema"] for one in content.values()), (method, path, status)


def test_every_json_answer_has_an_example_that_its_schema_takes(document: dict[str, Any]) -> None:
    without, wrong, shown = set(), [], set()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for status, answer in operation["responses"].items():
                for media, content in answer.get("content", {}).items():
                    if not media.endswith("json") or not status.startswith("2"):
                        continue
                    if "example" not in content:
                        without.add((method, path))
                        continue
                    shown.add((operation["operationId"], status))
                    whole = content["schema"] | {"components": document["components"]}
                    found = Draft202012Validator(whole).iter_errors(content["example"])
                    wrong += [f"{method} {path} {status}: {error.message}" for error in found]
    assert without == {("get", "/v1/epochs/{number}/body")}
    assert wrong == []
    assert shown == set(examples())


def test_every_problem_that_can_be_answered_has_an_example_of_its_status(document: dict[str, Any]) -> None:
    components = document["components"]
    shown = set()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for status, answer in operation["responses"].items():
                if int(status) < 400:
                    continue
                found = components["responses"].get(answer.get("$ref", "").rpartition("/")[2], answer)
                for code in found["content"]["application/problem+json"]["examples"]:
                    example = components["examples"][code]["value"]
                    assert (example["code"], example["status"]) == (code, int(status)), (method, path)
                    shown.add(code)
    assert shown == set(components["examples"])
    problem = {"$ref": "#/components/schemas/Problem", "components": components}
    for example in components["examples"].values():
        Draft202012Validator(problem).validate(example["value"])


def test_the_examples_hold_no_secret_and_nothing_of_the_machine_that_recorded_them() -> None:
    text = FILE.read_text("utf-8")
    for secret in re.findall(r'"(?:secret|access_token)": "([^"]*)"', text):
        assert secret in {"comity_fictional", "whsec_fictional", "eyJfictional"}
    assert not re.search(r"/(root|tmp|Users)/|http://127", text)


STREAM = "/v1/streams/matches"


def tagged(method: str, path: str) -> bool:
    """Whether it is a read whose answer has an ETag; a stream has none."""
    return method == "get" and path != STREAM


def test_if_none_match_is_taken_where_there_is_an_etag_to_send(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            [*taken] = [one for one in operation.get("parameters", ()) if one["name"] == "If-None-Match"]
            makes = "If-Match" in str(operation.get("parameters")) and "201" in operation["responses"]
            assert len(taken) == (tagged(method, path) or makes), (method, path)
            assert ("304" in operation["responses"]) == tagged(method, path), (method, path)
            assert all((one["schema"].get("pattern") == r"^\*$") == makes for one in taken), (method, path)


def test_the_headers_that_a_client_goes_on_with_are_named(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parameters = {one["name"] for one in operation.get("parameters", ())}
            expected = {"ETag"} if tagged(method, path) or "If-Match" in parameters else set()
            expected |= {"Link"} if "cursor" in parameters else set()
            for status in {"200", "201"} & operation["responses"].keys():
                named = set(operation["responses"][status].get("headers", ()))
                assert expected <= named, (method, path)
                assert path != STREAM or not named
    made = document["paths"]["/v1/clients"]["post"]["responses"]["201"]
    assert {"ETag", "Location"} <= set(made["headers"])
    for status in (429, 503):
        assert "Retry-After" in document["components"]["responses"][f"Problem{status}"]["headers"]


def names_in(code: CodeType) -> Iterator[str]:
    """Every name that a function's code asks for, and the code of those within it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from names_in(constant)


def compares_revisions(function: Callable[..., Any], seen: set[Any]) -> bool:
    """Whether a function, or one of ours that it names, compares If-Match with a revision."""
    if not isinstance(function, FunctionType) or function in seen:
        return False
    seen.add(function)
    if not function.__module__.startswith("services."):
        return False
    names = set(names_in(function.__code__))
    known = [function.__globals__.get(name) for name in names]
    modules = [one for one in known if isinstance(one, ModuleType) and one.__name__.startswith("services.")]
    known += [getattr(module, name, None) for module in modules for name in names]
    ours = any(name.endswith("check_match") for name in names)
    return ours or any(compares_revisions(one, seen) for one in known)


def test_whatever_compares_revisions_takes_the_header_and_says_so(document: dict[str, Any]) -> None:
    routes = [
        route for service in SERVICES.values() for router in service.routers() for route in router.routes
    ]
    asking, taking, answering = set(), set(), set()
    for route in routes:
        assert isinstance(route, APIRoute)
        [method] = route.methods
        operation = document["paths"][route.path][method.lower()]
        name = f"{method} {route.path}"
        if compares_revisions(route.endpoint, set()):
            asking.add(name)
        if "If-Match" in {one["name"] for one in operation.get("parameters", ())}:
            taking.add(name)
        if {"412", "428"} & operation["responses"].keys():
            answering.add(name)
    assert len(asking) > 15
    assert taking == asking
    assert answering == asking
