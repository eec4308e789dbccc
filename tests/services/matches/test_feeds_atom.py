"""The open projects as an Atom feed: valid, readable, chosen by flagship, region and language, and harmless."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import feedparser
import pytest
from lxml import etree

from services.matches.queries import atom
from tests.services.matches.town import Town, statements, uuid_of

SCHEMA = Path(__file__).resolve().parents[2] / "data" / "atom.rng"
ADDRESS = "/v1/feeds/opportunities.atom"
NASTY = '<script>alert(1)</script> & "quotes" ]]> <!-- ﷽ \U0001f600 -->'
FRENCH = {"language": "fr", "text": "Des réseaux communautaires pour les écoles rurales et leurs maîtres"}
ENGLISH = {"language": "en", "text": "Community networks for rural schools"}


async def read(town: Town, query: str = "") -> Any:
    """Fetch the feed as nobody, hold it against the schema, and parse it as a feed reader does."""
    answer = await town.call("GET", ADDRESS + query, who="nobody")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/atom+xml")
    assert answer.headers["cache-control"] == "public, max-age=300"
    etree.RelaxNG(etree.parse(SCHEMA)).assertValid(etree.fromstring(answer.content))
    parsed = feedparser.parse(answer.content)
    assert parsed.bozo == 0, parsed.get("bozo_exception")
    assert parsed.version == "atom10"
    return parsed


def ids(parsed: Any) -> list[str]:
    return [entry.id.removeprefix("urn:uuid:") for entry in parsed.entries]


def test_the_schema_refuses_what_is_no_feed() -> None:
    schema = etree.RelaxNG(etree.parse(SCHEMA))
    for wrong in ("<feed xmlns='http://www.w3.org/2005/Atom'/>", "<rss/>"):
        assert not schema.validate(etree.fromstring(wrong))


async def test_open_projects_are_listed_by_flagship_region_and_language_until_they_close(town: Town) -> None:
    assert ids(await read(town)) == []
    flagship = uuid_of("flagship")
    declared = {"titles": [ENGLISH], "level": "global", "reason": ENGLISH}
    assert (await town.call("PUT", f"/v1/flagships/{flagship}", declared)).status_code == 201
    first = await town.published(
        "first", flagship=flagship, titles=[ENGLISH, FRENCH], summaries=[ENGLISH, FRENCH]
    )
    town.clock.moment += timedelta(minutes=1)
    second = await town.published("second", level="regional", countries=[], regions=["ARB"])
    await town.draft("a draft")
    await town.settle()
    whole = await read(town)
    assert ids(whole) == [second, first]
    assert ids(await read(town, f"?flagship={flagship}")) == [first]
    assert ids(await read(town, "?region=AFR")) == [first]  # through its country
    assert ids(await read(town, "?region=ARB")) == [second]
    assert ids(await read(town, "?language=en")) == [second, first]
    french = await read(town, "?language=fr")
    assert [(entry.title, entry.title_detail.language) for entry in french.entries] == [
        (FRENCH["text"], "fr")
    ]
    entry = whole.entries[1]
    assert (entry.title, entry.title_detail.language) == (ENGLISH["text"], "en")
    assert entry.link == f"{town.settings.address}/v1/projects/{first}"
    assert {(tag.scheme.rpartition(":")[2], tag.term) for tag in entry.tags} >= {
        ("country", "KEN"),
        ("region", "AFR"),
        ("need", "training"),
        ("level", "national"),
        ("deadline", "2027-06-30"),
    }
    assert "endorsement" in whole.feed.subtitle
    await town.step(first, "close", body={"reason": "Found."})
    await town.settle()
    assert ids(await read(town)) == [second]
    assert (await town.get(f"{ADDRESS}?region=Afrika", who="nobody", status=400))[
        "code"
    ] == "invalid-parameter"


async def test_the_feed_is_as_new_as_the_last_change_of_what_was_ever_in_it(town: Town) -> None:
    async def updated() -> str:
        return str((await read(town)).feed.updated)

    told = [await updated()]
    for name in ("first", "second", "third"):
        await town.published(name)
    await town.settle()
    told.append(await updated())
    await town.draft("a draft")
    await town.settle()
    assert await updated() == told[-1]  # nobody learns when a draft was touched
    await town.step(uuid_of("third"), "close", body={"reason": "Found."})
    await town.settle()
    told.append(await updated())
    for name in ("third", "second"):
        await town.erase("projects", uuid_of(name))
        await town.settle()
        told.append(await updated())
    assert told == sorted(set(told))


BRAZILIAN = {"language": "pt-BR", "text": "Redes comunitárias para escolas rurais"}
PORTUGUESE = {"language": "pt", "text": "Redes comunitárias para as escolas rurais"}


async def test_a_language_is_asked_for_in_any_case_and_has_its_regional_ones(town: Town) -> None:
    both = await town.published("both", titles=[ENGLISH, BRAZILIAN, PORTUGUESE])
    town.clock.moment += timedelta(minutes=1)
    one = await town.published("one", titles=[ENGLISH, BRAZILIAN])
    await town.settle()
    for asked, titles in (
        ("EN", {both: ENGLISH, one: ENGLISH}),
        ("pt-br", {both: BRAZILIAN, one: BRAZILIAN}),
        ("PT", {both: PORTUGUESE, one: BRAZILIAN}),
        ("p", None),
        ("pt-B", {}),
        ("en-GB", {}),
    ):
        if titles is None:
            assert (await town.call("GET", f"{ADDRESS}?language={asked}", who="nobody")).status_code == 400
            continue
        entries = (await read(town, f"?language={asked}")).entries
        assert {entry.id.removeprefix("urn:uuid:"): entry.title for entry in entries} == {
            project: title["text"] for project, title in titles.items()
        }


async def test_texts_stay_texts(town: Town) -> None:
    await town.published("nasty", titles=[{"language": "en", "text": f"Schools and {NASTY}"}])
    await town.settle()
    [entry] = (await read(town)).entries
    assert entry.title_detail.type == "text/plain"
    assert entry.title == f"Schools and {NASTY}"
    raw = (await town.call("GET", ADDRESS, who="nobody")).content
    assert b"<script>" not in raw


async def test_pages_lead_to_the_last_project(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atom, "PAGE", 2)
    projects = []
    for number in range(5):
        town.clock.moment += timedelta(minutes=1)
        projects.append(await town.published(f"project {number}"))
    await town.settle()
    found, query = [], ""
    while True:
        page = await read(town, query)
        found += ids(page)
        following = [link.href for link in page.feed.links if link.rel == "next"]
        if not following:
            break
        query = following[0].removeprefix(town.settings.address + ADDRESS)
    assert found == projects[::-1]
    answer = await town.call("GET", ADDRESS, who="nobody")
    with statements() as told:
        again = await town.call("GET", ADDRESS, who="nobody", If_None_Match=answer.headers["etag"])
    assert again.status_code == 304
    assert not [one for one in told if "documents.record" in one]
    await town.step(projects[0], "close", body={"reason": "Found."})
    await town.settle()
    changed = await town.call("GET", ADDRESS, who="nobody", If_None_Match=answer.headers["etag"])
    assert changed.status_code == 200
