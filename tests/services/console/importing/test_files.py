import gzip
import json
from pathlib import Path

import pytest

from services.console.importing.files import MAX_ROW_BYTES, BadRow, FileFault, Row, read_rows


def rows(path: Path, *columns: str) -> list[Row | BadRow]:
    return list(read_rows(path, columns=columns))


@pytest.fixture
def write(tmp_path: Path):
    def make(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_csv_with_any_of_the_delimiters(write, mark: str) -> None:
    path = write("a.csv", f'id{mark}name\n1{mark}"Ann{mark} Bo"\n\n2{mark}Cy\n')
    assert rows(path, "id", "name") == [
        Row(2, {"id": "1", "name": f"Ann{mark} Bo"}),
        Row(4, {"id": "2", "name": "Cy"}),
    ]


def test_a_byte_order_mark_is_no_part_of_the_first_column(write) -> None:
    assert rows(write("a.csv", b"\xef\xbb\xbfid,name\n1,A\n"), "id") == [Row(2, {"id": "1", "name": "A"})]
    assert rows(write("a.jsonl", b'\xef\xbb\xbf{"id": 1}\n')) == [Row(1, {"id": 1})]


def test_utf16_is_refused_with_a_sentence(write) -> None:
    with pytest.raises(FileFault, match="UTF-16; save it as UTF-8"):
        rows(write("a.csv", "id,name\n1,A\n".encode("utf-16")), "id")


def test_a_wrong_delimiter_is_told_as_missing_columns(write) -> None:
    with pytest.raises(FileFault, match=r"lacks the columns id, name: .*comma, semicolon, tab.*id\|name"):
        rows(write("a.csv", "id|name\n1|A\n"), "id", "name")


def test_what_cannot_be_read_is_told_with_the_words_that_mend_it(write) -> None:
    listed, spread = '[{"id": 1}]', '[\n {\n  "id": 1\n }\n]\n'
    for name, content, said in (
        ("a.json", listed, r"one object a line: jq -c '\.\[\]' a\.json > a\.jsonl$"),
        ("a.json.gz", gzip.compress(listed.encode()), r"gzip -dc a\.json\.gz \| jq -c '\.\[\]' > a\.jsonl$"),
        ("a.jsonl", spread, r"jq -c '\.\[\]' a\.jsonl > rows\.jsonl$"),
        ("a.json", spread[1:-2].strip(), r"spread over lines.*jq -c \. a\.json > a\.jsonl$"),
        ("a.csv", "id|name\n1|A\n", r"Save it with one of these"),
        ("a.csv", "id,nam\n1,A\n", r"Name the columns so, or change the map"),
    ):
        with pytest.raises(FileFault, match=said):
            rows(write(name, content), "id", "name")


def test_a_missing_column_is_named(write) -> None:
    with pytest.raises(FileFault, match="lacks the column country"):
        rows(write("a.csv", "id,name\n1,A\n"), "id", "country")


def test_two_columns_of_one_name_are_refused(write) -> None:
    with pytest.raises(FileFault, match="two columns named id"):
        rows(write("a.csv", "id,id\n1,2\n"), "id")


def test_a_row_with_too_many_cells_costs_only_itself(write) -> None:
    first, second = rows(write("a.csv", "id,name\n1,A,B\n2,C\n"), "id")
    assert isinstance(first, BadRow)
    assert (first.line, first.rule) == (2, "cells")
    assert second == Row(3, {"id": "2", "name": "C"})


def test_a_quote_that_is_never_closed_is_a_bad_row(write) -> None:
    (only,) = rows(write("a.csv", 'id,name\n1,"A\n2,B\n3,C\n'), "id")
    assert isinstance(only, BadRow)
    assert (only.line, only.rule) == (2, "csv")
    assert only.detail.endswith("lines 2 to 4 were read as one row")
    joined, last = rows(write("b.csv", 'id,name\n1,"A\n2,"",B"\n3,"C",D\n'), "id")
    assert isinstance(joined, Row)
    assert isinstance(last, BadRow)
    assert "one row" not in last.detail
    (cells,) = rows(write("c.csv", 'id,name\n1,"A\n2",B\n'), "id")
    assert isinstance(cells, BadRow)
    assert cells.detail.endswith("lines 2 to 3 were read as one row")


def test_json_lines_plain_and_packed(write) -> None:
    lines = '{"id": 1}\n\n{"id": 2}\n'
    expected = [Row(1, {"id": 1}), Row(3, {"id": 2})]
    assert rows(write("a.jsonl", lines)) == expected
    assert rows(write("a.jsonl.gz", gzip.compress(lines.encode()))) == expected
    assert rows(write("unnamed", lines)) == expected


@pytest.mark.parametrize(
    "line", ["{", "[1]", '"a"', '{"a": NaN}', '{"a": 1, "a": 2}', "{" * 5000, "[" * 90_000]
)
def test_a_line_that_is_no_object_costs_only_itself(write, line: str) -> None:
    first, second = rows(write("a.jsonl", line + '\n{"id": 2}\n'))
    assert isinstance(first, BadRow)
    assert (first.line, first.rule) == (1, "json")
    assert second == Row(2, {"id": 2})


def test_a_row_of_a_megabyte_costs_only_itself(write) -> None:
    long = json.dumps({"id": 1, "text": "x" * 1_000_000})
    first, second = rows(write("a.jsonl", long + '\n{"id": 2}\n'))
    assert isinstance(first, BadRow)
    assert (first.line, first.rule) == (1, "row-size")
    assert second == Row(2, {"id": 2})
    bad, good = rows(write("a.csv", "id,text\n1," + "x" * (MAX_ROW_BYTES + 5) + "\n2,y\n"), "id")
    assert isinstance(bad, BadRow)
    assert bad.rule == "row-size"
    assert good == Row(3, {"id": "2", "text": "y"})


def test_a_cell_of_a_megabyte_over_many_lines_costs_only_its_row(write) -> None:
    cell = "\n".join(f"{n:04} " + "x" * 1000 for n in range(1000))
    text = f'id,name\n1,Alpha\n2,"{cell}"\n3,"Gam\nma"\n4,Delta\n'
    first, bad, third, fourth = rows(write("a.csv", text))
    assert isinstance(bad, BadRow)
    assert (first.line, bad.line, bad.rule, bad.fix) == (2, 3, "csv", "Shorten its texts, or split it.")
    assert (third.line, third.values["name"]) == (1003, "Gam\nma")
    assert (fourth.line, fourth.values) == (1005, {"id": "4", "name": "Delta"})


def test_a_line_that_is_no_utf8_costs_only_itself(write) -> None:
    first, second = rows(write("a.csv", b"id,name\n1,caf\xe9\n2,A\n"), "id")
    assert isinstance(first, BadRow)
    assert (first.line, first.rule) == (2, "utf-8")
    assert second == Row(3, {"id": "2", "name": "A"})


def test_a_truncated_gzip_gives_its_rows_and_then_one_sentence(write) -> None:
    lines = "".join(json.dumps({"id": n, "text": f"{n * 7919 % 10007}" * 20}) + "\n" for n in range(3000))
    packed = gzip.compress(lines.encode())
    found = read_rows(write("a.jsonl.gz", packed[: len(packed) // 2]))
    assert next(found) == Row(1, json.loads(lines.splitlines()[0]))
    with pytest.raises(FileFault, match="truncated gzip file: it ends in the middle of line"):
        list(found)


def test_lines_that_end_in_a_carriage_return_alone_are_told(write) -> None:
    with pytest.raises(FileFault, match="no header that can be read"):
        rows(write("a.csv", "id,name\r1,A\r"), "id")


@pytest.mark.parametrize("content", ['[{"id": 1}, {"id": 2}]', '[\n  {"id": 1}\n]\n'])
def test_a_list_of_json_is_no_csv(write, content: str) -> None:
    with pytest.raises(FileFault, match=r"is one JSON value, not one object a line: jq -c"):
        rows(write("a.json", content))
    with pytest.raises(FileFault, match="jq -c"):
        rows(write("a", content))


def test_rows_of_csv_are_no_bodies(write) -> None:
    for name, content in (("a.csv", "id,legal_name\n1,A\n"), ("a.txt", "id|legal_name\n1|A\n")):
        with pytest.raises(FileFault, match=r"is CSV, .* --map"):
            list(read_rows(write(name, content), columns=None))
    assert list(read_rows(write("a.jsonl", '{"id": 1}\n'), columns=None)) == [Row(1, {"id": 1})]


def test_an_empty_file_is_told(write) -> None:
    with pytest.raises(FileFault, match="empty"):
        rows(write("a.csv", ""))


@pytest.mark.parametrize(
    ("name", "content"), [("a.jsonl", "\n \n"), ("a.csv", "id,name\n"), ("a.csv", "id,name\n\n")]
)
def test_a_file_without_a_row_is_told_as_an_empty_one(write, name: str, content: str) -> None:
    with pytest.raises(FileFault, match="holds no row"):
        rows(write(name, content))


@pytest.mark.parametrize(
    ("line", "rule", "detail"),
    [
        ('{"id": ' + "9" * 5_000 + "}", "number-range", "too large"),
        ('{"id": 1e999}', "number-range", "too large"),
        ('{"id": ' + "[" * 100_000, "json", "nested too deeply"),
        ('{"id": }', "json", "Expecting value at column 8"),
    ],
)
def test_what_is_wrong_with_a_line_is_told_without_a_word_of_the_library(write, line, rule, detail) -> None:
    bad, good = rows(write("a.jsonl", line + '\n{"id": [{"x": {}}]}\n'))
    assert isinstance(bad, BadRow)
    assert (bad.line, bad.rule) == (1, rule)
    assert detail in bad.detail
    told = f"{bad.detail} {bad.fix}"
    assert not [word for word in ("sys.", "digits", "flat", "line 1", "body") if word in told], told
    assert good == Row(2, {"id": [{"x": {}}]})
