"""Changed members touch the right lists: after any changes, what was told is what a full ranking computes."""

from random import Random
from typing import Any

import orjson
import pytest

from matching.lists import BANDS
from services.matches.rules.material import HEAD_ROWS
from services.matches.rules.rights import stepped
from tests.services.matches.town import Town, uuid_of

WORDS = (
    *(
        "rural",
        "schools",
        "solar",
        "community",
        "networks",
        "technicians",
        "villages",
        "training",
        "radios",
        "clinics",
    ),
    *(
        "harbours",
        "insurance",
        "cathedrals",
        "organs",
        "bellows",
        "shipping",
        "audits",
        "contracts",
        "banks",
        "trains",
    ),
)
COUNTRIES = ("KEN", "UGA", "FRA", "WSM")


def profile(random: Random, known: int) -> dict[str, Any]:
    """A profile whose words, places, group and newness are drawn by lot."""
    words = " ".join(random.sample(WORDS, random.randint(3, 9)))
    return {
        "descriptions": [{"language": "en", "text": f"We work on {words} and on nothing else at all."}],
        "offers": [
            {
                "kind": random.choice(["training", "equipment", "funding"]),
                "texts": [{"language": "en", "text": f"Help with {random.choice(WORDS)}."}],
            }
        ],
        "hq_country": random.choice(COUNTRIES),
        "first_involved_on": random.choice([None, "2015-01-01"]),
        "parent": uuid_of(f"One {random.randrange(3)}") if known > 3 and random.random() < 0.2 else None,
    }


async def told_is_computed(town: Town, projects: list[str]) -> None:
    for project in projects:
        ranked = await town.ranked(project)
        [row] = await town.rows(
            "SELECT number, head FROM list_versions WHERE project = :project ORDER BY number DESC LIMIT 1",
            project=project,
        )
        assert [one["organisation"] for one in orjson.loads(row["head"])] == ranked.members[:HEAD_ROWS]
        standing = {
            one["organisation"]: one["band"]
            for one in await town.rows("SELECT * FROM standings WHERE project = :project", project=project)
        }
        above = zip(ranked.members, ranked.above_floor.tolist(), ranked.band.tolist(), strict=True)
        assert standing == {member: BANDS[band] for member, stands, band in above if stands}


@pytest.mark.parametrize("seed", range(3))
async def test_after_any_changes_what_was_told_is_what_is_computed(town: Town, seed: int) -> None:
    random = Random(seed)
    for number in range(HEAD_ROWS + 12):
        await town.organisation(f"One {number}", **profile(random, number if number > 3 else 0))
    projects = [await town.published("schools"), await town.published("clinics", countries=["UGA", "WSM"])]
    projects.append(await town.published("solar", level="regional", regions=["AFR"], countries=None))
    await town.settle()
    await told_is_computed(town, projects)
    for _ in range(8):
        for _ in range(random.randint(1, 3)):
            number = random.randrange(4, HEAD_ROWS + 12)
            await town.organisation(f"One {number}", **profile(random, number))
        await town.settle()
        await told_is_computed(town, projects)


@pytest.mark.parametrize(
    ("fit", "told"), [(0, 0), (1, 10), (9, 10), (10, 10), (11, 20), (-4, 0), (995, 1000)]
)
def test_a_margin_is_told_in_whole_steps(fit: int, told: int) -> None:
    assert stepped(fit) == told
