"""Promise 1: every eligible candidate has a score and a rank on every open project; lists page to the end."""

from tests.services.matches.town import Town, uuid_of

PLACES = ("KEN", "UGA", "FRA", "WSM", "BRA", "KAZ")
EMPTY_WORDS = [
    {"language": "en", "text": "We inspect historic pipe organs in cathedrals and restore their bellows."}
]


async def test_everybody_who_is_eligible_has_a_score_and_a_rank_and_the_others_a_reason(town: Town) -> None:
    for number in range(40):
        words = EMPTY_WORDS if number % 4 == 0 else None
        extra = (
            {}
            if words is None
            else {"descriptions": words, "offers": [{"kind": "convening", "texts": words}]}
        )
        await town.organisation(f"One {number:02}", hq_country=PLACES[number % 6], **extra)
    owner = await town.organisation("Owner")
    await town.organisation("Owner's child", parent=owner)
    gone = await town.organisation("Withdrawn")
    await town.withdraw(gone)
    reason = {"required": True, "reason": "The work is on the spot."}
    projects = [
        await town.published("anywhere", owner=owner, level="global", countries=None),
        await town.published("somewhere", owner=owner, countries=["KEN", "UGA"], presence_required=reason),
    ]
    await town.settle()
    everybody = {uuid_of(f"One {number:02}") for number in range(40)} | {
        owner,
        gone,
        uuid_of("Owner's child"),
    }
    for project in projects:
        rows, path = [], f"/v1/lists/{project}/candidates?limit=7"
        while path:
            answer = await town.call("GET", path)
            rows += answer.json()["candidates"]
            path = answer.links.get("next", {}).get("url")
        assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
        assert all(isinstance(row["points"], int) for row in rows)
        left_out = (await town.list_of(project, "eligibility=excluded"))["excluded"]
        assert all(row["code"] and row["failed_rules"][0]["sentence"] for row in left_out)
        ranked = {row["organisation"] for row in rows}
        assert ranked | {row["organisation"] for row in left_out} == everybody
        assert len(rows) + len(left_out) == len(everybody)
        for organisation in ranked:
            one = await town.get(f"/v1/lists/{project}/candidates/{organisation}")
            assert rows[one["rank"] - 1]["organisation"] == organisation
