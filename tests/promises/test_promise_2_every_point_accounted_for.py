"""Promise 2: parts add up exactly, and anyone with the inputs recomputes the same integers."""

import orjson

from matching.engine import Engine
from matching.epoch import Epoch
from matching.records import Member, Project
from tests.services.matches.town import Town

TEXTS = (
    "We connect rural schools with solar-powered community networks and train village technicians.",
    "Our radios and solar panels work in schools without electricity.",
    "We are a bank that funds networks for schools in the countryside.",
)


async def crowd(town: Town) -> str:
    for number in range(9):
        text = [{"language": "en", "text": TEXTS[number % 3]}]
        evidence = [
            {
                "id": f"e{item}",
                "kind": "project",
                "role": ("lead", "partner")[item % 2],
                "texts": [
                    {"language": "en", "text": f"School networks in {place}, with technicians trained there."}
                ],
            }
            for item, place in enumerate(("Kenya", "Uganda", "Samoa", "Peru")[: number % 5])
        ]
        await town.organisation(
            f"One {number}",
            descriptions=text,
            evidence=evidence,
            hq_country=("KEN", "UGA", "PER")[number % 3],
            tags=[{"scheme": "sdg", "code": "4"}] if number % 2 else [],
        )
    project = await town.published("schools", tags=[{"scheme": "sdg", "code": "4"}])
    await town.settle()
    return project


async def test_the_parts_shown_add_up_to_the_points_and_the_whole_per_mille_to_the_fit(town: Town) -> None:
    project = await crowd(town)
    answer = await town.list_of(project, "include=parts")
    for row in answer["candidates"]:
        assert sum(part["points"] for part in row["parts"]) == row["points"]
        assert sum(row["components"].values()) == row["points"]
        for name, points in row["components"].items():
            assert sum(part["points"] for part in row["parts"] if part["component"] == name) == points
        assert sum(part["per_mille"] for part in row["parts"]) == row["fit"]
        assert sum(row["shown"].values()) == row["fit"]
        assert row["points"] * 1000 // answer["total_budget"] == row["fit"]
    assert any(
        part["points"] < 0 for row in answer["candidates"] for part in row["parts"]
    )  # the threshold, with its sign


async def test_anyone_with_the_inputs_recomputes_the_same_integers(town: Town) -> None:
    """From what an auditor can fetch: the epoch's bytes, the records on the log, the reference date."""
    project = await crowd(town)
    answer = await town.list_of(project)
    body = await town.call("GET", "/v1/epochs/0/body", who="auditor")
    engine = Engine(Epoch.loads(body.content))
    for record in await town.records("members.v1"):
        engine.put_member(Member.from_json(orjson.loads(record.value or b"")))
    for record in await town.records("projects.v1"):
        engine.put_project(Project.from_json(orjson.loads(record.value or b"")))
    ranked = engine.pin().rank(project, answer["reference_date"])
    assert list(ranked.members) == [row["organisation"] for row in answer["candidates"]]
    assert ranked.points.tolist() == [row["points"] for row in answer["candidates"]]
    assert ranked.digest() == (await town.versions(project))[0]["digest"]
