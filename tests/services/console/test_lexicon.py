import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from matching.analysis import Analyser
from matching.lexicon import compile_lexicon
from matching.proposing import LEAST_COSINE, proposals, unknown_words
from matching.records import Text
from services.console.lexicon import SHIPPED, app, read, write

LINE = {
    "id": "radio",
    "status": "proposed",
    "provenance": "test",
    "terms": {"en": ["radio"], "fr": ["radio"]},
}
WHOLE = LINE | {
    "terms": {
        "en": ["radio"], "fr": ["radio"], "es": ["radio"], "ru": ["радио"], "ar": ["راديو"], "zh": ["无线电"]
    }
}  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "lexicon.json"
    write(found, {"version": 2, "concepts": [LINE]})
    return found


def test_the_shipped_lexicon_has_no_fault() -> None:
    found = CliRunner().invoke(app, ["check"])
    assert found.exit_code == 0, found.stderr
    assert "0 faults" in found.stdout


def test_the_shipped_file_is_as_the_command_writes_it(tmp_path: Path) -> None:
    again = tmp_path / "again.json"
    write(again, read(SHIPPED))
    assert again.read_bytes() == SHIPPED.read_bytes()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"status": "sure"}, "status 'sure'"),
        ({"terms": {"en": ["the"]}}, "is not one run of words"),
        ({"discount": 2000}, "discount 2000"),
        ({"status": "reviewed"}, "has no term in ar, es, ru, zh"),
        ({"terms": {"fr": ["sans fil"]}}, "means the opposite"),
    ],
)
def test_a_fault_is_named_with_its_concept(tmp_path: Path, change: dict[str, object], sentence: str) -> None:
    wrong = tmp_path / "lexicon.json"
    write(wrong, {"version": 2, "concepts": [LINE | change]})
    found = CliRunner().invoke(app, ["check", "--file", str(wrong)])
    assert found.exit_code == 5
    assert "radio" in found.stderr
    assert sentence in found.stderr


def test_a_line_is_taken_or_rejected_and_stays_in_the_file(file: Path) -> None:
    run = CliRunner()
    assert json.loads(run.invoke(app, ["review", "--file", str(file)]).stdout) == LINE
    write(file, {"concepts": [WHOLE]})
    assert run.invoke(app, ["review", "radio", "--accept", "--file", str(file)]).exit_code == 0
    assert read(file)["concepts"][0]["status"] == "reviewed"
    assert run.invoke(app, ["review", "radio", "--reject", "--file", str(file)]).exit_code == 0
    assert read(file)["concepts"] == [WHOLE | {"status": "rejected"}]
    assert run.invoke(app, ["review", "nothing", "--file", str(file)]).exit_code == 5


@pytest.mark.parametrize(
    "terms", [LINE["terms"], WHOLE["terms"] | {"en": ["the"]}, WHOLE["terms"] | {"fr": []}]
)
def test_a_line_with_a_fault_is_not_taken_and_the_file_stays(file: Path, terms: dict[str, list[str]]) -> None:
    write(file, {"concepts": [WHOLE | {"terms": terms}]})
    before = file.read_bytes()
    found = CliRunner().invoke(app, ["review", "radio", "--accept", "--file", str(file)])
    assert (found.exit_code, file.read_bytes()) == (5, before)
    assert "radio" in found.stderr


def test_what_is_no_lexicon_file_is_refused_with_a_sentence(tmp_path: Path) -> None:
    wrong_lines = [
        WHOLE | {"terms": ["radio"]},
        WHOLE | {"id": 7},
        WHOLE | {"status": []},
        WHOLE | {"terms": {"en": "radio"}},
    ]
    lines = [json.dumps({"concepts": [line]}) for line in wrong_lines]
    for content in ("[", "{}", '{"concepts": [{"id": "x"}]}', *lines):
        wrong = tmp_path / "wrong.json"
        wrong.write_text(content, "utf-8")
        assert CliRunner().invoke(app, ["check", "--file", str(wrong)]).exit_code == 5


def test_words_that_no_concept_covers_are_found_in_their_commonest_form() -> None:
    analyser = Analyser()
    lexicon = compile_lexicon({"concepts": [LINE | {"status": "reviewed"}]}, analyser)
    texts = [
        Text(language="en", text="Radio masts"),
        Text(language="en", text="A mast; two masts; one radio"),
    ]
    assert unknown_words(texts, lexicon, analyser) == {"en": ["masts"]}
    assert unknown_words(texts, lexicon, analyser, least=1)["en"][0] == "masts"


def test_only_mutual_neighbours_above_the_threshold_are_proposed() -> None:
    rng = np.random.default_rng(7)
    meaning = rng.normal(size=(40, 64)).astype(np.float32)
    words = {"en": [f"e{n}" for n in range(40)], "fr": [f"f{n}" for n in range(40)]}
    vectors = {"en": meaning, "fr": meaning + 0.2 * rng.normal(size=meaning.shape).astype(np.float32)}
    found = proposals(words, vectors, provenance="noise")
    assert [line["terms"]["fr"] for line in found] == [[f"f{n}"] for n in range(40)]
    assert {line["status"] for line in found} == {"proposed"}
    assert all(1000 * LEAST_COSINE <= line["discount"] <= 600 for line in found)
    unrelated = vectors | {"fr": rng.normal(size=meaning.shape).astype(np.float32)}
    assert proposals(words, unrelated, provenance="noise") == []
    assert proposals({"fr": ["f"]}, {"fr": meaning[:1]}, provenance="noise") == []
