"""Acceptance 13: BDT changes the weights: a new policy version, a new statement page, and old lists still reproduce."""

import orjson

from matching.engine import Engine
from matching.epoch import Epoch
from matching.records import Member, Project
from services.matches.commands import first_epoch
from tests.services.matches.town import Town, changed_epoch


async def test_the_statement_names_the_new_weights_and_the_old_list_is_recomputed_to_the_byte(
    town: Town,
) -> None:
    await town.organisation("Ada", hq_country="KEN")
    await town.organisation("Ben", offers=[{"kind": "equipment"}])
    await town.organisation("Cleo", descriptions=[{"language": "en", "text": "Solar panels for schools."}])
    project = await town.published("schools")
    await town.settle()
    before, page = await town.list_of(project), await town.get("/v1/ranking-statement", who="nobody")
    weights = Epoch.loads(first_epoch(None)).weights
    budgets = dict(weights.budgets) | {"needs": weights.budgets["needs"] // 2}
    content = changed_epoch(version=weights.version + 1, budgets=budgets)
    assert (await town.call("POST", "/v1/epochs", content)).status_code == 201
    await town.settle()
    after, renewed = await town.list_of(project), await town.get("/v1/ranking-statement", who="nobody")
    assert (page["version"], renewed["version"]) == (str(weights.version), str(weights.version + 1))
    assert renewed["weights"]["budgets"]["needs"] == page["weights"]["budgets"]["needs"] // 2
    assert after["list_version"] == before["list_version"] + 1
    assert after["epoch"] != before["epoch"]
    assert [row["components"]["needs"] for row in after["candidates"]] != [
        row["components"]["needs"] for row in before["candidates"]
    ]
    digests = {one["number"]: one["digest"] for one in await town.versions(project)}
    for number, answer in enumerate((before, after)):
        body = await town.call("GET", f"/v1/epochs/{number}/body", who="auditor")
        engine = Engine(Epoch.loads(body.content))
        for record in await town.records("members.v1"):
            engine.put_member(Member.from_json(orjson.loads(record.value or b"")))
        for record in await town.records("projects.v1"):
            engine.put_project(Project.from_json(orjson.loads(record.value or b"")))
        ranked = engine.pin().rank(project, answer["reference_date"])
        assert ranked.digest() == digests[answer["list_version"]]
        assert ranked.points.tolist() == [row["points"] for row in answer["candidates"]]
