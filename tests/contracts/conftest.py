"""One running system with a small world, shared by the tests that leave it as they found it."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.contracts.world import World, populate, started


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return the running system. Tests may add to it, and change only what they added."""
    with started(tmp_path_factory.mktemp("world")) as running:
        populate(running)
        yield running


@pytest.fixture(scope="session")
def populated(world: World) -> World:
    """Return the world with a person and a client of organisation A to look at."""
    person = {"name": "Amina Example", "email": f"{uuid4().hex[:12]}@people.example"}
    belonging = {"roles": ["organisation_reader"], "organisation": world.ids["a"]}
    world.ids["person"] = str(uuid4())
    world.made("PUT", f"/v1/people/{world.ids['person']}", json=person | belonging)
    world.ids["client"] = world.clients["reader_a"]
    return world
