"""A made-up second release of one event, held against the first in both directions."""

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, create_model

from schemas import releases
from schemas.events.matches import DayOpened
from schemas.events.members import Organisation
from schemas.evolution import differences, refused, unread
from schemas.topics import DAY_OPENED, ORGANISATION_REVISED

SAMPLES = {kind: releases.sample(kind, 1) for kind in (DAY_OPENED, ORGANISATION_REVISED)}


def second(folder: Path, event_type: str, model: type[BaseModel], **sample: Any) -> list[str]:
    """Release this model as number 2, with a sample that uses what is new, and name the faults."""
    shutil.copytree(releases.FOLDER / event_type, folder / event_type, dirs_exist_ok=True)
    schema = {"$id": "urn:made-up:2", **model.model_json_schema(mode="validation", by_alias=True)}
    (folder / event_type / "2.json").write_text(json.dumps(schema))
    written = json.loads(SAMPLES[event_type]) | sample
    kept = {name: value for name, value in written.items() if value is not None}
    (folder / event_type / "2.sample.json").write_text(json.dumps(kept))
    return releases.evolution_faults(event_type, latest=2, model=model, folder=folder)


def changed(model: type[BaseModel], **fields: Any) -> type[BaseModel]:
    return create_model("Second", __base__=model, **fields)


def test_an_optional_field_may_be_added_and_both_releases_understand_both(tmp_path: Path) -> None:
    model = changed(DayOpened, opened_by=(str | None, None))
    assert second(tmp_path, DAY_OPENED, model, opened_by="the calendar") == []
    old, new = (releases.released(DAY_OPENED, number, tmp_path) for number in (1, 2))
    first, later = (json.loads(releases.sample(DAY_OPENED, number, tmp_path)) for number in (1, 2))
    assert "opened_by" in later
    assert [refused(old, later), refused(new, first)] == [None, None]
    assert unread(model, SAMPLES[DAY_OPENED]) is unread(DayOpened, json.dumps(later).encode()) is None


@pytest.mark.parametrize(
    ("fields", "sample", "said"),
    [
        ({"opened_by": (str, ...)}, {"opened_by": "x"}, "/opened_by is required now"),
        ({"day": (date | None, None)}, {"day": None}, "/day is not required any more"),
        ({"day": (int, ...)}, {"day": 7}, "/day was type 'string' and is 'integer'"),
    ],
    ids=["required", "optional", "another type"],
)
def test_what_one_side_would_not_understand_is_named(
    tmp_path: Path, fields: dict[str, Any], sample: dict[str, Any], said: str
) -> None:
    found = second(tmp_path, DAY_OPENED, changed(DayOpened, **fields), **sample)
    assert any(said in one for one in found), found
    assert any("reader refuses" in one for one in found), found  # the golden samples tell it too


def test_a_removed_field_is_named_though_both_samples_would_pass() -> None:
    old = releases.released(ORGANISATION_REVISED, 1)
    new = json.loads(json.dumps(old))
    del new["properties"]["aliases"]
    assert differences(old, new) == ["/aliases is gone"]
    assert differences(old, old) == []


def test_changes_deep_inside_are_found_and_words_for_people_are_free() -> None:
    old = releases.released(ORGANISATION_REVISED, 1)
    new = json.loads(json.dumps(old))
    new["$defs"]["Evidence"]["properties"]["role"]["enum"].append("observer")
    new["$defs"]["Evidence"]["description"] = "Said otherwise."
    (found,) = differences(old, new)
    assert found.startswith("/evidence/*/role was enum ['lead', 'partner']")
    assert unread(Organisation, SAMPLES[ORGANISATION_REVISED]) is None


def test_every_event_type_that_has_several_releases_keeps_to_it() -> None:
    assert releases.faults() == []
