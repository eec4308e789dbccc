"""What is erased leaves nothing behind: no answer of a receiver, no answer kept for a repeated request, and nothing new."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from schemas.topics import ORGANISATION_ERASED, PROJECT_ERASED
from services.notifications.consumers import absent, erase, forget
from services.notifications.mail.letters import words_of
from services.notifications.worker import digests, retention
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import ADDRESS, Sink, confirmed, crossing
from tests.services.notifications.village import Receiver

Post = tuple[Hall, Sink, Receiver]


async def erased(hall: Hall, name: str = "Ada") -> None:
    await hall.say(hall.event("members.v1", ORGANISATION_ERASED, uuid_of(name), None))


async def responses(hall: Hall) -> list[bytes]:
    rows = await hall.rows("SELECT response FROM attempts WHERE response IS NOT NULL")
    return [bytes(row["response"]) for row in rows]


async def test_what_a_receiver_repeated_goes_with_the_organisation(post: Post, receiver: Receiver) -> None:
    hall, _, other = post
    await hall.member("Ada")
    receiver.repeats = other.repeats = True
    receiver.status = other.status = 200
    await hall.endpoint(receiver)
    await hall.endpoint(other, "Bea")
    assert len(await responses(hall)) == 2
    await erased(hall)
    assert len(await responses(hall)) == 1  # Bea's


async def test_what_a_receiver_repeated_goes_with_the_project(post: Post, receiver: Receiver) -> None:
    hall, _, _ = post
    endpoint = await hall.endpoint(receiver)
    receiver.repeats, receiver.status = True, 200
    await hall.subscribe(channel="webhook", endpoint=endpoint)
    project = await crossing(hall)
    [repeated] = await responses(hall)
    assert project.encode() in repeated
    await hall.say(hall.event("projects.v1", PROJECT_ERASED, project, None))
    assert await responses(hall) == []


@pytest.mark.parametrize("status", [200, 500])
async def test_what_a_receiver_repeats_while_its_organisation_is_erased_is_not_kept(
    post: Post, receiver: Receiver, status: int
) -> None:
    hall, _, _ = post
    await hall.member("Ada")
    endpoint = await hall.endpoint(receiver)

    async def meanwhile(_body: bytes) -> None:
        await erased(hall)

    receiver.look, receiver.repeats, receiver.status = meanwhile, True, status
    await hall.call("POST", f"/v1/endpoints/{endpoint}/test", status=202)
    await hall.dispatch()
    assert len(receiver.taken) == 2
    assert await responses(hall) == []


WITHDRAWN = "org.comity.opportunity.withdrawn.v1"


async def test_who_was_told_of_a_project_that_is_erased_hears_once_that_it_is_over_and_no_word_of_it(
    post: Post, receiver: Receiver
) -> None:
    hall, _, _ = post
    await hall.subscribe(channel="webhook", endpoint=await hall.endpoint(receiver))
    await hall.subscribe("Bea", channel="feed")
    project = await crossing(hall)
    receiver.taken.clear()
    tombstone = hall.event("projects.v1", PROJECT_ERASED, project, None)
    await hall.say(tombstone)
    for rebuilding in (False, True):  # before it is told, and once it is
        await hall.say_again(rebuilding=rebuilding)
        await hall.settle()
    [event] = receiver.events()
    assert (event["type"], event["data"]["project"]) == (WITHDRAWN, project)
    why = {"rule": "project-erased", "shared_terms": [], "reasons": []}
    said = {name: event["data"][name] for name in ("title", "deadline", "flagship", "why")}
    assert said == {"title": "", "deadline": None, "flagship": None, "why": why}
    [notice] = (await hall.call("GET", "/v1/notices"))["items"]
    assert (notice["type"], notice["data"]["title"]) == (WITHDRAWN, "")
    assert (await hall.call("GET", "/v1/notices", name="Bea"))["items"] == []


@pytest.mark.parametrize("arrives", [True, False])
async def test_an_erased_project_is_named_as_ended_only_where_the_mail_that_was_out_with_it_has_arrived(
    office: tuple[Hall, Sink], arrives: bool
) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="instant")
    ada, project = await hall.member("Ada"), await hall.open_project()

    async def goes() -> str:
        sink.ask = sink.meanwhile = None
        await hall.say(hall.event("projects.v1", PROJECT_ERASED, project, None))
        await hall.herald()
        return ""

    if arrives:
        sink.meanwhile = goes
    else:
        sink.ask = goes  # before it is handed over: its content is emptied, and it never is
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    hall.clock.moment += timedelta(days=2)
    await hall.settle()
    ends = [
        words_of("en")["rules"]["project-erased"] in one.get_body(("plain",)).get_content()
        for one in sink.digests()
    ]
    assert ends == ([False, True] if arrives else [])


async def test_the_end_of_an_erased_project_is_in_the_next_mail_to_whom_a_mail_had_announced_it(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="daily")
    project = await crossing(hall)
    hall.clock.moment += timedelta(days=1)
    await hall.settle()
    await hall.open_project(state="closed")
    await hall.settle()
    await hall.say(hall.event("projects.v1", PROJECT_ERASED, project, None))
    hall.clock.moment += timedelta(days=1)
    await hall.settle()
    text = sink.digests()[1].get_body(("plain",)).get_content()
    assert f"* {project}" in text
    assert words_of("en")["rules"]["project-erased"] in text
    assert "Community networks" not in text


async def test_what_a_log_lost_the_erasure_of_is_told_too_and_asked_about_once(post: Post) -> None:
    hall, _, _ = post
    await hall.subscribe(channel="feed")
    project = await crossing(hall)
    for missing in ([f"project:{project}", f"standing:{project}/{uuid_of('Ada')}"], []):
        async with hall.runtime.database.write() as connection:
            await forget(connection)
        await hall.member("Ada")
        async with hall.runtime.database.write() as connection:
            assert await absent(connection) == missing
            await erase(connection, missing)
        await hall.settle()
        [notice] = (await hall.call("GET", "/v1/notices"))["items"]
        assert (notice["type"], notice["data"]["title"]) == (WITHDRAWN, "")


async def kept_answers(hall: Hall) -> list[bytes]:
    return [bytes(row["body"]) for row in await hall.rows("SELECT body FROM idempotency")]


async def made_with_a_key(hall: Hall, receiver: Receiver, name: str) -> Any:
    body = {"url": receiver.url, "contact_email": ADDRESS}
    return await hall.call("POST", "/v1/endpoints", body, name=name, status=201, Idempotency_Key="once")


async def test_an_answer_kept_for_a_repeated_request_goes_with_its_organisation(
    post: Post, receiver: Receiver
) -> None:
    hall, _, other = post
    await hall.member("Ada")
    await made_with_a_key(hall, receiver, "Ada")
    theirs = await hall.http.post(
        "/v1/endpoints",
        json={"url": other.url},
        headers=hall.bearer("organisation_editor", organisation=uuid_of("Bea"))
        | {"Idempotency-Key": "another"},
    )
    assert len(await kept_answers(hall)) == 2
    await erased(hall)
    [left] = await kept_answers(hall)
    assert theirs.json()["id"].encode() in left


async def test_an_answer_kept_for_a_repeated_request_goes_after_a_day(post: Post, receiver: Receiver) -> None:
    hall, _, _ = post
    await made_with_a_key(hall, receiver, "Ada")
    hall.clock.moment += timedelta(hours=24)
    await retention.step(hall.runtime)
    assert len(await kept_answers(hall)) == 1
    hall.clock.moment += timedelta(seconds=1)
    await retention.step(hall.runtime)
    assert await kept_answers(hall) == []


async def saved_nothing(hall: Hall, url: str, *, code: str, status: int) -> None:
    """Ask for all that an organisation can have saved here; nothing is."""
    project = await hall.open_project()
    mail = {"channel": "email", "email": ADDRESS, "opt_in": True}
    for method, path, body in (
        ("PUT", f"/v1/subscriptions/{uuid4()}", mail),
        ("POST", "/v1/endpoints", {"url": url, "contact_email": ADDRESS}),
        ("PUT", f"/v1/dismissals/{project}", {"reason": "other"}),
    ):
        answer = await hall.call(method, path, body, status=status)
        assert answer["code"] == code, path
    for table in ("subscriptions", "endpoints", "dismissals", "deliveries"):
        assert await hall.rows(f"SELECT * FROM {table}") == [], table  # noqa: S608 - one of the four


async def test_for_an_organisation_that_was_erased_nothing_new_is_saved(
    post: Post, receiver: Receiver
) -> None:
    hall, _, _ = post
    await hall.member("Ada")
    await erased(hall)
    await saved_nothing(hall, receiver.url, code="organisation-erased", status=410)


async def test_for_an_organisation_that_has_withdrawn_nothing_new_is_saved_until_it_is_back(
    post: Post, receiver: Receiver
) -> None:
    hall, sink, _ = post
    await hall.member("Ada", state="withdrawn")
    await saved_nothing(hall, receiver.url, code="organisation-withdrawn", status=409)
    await hall.member("Ada")
    endpoint = await hall.endpoint(receiver)
    subscription = await hall.subscribe(channel="webhook", endpoint=endpoint)
    await hall.member("Ada", state="withdrawn")
    body = {"url": receiver.url, "contact_email": ADDRESS}
    answer = await hall.call("PUT", f"/v1/endpoints/{endpoint}", body, status=409, If_Match='"*"')
    assert answer["code"] == "organisation-withdrawn"
    await hall.dispatch()
    assert sink.taken == []
    await hall.call(
        "DELETE", f"/v1/subscriptions/{subscription}", status=204, If_Match='"1"'
    )  # it can end it


@pytest.mark.parametrize("told", [True, False])
async def test_a_mail_that_no_server_took_is_made_anew_without_a_project_that_was_erased_while_it_was_out(
    office: tuple[Hall, Sink], *, told: bool
) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="daily")
    projects = [await crossing(hall, name=name) for name in ("schools", "another")]

    async def goes() -> str:
        sink.ask = None
        await hall.say(hall.event("projects.v1", PROJECT_ERASED, projects[0], None))
        if told:
            await hall.herald()
        return "451 4.3.2 later"

    sink.ask = goes
    hall.clock.moment += timedelta(days=1)
    await hall.settle()
    assert sink.ask is None
    for _ in range(2):
        hall.clock.moment += timedelta(days=1)
        await digests.step(hall.runtime)  # maybe before the end is told
        await hall.settle()
    [text] = [one.get_body(("plain",)).get_content() for one in sink.digests()]
    assert [project in text for project in projects] == [False, True]
    assert await hall.rows("SELECT id FROM notices WHERE state = 'ready'") == []
