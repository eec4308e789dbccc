"""Promise 10: every list says that it is a suggestion; no emblem, no personal data in events."""

import csv
import io
import json
from zipfile import ZipFile

import pytest

from schemas.http.suggestion import SUGGESTION
from tests.services.matches.town import Town, uuid_of


async def test_every_answer_about_a_list_says_that_it_is_a_suggestion(town: Town) -> None:
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    own = town.bearer("organisation_reader", organisation=uuid_of("Ada"))
    for path, who in (
        (f"/v1/lists/{project}/candidates", "bdt_admin"),
        (f"/v1/lists/{project}/candidates", own),
        (f"/v1/lists/{project}/candidates/{uuid_of('Ada')}", own),
        (f"/v1/lists/{project}/coverage", "bdt_admin"),
        (f"/v1/lists/{project}/versions/1", "bdt_admin"),
        ("/v1/opportunities", own),
        ("/v1/exposure", "nobody"),
        (f"/v1/exposure/organisations/{uuid_of('Ada')}", own),
        ("/v1/ranking-statement", "nobody"),
    ):
        said = (await town.get(path, who=who))["statement"]
        assert "suggestion" in said, path
        for word in ("not an endorsement", "not a procurement", "not a contract"):
            assert word in said, path


@pytest.mark.parametrize(
    ("language", "suggestion", "endorsement"),
    [
        ("ar", "اقتراح", "تأييد"),
        ("en", "suggestion", "endorsement"),
        ("es", "sugerencia", "aval"),
        ("fr", "suggestion", "approbation"),
        ("ru", "предложение", "одобрение"),
        ("zh", "建议", "认可"),
    ],
)
async def test_what_is_told_in_a_language_says_so_in_that_language(
    town: Town, language: str, suggestion: str, endorsement: str
) -> None:
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    own = town.bearer("organisation_reader", organisation=uuid_of("Ada"))
    told = set()
    for path, who in (
        (f"/v1/lists/{project}/candidates", "bdt_admin"),
        (f"/v1/lists/{project}/candidates?eligibility=excluded", "bdt_admin"),
        (f"/v1/lists/{project}/candidates", own),
        (f"/v1/lists/{project}/candidates/{uuid_of('Ada')}", own),
        ("/v1/opportunities", own),
    ):
        answer = await town.call("GET", path, who=who, **{"Accept-Language": language})
        assert answer.headers["Content-Language"] == language
        told.add(answer.json()["statement"])
    (said,) = told
    assert suggestion in said
    assert endorsement in said
    assert (said == SUGGESTION) == (language == "en")


@pytest.mark.parametrize("form", ["csv", "jsonl", "xlsx"])
async def test_every_exported_list_says_that_it_is_a_suggestion(town: Town, form: str) -> None:
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    own = town.bearer("organisation_reader", organisation=uuid_of("Ada"))
    for who in ("bdt_admin", own):
        answer = await town.call("GET", f"/v1/exports/lists/{project}.{form}", who=who)
        assert answer.status_code == 200
        if form == "csv":
            rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
            assert [row["statement"] for row in rows] == ["suggestion, not an endorsement"]
        elif form == "jsonl":
            rows = [json.loads(line) for line in answer.content.splitlines()]
            assert [row["statement"] for row in rows] == ["suggestion, not an endorsement"]
        else:
            with ZipFile(io.BytesIO(answer.content)) as parts:
                assert any(SUGGESTION.encode() in parts.read(name) for name in parts.namelist())


async def test_the_feed_leads_to_what_says_that_a_list_is_a_suggestion(town: Town) -> None:
    await town.organisation("Ada")
    await town.published("schools")
    await town.settle()
    for path in ("/v1/feeds/matches", "/v1/feeds/matches/current"):
        answer = await town.call("GET", path)
        assert answer.json()
        said = await town.get(answer.links["describedby"]["url"], who="nobody")
        assert said["statement"] == SUGGESTION


async def test_no_person_is_in_any_event(town: Town) -> None:
    await town.organisation("Ada", contact={"name": "Wanjiru Achieng", "email": "wanjiru@example.org"})
    project = await town.published("schools")
    await town.settle()
    await town.step(project, "close", body={"reason": "Found."})
    await town.settle()
    for topic in ("projects.v1", "members.v1", "standings.v1", "matches.v1", "epochs.v1"):
        records = await town.records(topic)
        assert records
        for record in records:
            content = (record.value or b"") + b"".join(value for _, value in record.headers)
            assert b"Wanjiru" not in content
            assert b"@example.org" not in content


async def test_no_page_shows_an_emblem(town: Town) -> None:
    for path in ("/", "/docs", "/problems"):
        answer = await town.call("GET", path, who="nobody", Accept="text/html")
        assert answer.status_code == 200
        assert b"<img" not in answer.content
        assert b"logo" not in answer.content.lower()
