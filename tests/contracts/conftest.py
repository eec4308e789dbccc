"""One running system with a small world, shared by the tests that leave it as they found it."""

from collections.abc import Iterator

import pytest

from tests.contracts.world import World, populate, started


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return the running system. Tests may add to it, and change only what they added."""
    with started(tmp_path_factory.mktemp("world")) as running:
        populate(running)
        yield running
