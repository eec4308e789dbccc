"""Every kind of message that the worker sends is what its released schema and the OpenAPI document say."""

import json
from datetime import datetime, timedelta
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator

from schemas import releases
from schemas.webhooks.notifications import MODELS, NEWS, RULES, Rule
from services.catalogue import SERVICES
from services.chassis.settings import load_settings
from services.chassis.web.application import merged_openapi
from services.chassis.web.openapi import older_dialect
from services.notifications import SERVICE
from services.notifications.mail.letters import LANGUAGES, words_of
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import crossing
from tests.services.notifications.test_schedule import send_test
from tests.services.notifications.village import Receiver, receiving


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(merged_openapi(tuple(SERVICES.values()), load_settings())))
    return found


def faults_of(document: dict[str, Any], event: dict[str, Any]) -> list[str]:
    """What keeps a message from being what was published: the whole of it, and its data, which has no field more."""
    kind = event["type"]
    content = document["webhooks"][kind]["post"]["requestBody"]["content"]["application/cloudevents+json"]
    whole = {**content["schema"], "components": document["components"]}
    found = [
        *Draft202012Validator(whole, format_checker=FormatChecker()).iter_errors(event),
        *Draft202012Validator(releases.released(kind, releases.LATEST[kind])).iter_errors(event["data"]),
    ]
    MODELS[kind].model_validate_json(json.dumps(event["data"]), strict=True, extra="forbid")
    unknown = event.keys() - document["components"]["schemas"]["WebhookEvent"]["properties"].keys()
    return [error.message for error in found] + [f"unknown: {name}" for name in unknown]


async def one_life(hall: Hall, receiver: Receiver, language: str) -> None:
    """A project from its first list to its end, and another that is withdrawn, told to an endpoint."""
    endpoint = await hall.endpoint(receiver)
    await hall.subscribe(channel="webhook", endpoint=endpoint, language=language)
    ada = await hall.member("Ada")
    first = await hall.open_project(deadline="2026-12-20", flagship=uuid_of("flagship"))
    second = await hall.open_project("second")
    await hall.rank(first, 1, {ada: "good"})
    await hall.rank(second, 1, {ada: "good"})
    await hall.settle()
    await hall.rank(first, 2, {ada: "strong"})
    await hall.settle()
    await hall.open_project(deadline="2026-12-20", flagship=uuid_of("flagship"), countries=["KEN", "TZA"])
    await hall.rank(first, 3, {}, above=1, reasons=("project",))
    await hall.settle()
    hall.clock.moment = datetime.fromisoformat("2026-12-16T12:00:00+00:00")
    await hall.remind()
    await hall.open_project("second", state="withdrawn")
    await hall.settle()
    await hall.rank(first, 4, {}, lost=[ada])
    await hall.settle()
    await hall.rank(first, 5, {ada: "good"})
    await hall.settle()
    await hall.open_project(state="closed")
    await hall.settle()


async def trouble(hall: Hall, receiver: Receiver) -> None:
    """An endpoint that fails until it is given up, while another one hears of it."""
    async with receiving() as failing:
        endpoint = await hall.endpoint(failing)
        await send_test(hall, endpoint)
        await hall.dispatch()
        receiver.taken += failing.taken
        failing.status = 503
        begun = hall.clock.moment
        while hall.clock.moment < begun + timedelta(days=7):
            if not await hall.until_due():
                hall.clock.moment += timedelta(hours=6)
                if (await hall.call("GET", f"/v1/endpoints/{endpoint}"))["state"] != "active":
                    return
                await send_test(hall, endpoint)


async def test_whatever_the_worker_sends_is_what_was_published(
    hall: Hall, receiver: Receiver, document: dict[str, Any]
) -> None:
    await one_life(hall, receiver, "en")
    await trouble(hall, receiver)
    events = [json.loads(body) for _, body in receiver.taken]
    assert {one["type"] for one in events} == MODELS.keys()  # each kind came, and no other
    for headers, body in receiver.taken:
        event = json.loads(body)
        assert faults_of(document, event) == []
        assert headers["Content-Type"] == "application/cloudevents+json"
        for parameter in document["webhooks"][event["type"]]["post"]["parameters"]:
            assert headers[parameter["name"]]
        assert headers["webhook-id"] == event["id"]
        assert event["dataschema"] == releases.released(event["type"], 1)["$id"]
    told = next(one for one in events if one["type"] == NEWS[0])
    assert told["data"].keys() == json.loads(releases.sample(NEWS[0], 1)).keys()


@pytest.mark.parametrize("language", LANGUAGES)
async def test_news_is_what_was_published_in_every_language(
    hall: Hall, receiver: Receiver, document: dict[str, Any], language: str
) -> None:
    await hall.subscribe(channel="webhook", endpoint=await hall.endpoint(receiver), language=language)
    await crossing(hall)
    [event] = receiver.events()
    assert faults_of(document, event) == []


def test_the_document_names_every_message_with_an_example_that_fits(document: dict[str, Any]) -> None:
    assert document["webhooks"].keys() == MODELS.keys()
    for kind, path in document["webhooks"].items():
        operation = path["post"]
        [content] = operation["requestBody"]["content"].values()
        assert content["example"]["type"] == kind
        assert faults_of(document, content["example"]) == []
        assert content["example"]["data"] == json.loads(releases.sample(kind, releases.LATEST[kind]))
        wrong = content["example"] | {"type": "org.comity.something.else.v1"}
        whole = {**content["schema"], "components": document["components"]}
        assert not Draft202012Validator(whole).is_valid(wrong)
        assert not Draft202012Validator(whole).is_valid(content["example"] | {"data": {}})
    ids = [path["post"]["operationId"] for path in document["webhooks"].values()]
    known = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(set(ids) | set(known)) == len(ids) + len(known)
    OpenAPIV31SpecValidator(document).validate()


def test_the_document_names_every_rule_of_a_type_and_a_mail_has_a_sentence_for_it(
    document: dict[str, Any],
) -> None:
    assert RULES.keys() == set(NEWS)
    assert {code for codes in RULES.values() for code in codes} == set(get_args(Rule))
    for kind, codes in RULES.items():
        described = document["webhooks"][kind]["post"]["description"]
        assert {code for code in get_args(Rule) if f"`{code}`" in described} == set(codes)
    for language in LANGUAGES:
        assert words_of(language)["rules"].keys() == set(get_args(Rule)), language


def test_a_process_that_sends_no_webhooks_names_none_and_the_older_dialect_has_none(
    document: dict[str, Any],
) -> None:
    others = tuple(service for service in SERVICES.values() if service is not SERVICE)
    assert "webhooks" not in merged_openapi(others, load_settings())
    assert "webhooks" not in older_dialect(document)
    names = merged_openapi(others, load_settings())["components"]["schemas"].keys()
    assert not [
        name for name in names if name.startswith("Webhook")
    ]  # nor does one of ours replace another's
