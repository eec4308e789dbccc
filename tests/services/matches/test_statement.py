"""The ranking statement holds everything that decides a place, in the numbers that are in force."""

from matching.epoch import Epoch
from matching.lists import COMPONENTS, LABELS, STEPS
from matching.rules import RULES
from schemas.http.projects import LEAST_EMPHASIS, MOST_EMPHASIS
from services.matches.commands import first_epoch
from tests.services.matches.town import Town


async def test_the_statement_names_parameters_weights_bounds_steps_data_versions_and_date(town: Town) -> None:
    statement = await town.get("/v1/ranking-statement", who="nobody")
    epoch = Epoch.loads(first_epoch(None))
    weights = epoch.weights
    assert statement["weights"] == weights.to_json()
    assert {one["name"]: one["budget"] for one in statement["components"]} == dict(weights.budgets)
    assert all(one["meaning"] and one["why"] for one in statement["components"])
    assert [one["name"] for one in statement["components"]] == list(COMPONENTS)
    assert {key: statement["emphasis"][key] for key in weights.emphasis} == dict(weights.emphasis)
    assert dict(weights.emphasis) == {"least": LEAST_EMPHASIS, "most": MOST_EMPHASIS}  # what the door lets in
    assert {key: statement["floor"][key] for key in weights.floors} == dict(weights.floors)
    assert [statement["bands"][band] for band in ("possible", "good", "strong")] == list(epoch.bands)
    assert [one["code"] for one in statement["hard_rules"]] == [rule.code for rule in RULES]
    assert not any("{" in one["sentence"] for one in statement["hard_rules"])
    assert [one["code"] for one in statement["labels"]] == list(LABELS)
    assert [one["code"] for one in statement["steps"]] == list(STEPS)
    assert all(one["sentence"] for one in (*statement["labels"], *statement["steps"]))
    assert statement["tie_key"] == epoch.tie_key
    assert (statement["version"], statement["epoch"]["hash"]) == (str(weights.version), epoch.hash)
    assert statement["analyser"] == {"number": epoch.analyser, "golden": epoch.golden}
    assert statement["reference_date"] == "2026-11-23"
    assert statement["epoch"]["published_at"].startswith("2026-11-23T")
    assert len(statement["order"]) == 7
    assert statement["passage_bound"]["published"] < statement["passage_bound"]["emphasised"] < 1000
    assert statement["lexicon"]["concepts"] == len(epoch.lexicon.concepts) > 1000
    assert "native reader" in statement["lexicon"]["rule"]
    assert statement["inputs"]
    assert statement["not_inputs"]


async def test_the_statement_follows_the_epoch_in_force(town: Town) -> None:
    before = await town.get("/v1/ranking-statement", who="nobody")
    described = await town.get(before["links"]["epoch"], who="nobody")
    assert (described["hash"], described["weights"]) == (before["epoch"]["hash"], before["weights"])
