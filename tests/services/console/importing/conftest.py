"""A whole Comity in this process, for imports that go through its doors."""

from collections.abc import Iterator

import pytest

from services.chassis.settings import load_settings
from services.console.connection import Connection, saved_credentials
from services.console.embedded import Embedded


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    folder = tmp_path_factory.mktemp("comity")
    settings = load_settings(
        data_folder=folder, http={"host": "127.0.0.1", "port": 0}, telemetry={"level": "warning"}
    )
    with Embedded(settings) as embedded, Connection({"": embedded.address}) as connection:
        saved = saved_credentials(folder) or {}
        connection.take_token(saved["client_id"], saved["client_secret"])
        yield connection
