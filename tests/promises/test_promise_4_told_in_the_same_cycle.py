"""Promise 4, of who is told: everyone above the floor who subscribed, in the same cycle, in an order that favours nobody."""

from pathlib import Path

from scipy.stats import spearmanr

from services.notifications.worker import cycles, readying
from tests.services.notifications.hall import Hall, open_hall, uuid_of
from tests.services.notifications.village import receiving

NAMES = [f"org {number}" for number in range(12)]
CYCLES = 200


async def sending_order(hall: Hall, project: str) -> list[str]:
    rows = await hall.rows(
        "SELECT d.organisation FROM deliveries d JOIN notices n ON n.delivery = d.id WHERE n.project = :project "
        "ORDER BY d.due_at, d.place",
        project=project,
    )
    return [row["organisation"] for row in rows]


async def test_the_told_are_those_above_the_floor_who_subscribed_and_nobody_s_place_is_better(
    tmp_path: Path,
) -> None:
    async with receiving() as receiver, open_hall(tmp_path) as hall:
        for name in NAMES:
            await hall.member(name)
            if name != NAMES[0]:  # one who did not subscribe
                endpoint = await hall.endpoint(receiver, name)
                await hall.subscribe(name, channel="webhook", endpoint=endpoint)
        listening = {uuid_of(name) for name in NAMES[1:]}
        places, ranks, categories, regions = [], [], [], []
        for number in range(CYCLES):
            project = await hall.open_project(f"project {number}")
            ranked = NAMES[number % 5 :] + NAMES[: number % 5]  # the order of this list
            above = ranked[: 12 - number % 4]
            await hall.rank(project, 1, {uuid_of(name): "good" for name in above})
            await cycles.step(hall.runtime)
            await readying.step(hall.runtime)
            order = await sending_order(hall, project)
            assert set(order) == {uuid_of(name) for name in above} & listening
            moments = await hall.rows(
                "SELECT DISTINCT due_at FROM deliveries d JOIN notices n ON n.delivery = d.id WHERE project = :p",
                p=project,
            )
            assert len(moments) == 1  # due at the same moment
            for place, organisation in enumerate(order):
                rank = next(at for at, name in enumerate(ranked) if uuid_of(name) == organisation)
                index = next(at for at, name in enumerate(NAMES) if uuid_of(name) == organisation)
                places.append(place / len(order))
                ranks.append(float(rank))
                categories.append(float(index % 3))
                regions.append(float(index // 3))
        for other in (ranks, categories, regions):
            assert abs(spearmanr(places, other).statistic) < 0.1


async def test_on_the_wire_they_leave_in_that_order(tmp_path: Path) -> None:
    one_by_one = {"concurrency": 1}
    async with receiving() as receiver, open_hall(tmp_path, notifications=one_by_one) as hall:
        for name in NAMES:
            await hall.member(name)
            endpoint = await hall.endpoint(receiver, name)
            await hall.subscribe(name, channel="webhook", endpoint=endpoint)
        project = await hall.open_project()
        await hall.rank(project, 1, {uuid_of(name): "good" for name in NAMES})
        await hall.settle()
        assert [event["data"]["organisation"] for event in receiver.events()] == await sending_order(
            hall, project
        )
