"""Since when a text is on record, over HTTP: what stood before a project was published counts, and who wrote later is labelled."""

from datetime import timedelta
from typing import Any

from tests.services.matches.town import Town

CALL = (
    "Satellite broadband for forty schools in remote villages. Teachers learn digital skills and run courses for women. "
    "A laboratory repairs phones, antennas, batteries and solar panels near the lake."
)
WORK = [{"id": "w", "texts": [{"language": "en", "text": CALL}]}]
PASTED = [{"language": "en", "text": CALL}]


async def project(town: Town) -> str:
    return await town.published("call", objectives=PASTED)


def quoted(row: dict[str, Any]) -> list[str]:
    return [part.get("evidence", "") for part in row["parts"] if part["code"] == "quoted"]


async def test_past_work_in_the_words_of_the_project_counts_if_it_was_on_record_before(town: Town) -> None:
    await town.organisation("Early", evidence=WORK)
    town.clock.moment += timedelta(days=1)
    call = await project(town)
    await town.organisation("Late", evidence=WORK)
    await town.settle()
    early, late = await town.row_of(call, "Early"), await town.row_of(call, "Late")
    assert (quoted(early), quoted(late)) == ([], ["w"])
    assert early["components"]["evidence"] > late["components"]["evidence"] == 0


async def test_a_revision_that_leaves_the_text_alone_leaves_its_points_and_one_that_writes_it_does_not(
    town: Town,
) -> None:
    await town.organisation("Ada", evidence=WORK)
    await town.organisation("Bea")
    town.clock.moment += timedelta(days=1)
    call = await project(town)
    town.clock.moment += timedelta(days=1)
    await town.organisation("Ada", evidence=WORK, legal_name="Ada and Daughters")
    await town.organisation("Bea", descriptions=PASTED)
    await town.settle()
    ada, bea = await town.row_of(call, "Ada"), await town.row_of(call, "Bea")
    assert ada["components"]["evidence"] > 0
    assert (quoted(ada), quoted(bea)) == ([], [""])
    assert "edited_after_publication" not in ada["labels"]
    assert "edited_after_publication" in bea["labels"]
    [row] = [one for one in (await town.list_of(call))["candidates"] if one["name"] == "Bea"]
    assert row["labels"] == bea["labels"]


async def test_on_the_day_itself_nothing_is_told_apart_whatever_came_first(town: Town) -> None:
    await town.organisation("Before", evidence=WORK)
    call = await project(town)
    await town.organisation("After", evidence=WORK)
    await town.settle()
    for name in ("Before", "After"):
        row = await town.row_of(call, name)
        assert quoted(row) == ["w"]
        assert "edited_after_publication" not in row["labels"]
