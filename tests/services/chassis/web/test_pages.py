"""The pages for people: every code has one, nothing comes from elsewhere, and each starts where it says."""

import re
from typing import Any

import pytest

from services.chassis.web.pages import problem_examples, problem_pages
from services.chassis.web.problems import every_problem

HTML = {"Accept": "text/html"}


def test_every_code_that_can_be_raised_has_a_page_and_every_page_a_code() -> None:
    import services.catalogue

    for service in services.catalogue.SERVICES.values():
        service.routers()
    codes = {kind.code: kind for kind in every_problem()}
    pages = problem_pages()
    assert set(codes) == set(pages)
    for code, kind in codes.items():
        page = pages[code]
        assert page.startswith(f"# {kind.title}\n\n`{code}`, HTTP {kind.status}\n\n## What it means\n\n"), (
            code
        )
        headings = re.findall(r"^## .*", page, re.MULTILINE)
        assert headings == ["## What it means", "## Example", "## What to do"], code
        example = problem_examples()[code]
        instance = "urn:request:019ab3c2-7d4e-7f00-8a11-3c5e9d7b2f60"
        shown = kind(example["detail"]).body(public_url="https://comity.example", instance=instance)
        assert list(example.items())[:6] == list(shown.items()), code


def test_no_two_kinds_of_problem_share_a_code_with_different_answers() -> None:
    seen: dict[str, tuple[int, str]] = {}
    for kind in every_problem():
        assert seen.setdefault(kind.code, (kind.status, kind.title)) == (kind.status, kind.title), kind
        assert re.fullmatch(r"[a-z][a-z0-9-]*", kind.code)


async def test_the_type_of_a_problem_opens_its_page(bench: Any) -> None:
    problem = (await bench.client.get("/v1/notes?x=1")).json()
    page = await bench.client.get(problem["type"].removeprefix("http://127.0.0.1:8080"))
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "Unknown query parameter" in page.text
    assert (await bench.client.get("/problems/..%2Fsecret")).status_code == 404
    assert (await bench.client.get("/problems/nothing")).status_code == 404
    listed = (await bench.client.get("/problems")).text
    assert all(f'href="/problems/{code}"' in listed for code in problem_pages())


@pytest.mark.parametrize("path", ["/", "/docs", "/problems", "/problems/not-found"])
async def test_no_page_takes_anything_from_elsewhere(bench: Any, path: str) -> None:
    page = await bench.client.get(path, headers=HTML)
    assert page.status_code == 200
    loaded = re.findall(r'(?:src|<link[^>]*href)="([^"]+)"', page.text)
    icons = [address for address in loaded if address.startswith("data:image/svg+xml,")]
    assert len(icons) == 1, "a page without an icon makes a browser ask for /favicon.ico"
    loaded.remove(icons[0])
    assert all(address.startswith("/") for address in loaded)
    for address in loaded:
        assert (await bench.client.get(address)).status_code == 200, address
    policy = page.headers["content-security-policy"]
    assert "http" not in policy
    assert "'unsafe-eval'" not in policy
    for inline in re.findall(r"<(script|style)>(.*?)</\1>", page.text, re.DOTALL):
        from services.chassis.web.pages import _digest

        assert _digest(inline[1]) in policy


async def test_the_front_door_explains_in_html_and_in_json(bench: Any) -> None:
    page = (await bench.client.get("/", headers=HTML)).text
    assert "/v1/notes" in page
    assert 'href="/docs"' in page
    assert "suggestion, not an endorsement" in page
    data = (await bench.client.get("/")).json()
    assert data["services"][0]["prefixes"] == ["/v1/notes", "/v1/audit/notes"]
    for link in data["links"].values():
        assert (await bench.client.get(link)).status_code in {200, 503}, link


async def test_the_documentation_page_reads_a_document_of_its_dialect(bench: Any) -> None:
    made = (await bench.client.get("/docs/openapi.json")).json()
    assert made["openapi"] == "3.0.3"
    assert '"null"' not in str(made)
    from openapi_spec_validator import OpenAPIV30SpecValidator

    OpenAPIV30SpecValidator(made).validate()
    page = (await bench.client.get("/docs")).text
    assert re.search(r'no webhooks\. The document .* OpenAPI 3\.1, .*<a href="/openapi\.json">', page)
    assert (await bench.client.get("/openapi.json")).json()["openapi"].startswith("3.1")
    assert (await bench.client.get("/docs/swagger-ui.js.map")).status_code == 404
