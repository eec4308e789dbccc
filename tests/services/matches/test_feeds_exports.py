"""Exports: what stands in them, in every form; texts stay texts; who sees how much of a list."""

import csv
import io
import json
from datetime import datetime
from typing import Any

import openpyxl
import pytest

from services.matches.rules.dictionary import DATASETS
from tests.services.matches.town import Town, uuid_of

FORMULAS = ("=SUM(A1)", "+A1", "-A1", "@SUM(A1)", " =A1", "＝A1", "－A1")


async def fetch(town: Town, path: str, *, who: Any = "bdt_admin") -> bytes:
    answer = await town.call("GET", f"/v1/exports/{path}", who=who)
    assert answer.status_code == 200, answer.text
    length = answer.headers.get("content-length")  # what is sent as it is read has none
    assert length == (str(len(answer.content)) if ".xlsx" in path else None)
    again = await town.call("GET", f"/v1/exports/{path}", who=who, If_None_Match=answer.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    content: bytes = answer.content
    return content


def of_csv(content: bytes) -> list[dict[str, str]]:
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def of_jsonl(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


def of_xlsx(content: bytes) -> tuple[Any, list[dict[str, Any]]]:
    book = openpyxl.load_workbook(io.BytesIO(content))
    names, *rows = [[cell.value for cell in row] for row in book.worksheets[0].iter_rows()]
    return book, [dict(zip(names, row, strict=True)) for row in rows]


def as_csv(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "; ".join(value) if isinstance(value, list) else "" if value is None else str(value)


def as_cell(kind: str, value: Any) -> Any:
    if kind in {"date", "moment"} and value is not None:
        moment = datetime.fromisoformat(value).replace(tzinfo=None)
        return moment.replace(
            microsecond=round(moment.microsecond, -3) % 1_000_000
        )  # a cell holds milliseconds
    return ("; ".join(value) or None) if isinstance(value, list) else value


async def world(town: Town) -> str:
    for number in range(6):
        await town.organisation(f"One {number}", hq_country=("KEN", "FRA")[number % 2])
    await town.organisation("Gone")
    project = await town.published("schools")
    await town.draft("a draft")
    await town.settle()
    await town.withdraw(uuid_of("Gone"))
    await town.settle()
    return project


async def test_every_form_has_the_same_rows_with_the_columns_of_the_dictionary(town: Town) -> None:
    project = await world(town)
    dictionary = await town.get("/v1/exports/dictionary", who="nobody")
    columns = {one["name"]: [c["name"] for c in one["columns"]] for one in dictionary["datasets"]}
    for path, dataset in (
        ("projects", "projects"),
        ("organisations", "organisations"),
        (f"lists/{project}", "candidates"),
    ):
        lines, rows = of_jsonl(await fetch(town, f"{path}.jsonl")), of_csv(await fetch(town, f"{path}.csv"))
        book, cells = of_xlsx(await fetch(town, f"{path}.xlsx"))
        assert list(lines[0]) == list(rows[0]) == list(cells[0]) == columns[dataset]
        kinds = {column.name: column.kind for column in DATASETS[dataset].columns}
        for line, row, cell in zip(lines, rows, cells, strict=True):
            for name, value in line.items():
                assert row[name] == as_csv(value), name
                assert cell[name] == as_cell(kinds[name], value), name
        assert [sheet.title for sheet in book.worksheets] == [dataset, "definitions", "about"]
        assert book.worksheets[0].freeze_panes == "A2"
        assert [row[0].value for row in book["definitions"].iter_rows(min_row=2)] == columns[dataset]
        about = {row[0].value: row[1].value for row in book["about"].iter_rows()}
        assert (about["epoch"], about["data_as_of"]) == (lines[0]["epoch"], lines[0]["data_as_of"])
        assert "endorsement" in about["statement"]
        assert about["filters"] == "none"
        sheet = book.worksheets[0]
        assert sheet.auto_filter.ref == sheet.dimensions  # the header filters, and ids can be read
        assert sheet.column_dimensions["A"].width > 36


async def test_a_sheet_says_what_was_chosen_and_whose_row_it_is(town: Town) -> None:
    project = await world(town)
    own = town.bearer("organisation_reader", organisation=uuid_of("One 2"))
    for path, who, told in (
        ("projects.xlsx?region=AFR&level=national", "nobody", "region=AFR; level=national"),
        (f"lists/{project}.xlsx?country=KEN&sme=false", "bdt_admin", "country=KEN; sme=False"),
        (f"lists/{project}.xlsx", own, f"organisation={uuid_of('One 2')}"),
    ):
        book, _ = of_xlsx(await fetch(town, path, who=who))
        assert ("filters", told) in [tuple(cell.value for cell in row) for row in book["about"].iter_rows()]


async def test_a_file_is_ordered_by_a_need_as_the_pages_are_and_one_that_is_not_there_is_refused(
    town: Town,
) -> None:
    for number in range(6):
        offered = {"kind": ("training", "equipment")[number % 2]}
        await town.organisation(f"One {number}", offers=[offered], languages=["en", "fr"][: 1 + number // 3])
    project = await town.published("schools")
    await town.settle()
    page = await town.list_of(project, "need=n2")
    lines = of_jsonl(await fetch(town, f"lists/{project}.jsonl?need=n2"))
    ranks = [line["rank"] for line in lines]
    assert ranks == [row["rank"] for row in page["candidates"]]
    assert ranks != sorted(ranks)
    path = f"/v1/exports/lists/{project}.csv?need={uuid_of('no need')}"
    for method, headers in (("GET", {}), ("HEAD", {}), ("GET", {"If_None_Match": '"x"'})):
        assert (await town.call(method, path, **headers)).status_code == 400


async def test_what_is_exported_is_what_is_read(town: Town) -> None:
    project = await world(town)
    page = await town.list_of(project)
    lines = of_jsonl(await fetch(town, f"lists/{project}.jsonl"))
    for name in ("rank", "organisation", "points", "fit", "band", "above_floor", "name", "labels", "steps"):
        assert [line[name] for line in lines] == [row[name] for row in page["candidates"]]
    assert {line["epoch"] for line in lines} == {page["epoch"]}
    assert {line["list_version"] for line in lines} == {page["list_version"]}
    kenyan = of_jsonl(await fetch(town, f"lists/{project}.jsonl?country=KEN"))
    assert kenyan == [line for line in lines if line["hq_country"] == "KEN"]
    open_ones = of_jsonl(await fetch(town, "projects.jsonl", who="nobody"))
    assert [(one["id"], one["regions"], one["need_kinds"]) for one in open_ones] == [
        (project, ["AFR"], ["training", "equipment"])
    ]
    assert await fetch(town, "projects.jsonl?region=ARB") == b""
    everybody = of_jsonl(await fetch(town, "organisations.jsonl", who="nobody"))
    assert {one["legal_name"] for one in everybody} == {f"One {number}" for number in range(6)}
    listed = (await town.get("/v1/organisations?limit=200", who="nobody"))["items"]
    for one in listed:
        [line] = [line for line in everybody if line["id"] == one["id"]]
        assert line == line | {name: value for name, value in one.items() if name != "view"}


async def test_a_file_is_as_of_the_last_change_that_may_be_in_it(town: Town) -> None:
    async def as_of(path: str, who: str = "bdt_admin") -> Any:
        return of_jsonl(await fetch(town, path, who=who))[0]["data_as_of"]

    await town.organisation("One")
    project = await town.published("schools")
    await town.settle()
    before = await as_of("projects.jsonl", "nobody")
    await town.draft("a draft")
    await town.settle()
    assert await as_of("projects.jsonl", "nobody") == before  # nobody learns when a draft was touched
    await town.published("clinics")
    await town.step(project, "close", body={"reason": "Found."})
    await town.settle()
    assert await as_of("projects.jsonl", "nobody") > before
    [line] = of_jsonl(await fetch(town, f"lists/{project}.jsonl"))
    await town.organisation("One", legal_name="One and others")
    await town.settle()
    [renamed] = of_jsonl(
        await fetch(town, f"lists/{project}.jsonl")
    )  # closed: as it was, with names of today
    assert renamed["name"] == "One and others"
    assert renamed["data_as_of"] == await as_of("organisations.jsonl") > line["data_as_of"]


@pytest.mark.parametrize("file", ["organisations.csv", "exposure.jsonl"])
async def test_a_filter_of_projects_is_refused_where_it_would_choose_nothing(town: Town, file: str) -> None:
    answer = await town.call("GET", f"/v1/exports/{file}?region=AFR&level=global")
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown-parameter")
    assert [one["parameter"] for one in answer.json()["errors"]] == ["level", "region"]
    assert (await town.call("GET", "/v1/exports/projects.csv?region=AFR&level=global")).status_code == 200


@pytest.mark.parametrize("form", ["csv", "xlsx"])
async def test_no_text_becomes_a_formula_a_link_a_number_or_markup(town: Town, form: str) -> None:
    names = [
        *(f"{formula} {number}" for number, formula in enumerate(FORMULAS)),
        "https://a.example/",
        "1e5",
        "<r><t>One 1</t></r>",
        "<r>nothing</r>",
        "<r><t>a & b</t></r>",
    ]
    for number, name in enumerate(names):
        answer = await town.call("PUT", f"/v1/organisations/{uuid_of(str(number))}", organisation_named(name))
        assert answer.status_code == 201, answer.text
    await town.settle()
    content = await fetch(town, f"organisations.{form}", who="nobody")
    if form == "csv":
        told = {row["legal_name"] for row in of_csv(content)}
        assert {f"'{name}" for name in names[: len(FORMULAS)]} | set(names[len(FORMULAS) :]) == told
        return
    book, rows = of_xlsx(content)
    assert {row["legal_name"].strip() for row in rows} == {name.strip() for name in names}
    cells = [
        cell for row in book.worksheets[0].iter_rows(min_row=2) for cell in row if cell.value is not None
    ]
    assert {cell.data_type for cell in cells} <= {"s", "b", "d"}
    assert not [cell for cell in cells if cell.hyperlink]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Foo;=1+1;y", "Foo;'=1+1;y"),
        ('Foo; "=1+1"', 'Foo; "\'=1+1"'),
        ("a|+b", "a|'+b"),
        ("Fibre; copper - and more", "Fibre; copper - and more"),
    ],
)
async def test_no_part_of_a_text_becomes_a_formula_where_cells_end_at_a_semicolon(
    town: Town, name: str, told: str
) -> None:
    answer = await town.call("PUT", f"/v1/organisations/{uuid_of('x')}", organisation_named(name))
    assert answer.status_code == 201, answer.text
    await town.settle()
    [row] = of_csv(await fetch(town, "organisations.csv", who="nobody"))
    assert row["legal_name"] == told


def organisation_named(name: str) -> dict[str, Any]:
    from tests.services.matches.town import organisation

    return organisation(name)


async def test_a_list_is_exported_as_far_as_it_may_be_seen(town: Town) -> None:
    project = await world(town)
    own = town.bearer("organisation_reader", organisation=uuid_of("One 2"))
    for form in ("csv", "jsonl"):
        content = await fetch(town, f"lists/{project}.{form}", who=own)
        rows = of_csv(content) if form == "csv" else of_jsonl(content)
        assert [row["organisation"] for row in rows] == [uuid_of("One 2")]
        assert not [n for n in range(6) if n != 2 and uuid_of(f"One {n}").encode() in content]
    for who, status in ((town.bearer("project_manager", sub="m-9"), 403), ("nobody", 401), ("auditor", 200)):
        assert (await town.call("GET", f"/v1/exports/lists/{project}.csv", who=who)).status_code == status
    for path in ("people.csv", "projects.pdf", "projects.parquet", f"lists/{uuid_of('none')}.csv"):
        assert (await town.call("GET", f"/v1/exports/{path}")).status_code in {400, 404}
    await town.step(project, "close", body={"reason": "Found."})
    await town.settle()
    closed = of_jsonl(await fetch(town, f"lists/{project}.jsonl"))
    assert [row["rank"] for row in closed] == list(range(1, 7))
    assert [(row["points"], row["confidence"]) for row in closed] == [
        (row["points"], None) for row in (await town.list_of(project))["candidates"]
    ]
    assert of_jsonl(await fetch(town, "projects.jsonl")) == []
