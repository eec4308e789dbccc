"""Every write takes a reason, and what it says is in the audit trail, with those that publish one of their own."""

from tests.contracts.world import World


def test_every_command_takes_a_reason_and_no_question_does(world: World) -> None:
    document = world.ask("public", "GET", "/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            takes = "Comity-Reason" in {one.get("name") for one in operation.get("parameters", ())}
            assert takes == (method != "get" and not operation.get("x-question", False)), (method, path)


def test_why_a_project_was_published_closed_and_erased_is_in_the_trail(world: World) -> None:
    identifier, etag = world.new_project(caller="manager")
    steps = (
        ("POST", "/publish", {}, "Funds are there."),
        ("POST", "/close", {"json": {"reason": "It is done."}}, "The board decided."),
        ("DELETE", "", {}, "Its owner asked for it."),
    )
    for method, step, sent, reason in steps:
        headers = {"If-Match": etag, "Comity-Reason": reason}
        answer = world.made(method, f"/v1/projects/{identifier}{step}", headers=headers, **sent)
        etag = answer.headers.get("ETag", "")
    trail = world.ask("auditor", "GET", f"/v1/audit/projects?subject={identifier}").json()["items"]
    assert [(row["action"], row["why"], (row["details"] or {}).get("reason")) for row in trail] == [
        ("project.erased", "Its owner asked for it.", None),
        ("project.closed", "It is done.", "The board decided."),
        ("project.published", "Funds are there.", None),
        ("project.created", None, None),
    ]
