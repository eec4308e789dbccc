"""The console's way to a Comity: the credential file."""

from pathlib import Path

import pytest

from services.chassis.settings import SettingsError
from services.console.connection import CREDENTIALS, save_credentials, saved_credentials


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
