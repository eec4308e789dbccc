"""Reasons in six languages, passages, changes that help, and the figure that says whether parts add up."""

import pytest

from matching.sentences import LANGUAGES, phrases_in
from services.chassis.web.languages import preferred_languages
from services.matches.worker.reconciling import sample_once
from tests.services.matches.town import Town, uuid_of

ENGLISH = "The organisation offers training, which the project needs."


async def crowd(town: Town) -> str:
    await town.organisation("Ada", hq_country="KEN")
    await town.organisation("Ben", offers=[{"kind": "equipment"}])
    await town.organisation("Cleo", descriptions=[{"language": "en", "text": "Solar panels for schools."}])
    project = await town.published("schools")
    await town.settle()
    return project


@pytest.mark.parametrize("language", LANGUAGES)
async def test_reasons_come_in_the_language_of_the_parameter_or_of_the_header(
    town: Town, language: str
) -> None:
    project = await crowd(town)
    path = f"/v1/lists/{project}/candidates"
    asked = await town.call("GET", f"{path}?language={language}")
    preferred = await town.call("GET", path, Accept_Language=f"tlh, {language}-XX;q=0.9, en;q=0.1")
    assert asked.json() == preferred.json()
    assert asked.headers["content-language"] == preferred.headers["content-language"] == language
    assert "Accept-Language" in preferred.headers["vary"]
    reasons = {row["name"]: row["reasons"] for row in asked.json()["candidates"]}
    phrases = phrases_in(language)
    offered = phrases.part("need", found=phrases.name("offer:training", code="need"))
    assert offered in reasons["Ada"]
    assert (offered == ENGLISH) == (language == "en")
    one = await town.get(f"{path}/{uuid_of('Ada')}?language={language}")
    assert offered in {part["sentence"] for part in one["parts"]}
    mine = await town.get(f"/v1/opportunities?organisation={uuid_of('Ada')}&language={language}")
    assert offered in mine["opportunities"][0]["reasons"]


async def test_a_language_that_is_not_told_in_is_refused_as_a_parameter_and_ignored_as_a_header(
    town: Town,
) -> None:
    project = await crowd(town)
    path = f"/v1/lists/{project}/candidates"
    assert (await town.call("GET", f"{path}?language=de")).status_code in {400, 422}
    answer = await town.call("GET", path, Accept_Language="de;q=x, ,;;q=1, *;q=0.5")
    assert (answer.status_code, answer.headers["content-language"]) == (200, "en")


def test_the_header_is_read_by_quality() -> None:
    assert preferred_languages("fr;q=0.5, ru, en;q=0, zh;q=0.9") == ["ru", "zh", "fr"]
    assert preferred_languages("") == []


async def test_one_candidate_is_told_with_passages_and_with_changes_that_help(town: Town) -> None:
    for name, text in (("Dora", "We print novels."), ("Eve", "We print novels for schools.")):
        told = [{"language": "en", "text": text}]
        await town.organisation(name, descriptions=told, offers=[{"kind": "convening"}])
    project = await crowd(town)
    cleo = await town.row_of(project, "Cleo")
    assert any(
        part.get("asked_passage") and "Solar panels" in (part.get("found_passage") or "")
        for part in cleo["parts"]
    )
    whole = await town.row_of(project, "Dora")
    ranks = {one["rank"] for one in whole["what_ifs"]}
    assert ranks
    assert all(rank < whole["rank"] for rank in ranks)
    assert all(str(one["rank"]) in one["sentence"] for one in whole["what_ifs"])
    own = await town.row_of(
        project, "Dora", who=town.bearer("organisation_reader", organisation=uuid_of("Dora"))
    )
    assert [one["rank"] for one in own["what_ifs"]] == [one["rank"] for one in whole["what_ifs"]]
    assert {one["points"] for one in own["what_ifs"]} == {None}
    assert {one["points"] for one in own["gaps"]} == {None}, (
        "own points, a gap and a rank give another's points"
    )
    assert [one["term"] for one in own["gaps"]] == [one["term"] for one in whole["gaps"]]
    assert all(one["points"] > 0 for one in whole["gaps"] if one["component"] == "text")
    declared = [one["points"] for one in whole["gaps"] if one["component"] == "needs"]
    assert declared, "an offer is missing"
    assert not any(declared), "and would give nothing, for no text bears it out"
    first = next(row for row in (await town.list_of(project))["candidates"] if row["rank"] == 1)
    assert (await town.row_of(project, first["name"]))["what_ifs"] == []


async def test_a_change_is_what_the_door_takes_and_what_the_list_then_says(town: Town) -> None:
    """Its words in the description that is there, in a sentence of the organisation's own with words of its own."""
    told = {
        "Dora": "We print novels.",
        "Eve": "We print novels for schools.",
        "Finn": "A theatre by the lake.",
    }
    bodies = {
        name: {"descriptions": [{"language": "en", "text": text}], "offers": [{"kind": "convening"}]}
        for name, text in told.items()
    }
    for name, body in bodies.items():
        await town.organisation(name, **body)
    project, codes = await crowd(town), set()
    for name, body in bodies.items():
        for one in (await town.row_of(project, name))["what_ifs"]:
            text, kind = told[name], one["terms"][0].partition(":")[2]
            if one["code"] == "words":
                said = ". Our colleagues in Samarkand like it with ".join(one["asked"])
                text = f"{text} For weavers and accountants we do {said}, as they told us."
            edited = {"descriptions": [{"language": "en", "text": text}]}
            offers = [*body["offers"], *([{"kind": kind}] if one["code"] == "need" else [])]
            await town.organisation(name, **edited, offers=offers)
            await town.settle()
            after = await town.row_of(project, name)
            assert (after["rank"], after["points"]) == (one["rank"], one["points"]), one["sentence"]
            codes.add(one["code"])
        await town.organisation(name, **body)
        await town.settle()
    assert codes >= {"words"}


async def test_whether_parts_add_up_is_counted_for_what_is_told_and_for_a_sample(town: Town) -> None:
    project = await crowd(town)
    metrics = town.worker.runtime.metrics

    def counted(outcome: str) -> float:
        return metrics.registry.get_sample_value("comity_explanations_total", {"outcome": outcome}) or 0.0

    await town.list_of(project)
    told = counted("adds up")
    assert told == 3

    class Lot:
        @staticmethod
        def choice(some):
            return some[0]

    pinned = await town.worker.index.pin()
    sample_once(town.worker.runtime, pinned, Lot())
    assert (counted("adds up"), counted("off")) == (told + 1, 0)


async def test_reasons_of_many_are_those_of_the_list_in_every_language_for_whoever_is_above_the_floor(
    town: Town,
) -> None:
    project = await crowd(town)
    below = await town.organisation(
        "Dora", descriptions=[{"language": "en", "text": "We print novels."}], offers=[{"kind": "in_kind"}]
    )
    await town.settle()
    path = f"/v1/lists/{project}"
    everybody = [uuid_of(name) for name in ("Ada", "Ben", "Cleo", "Dora", "nobody")]
    body = {"organisations": [*everybody, everybody[0]], "languages": list(LANGUAGES)}
    answer = await town.call("POST", f"{path}/reasons", body)
    assert answer.status_code == 200, answer.text
    told = {one["organisation"]: one for one in answer.json()["told"]}
    pages = {
        language: (await town.list_of(project, f"language={language}"))["candidates"]
        for language in LANGUAGES
    }
    assert told.keys() == {row["organisation"] for row in pages["en"] if row["above_floor"]}
    assert below not in told
    for language, rows in pages.items():
        for row in rows:
            if row["above_floor"]:
                one = told[row["organisation"]]
                assert one["said"][language]["reasons"] == row["reasons"]
                assert one["said"][language]["shared_terms"][0] in {
                    part.get("asked") for part in row["parts"]
                }
                assert {name: one[name] for name in ("fit", "band", "confidence")} == {
                    name: row[name] for name in ("fit", "band", "confidence")
                }
                assert "rank" not in one
    plain = await town.call("POST", f"{path}/reasons", {"organisations": everybody[:1]})
    assert plain.json()["told"][0]["said"].keys() == {"en"}


async def test_nobody_is_told_of_on_a_list_that_is_closed_and_a_question_is_bounded(town: Town) -> None:
    project = await crowd(town)
    path = f"/v1/lists/{project}/reasons"
    for organisations in ([], [uuid_of(str(number)) for number in range(201)]):
        assert (await town.call("POST", path, {"organisations": organisations})).status_code == 422
    await town.step(project, "close", body={"reason": "It is done."})
    await town.settle()
    answer = (await town.call("POST", path, {"organisations": [uuid_of("Ada")]})).json()
    assert (answer["state"], answer["told"]) == ("closed", [])


@pytest.mark.parametrize("language", LANGUAGES)
async def test_who_a_rule_leaves_out_is_told_which_as_the_list_says_it(town: Town, language: str) -> None:
    project = await crowd(town)
    await town.draft("schools", presence_required={"required": True, "reason": "Works on site."})
    await town.settle()
    asked = {"organisations": [uuid_of("Ada"), uuid_of("Ben")], "languages": [language]}
    answer = (await town.call("POST", f"/v1/lists/{project}/reasons", asked)).json()
    [excluded] = answer["excluded"]
    assert excluded["organisation"] == uuid_of("Ben")
    row = await town.call("GET", f"/v1/lists/{project}/candidates/{uuid_of('Ben')}?language={language}")
    assert excluded["said"] == {language: [one["sentence"] for one in row.json()["failed_rules"]]}
    assert excluded["said"][language]
    assert [one["organisation"] for one in answer["told"]] == [uuid_of("Ada")]
