"""Each refusal of this service has a page that opens at its `type`."""

import services.projects.rules.problems as ours
from services.chassis.web.pages import problem_pages
from services.chassis.web.problems import Problem, every_problem


def test_every_refusal_has_a_page_with_its_meaning_an_example_and_the_fix() -> None:
    kinds: list[type[Problem]] = [kind for kind in every_problem() if kind.__module__ == ours.__name__]
    assert len(kinds) == 8
    pages = problem_pages()
    for kind in kinds:
        page = pages[kind.code]
        assert page.startswith(f"# {kind.code}\n\n**Status {kind.status}.**")
        for heading in ("## What it means", "## Example", "## What to do"):
            assert heading in page, kind.code
