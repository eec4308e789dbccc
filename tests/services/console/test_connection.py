"""The console's way to a Comity: the credential file, and problems as sentences."""

from pathlib import Path

import httpx2
import pytest

from services.chassis.settings import SettingsError
from services.console.connection import CREDENTIALS, save_credentials, saved_credentials, sentence_of


def test_what_is_saved_is_read_and_nothing_where_there_is_none(tmp_path: Path) -> None:
    assert saved_credentials(tmp_path / "nowhere") is None
    path = save_credentials(tmp_path, {"addresses": {"": "http://127.0.0.1:1"}})
    assert path.stat().st_mode & 0o777 == 0o600
    assert saved_credentials(tmp_path) == {"addresses": {"": "http://127.0.0.1:1"}}


@pytest.mark.parametrize("content", ["", "{broken", "[1]", "{}", '{"addresses": 1}'])
def test_a_broken_file_is_named_with_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / CREDENTIALS).write_text(content, "utf-8")
    with pytest.raises(SettingsError, match=rf"{CREDENTIALS}.*remove it"):
        saved_credentials(tmp_path)


@pytest.mark.parametrize(
    ("place", "named"),
    [
        ({"pointer": "/needs/0"}, "/needs/0"),
        ({"parameter": "project_id"}, "project_id"),
        ({"header": "If-Match"}, "If-Match"),
        ({"pointer": ""}, "the body"),
    ],
)
def test_a_refusal_names_each_fault_once_by_its_place(place: dict[str, str], named: str) -> None:
    fault = place | {"rule": "any", "detail": "This is wrong.", "fix": "Mend it."}
    other = {"parameter": "organisation_id", "rule": "any", "detail": "So is this.", "fix": "Mend it too."}
    problem = {"title": "Refused", "detail": f"{named}: This is wrong. So is this.", "errors": [fault, other]}
    assert sentence_of(httpx2.Response(400, json=problem)) == (
        f"400 Refused: {named}: This is wrong. Mend it. | organisation_id: So is this. Mend it too."
    )


def test_a_refusal_without_a_list_of_faults_is_told_by_its_detail() -> None:
    problem = {"title": "Not found", "detail": "There is nothing at this address."}
    assert (
        sentence_of(httpx2.Response(404, json=problem)) == "404 Not found: There is nothing at this address."
    )
