"""A mail as its reader has it: names of other letters stand as they were written, its days are theirs, its links open in a browser."""

from datetime import UTC, datetime
from html import unescape

import pytest

from services.notifications.mail.letters import LANGUAGES, RIGHT_TO_LEFT, words_of
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import Page, Sink, confirmed

NAME, TITLE, FLAGSHIP = "Ada (fictional)", "Schools (phase 2)", "Connect all!"
ARABIC = "مدارس (المرحلة 2)"


async def told_of(hall: Hall, *titles: tuple[str, str]) -> None:
    """Let Ada come above the floor of a project under a flagship initiative."""
    flagship = await hall.declare("flagship", en=FLAGSHIP)
    said = [{"language": language, "text": text} for language, text in titles]
    ada, project = await hall.member(NAME), uuid_of("schools")
    await hall.open_project(titles=said, flagship=flagship)
    hall.lists.rows_of[ada] = {
        "shared_terms": ["school", "5G+"],
        "reasons": ["Both texts speak of schools & 5G+."],
    }
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()


async def test_an_arabic_mail_keeps_names_of_other_letters_apart_from_its_own_direction(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    await hall.member(NAME)
    await confirmed(hall, sink, name=NAME, language="ar", cadence="instant")
    await told_of(hall, ("en", TITLE))
    words, apart = words_of("ar"), f"\u2068{NAME}\u2069"
    (_, question), digest = sink.taken[0], sink.digests()[0]
    assert words["confirm_text"].format(organisation=apart) in question.get_body(("plain",)).get_content()
    assert f"<bdi>{NAME}</bdi>" in question.get_body(("html",)).get_content()
    assert digest["Subject"] == words["digest_subject"].format(count=1, organisation=apart)
    text, page = (digest.get_body((kind,)).get_content() for kind in ("plain", "html"))
    terms = "\u2068school\u2069, \u20685G+\u2069"
    for line in (
        words["greeting"].format(organisation=apart),
        f"== {words['flagship']}: \u2068{FLAGSHIP}\u2069",
        f"* \u2068{TITLE}\u2069",
        "  " + words["terms"].format(terms=terms),
        words["leave"].format(organisation=apart),
    ):
        assert line in text.splitlines()
    _, _, body = page.partition("<body")
    for name, times in ((NAME, 2), (TITLE, 1), (FLAGSHIP, 1), ("school", 1), ("5G+", 1)):
        assert body.count(f"<bdi>{name}</bdi>") == body.count(f">{name}<") == times


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one not in RIGHT_TO_LEFT])
async def test_a_mail_of_one_direction_has_no_marks_but_around_what_runs_against_it(
    office: tuple[Hall, Sink], language: str
) -> None:
    hall, sink = office
    await confirmed(hall, sink, name=NAME, language=language, cadence="instant")
    await told_of(hall, (language, TITLE))
    [plain] = sink.digests()
    assert "\u2068" not in plain["Subject"] + plain.get_body(("plain",)).get_content()
    await hall.open_project(titles=[{"language": language, "text": ARABIC}], countries=["TZA"])
    await hall.rank(uuid_of("schools"), 2, {}, above=1)
    await hall.settle()
    text = sink.digests()[1].get_body(("plain",)).get_content()
    assert text.count("\u2068") == text.count("\u2069") == text.count(f"\u2068{ARABIC}\u2069") == 1


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
async def test_the_days_that_a_mail_names_are_those_of_its_reader(
    office: tuple[Hall, Sink], zone: str
) -> None:
    hall, sink = office
    subscription = await confirmed(hall, sink, name=NAME, time_zone=zone)
    hall.clock.moment = datetime(2026, 11, 24, 2 if zone.startswith("America") else 13, tzinfo=UTC)
    await hall.settle()
    await told_of(hall, ("en", TITLE))
    due = (await hall.call("GET", f"/v1/subscriptions/{subscription}", name=NAME))["next_digest_at"]
    hall.clock.moment = datetime.fromisoformat(due)
    await hall.settle()
    text = sink.digests()[0].get_body(("plain",)).get_content()
    first = "November 23" if zone.startswith("America") else "November 25"
    assert f"From {first}, 2026 to November 30, 2026" in text


async def test_a_mail_links_what_opens_in_a_browser_and_says_the_reasons_itself(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    await confirmed(hall, sink, name=NAME, cadence="instant")
    await told_of(hall, ("en", TITLE))
    [digest] = sink.digests()
    text, source = (digest.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert "  Both texts speak of schools & 5G+." in text.splitlines()
    assert "Both texts speak of schools & 5G+." in unescape(source)
    address = hall.runtime.settings.address
    links = {one.removeprefix(address) for one in Page(source).links}
    leave = [one for one in links if one.startswith("/v1/mail-links/")]
    assert links == {f"/v1/projects/{uuid_of('schools')}", *leave}
    shown = await hall.http.get(leave[0], headers={"Accept": "text/html"})
    assert (shown.status_code, shown.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


async def test_who_fell_below_the_floor_is_not_told_that_the_project_has_ended(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    await confirmed(hall, sink, name=NAME, cadence="instant")
    await told_of(hall, ("en", TITLE))
    await hall.rank(uuid_of("schools"), 2, {}, lost=[uuid_of(NAME)], above=0)
    await hall.settle()
    text = sink.digests()[1].get_body(("plain",)).get_content()
    assert "-- No longer above the floor" in text
    assert "-- Ended" not in text
