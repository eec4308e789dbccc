import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from matching.epoch import Epoch
from matching.weights import Weights
from services.__main__ import app as comity
from services.chassis.reference import load_reference
from services.chassis.settings import SettingsError
from services.console.corpus import geography
from services.console.epoch import app, built
from services.console.loading import DEMO_FOLDER
from services.matches.commands import first_epoch
from services.matches.commands.frame import read_first

VILLAGE = {
    "id": "018f3c2a-7d10-7000-8000-000000000001",
    "descriptions": [{"language": "en", "text": "Village radio links"}],
}
AGAIN = "comity epoch build --out services/matches/epochs/first.json"


@pytest.fixture(scope="module")
def rebuilt() -> tuple[bytes, str]:
    return built(DEMO_FOLDER)


def test_the_shipped_epoch_is_what_the_repository_gives(rebuilt: tuple[bytes, str]) -> None:
    content, digest = rebuilt
    shipped = first_epoch(None)
    assert digest == Epoch.loads(shipped).hash, f"texts, lexicon or weights changed; run: {AGAIN}"
    assert content == shipped


def test_an_epoch_is_named_by_its_bytes(rebuilt: tuple[bytes, str]) -> None:
    content, digest = rebuilt
    assert Epoch.loads(content).hash == digest
    assert json.loads(content)["corpus"]["pairs"] > 4000


def test_a_folder_without_texts_is_refused_with_a_sentence(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["build", "--out", str(tmp_path / "e.json"), "--from", str(tmp_path)])
    assert found.exit_code == 5
    assert "there is no text in the corpus" in found.stderr
    assert not (tmp_path / "e.json").exists()


def test_a_folder_of_the_same_shape_gives_an_epoch_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "organisations.jsonl").write_text(json.dumps(VILLAGE) + "\n", "utf-8")
    out = tmp_path / "new" / "e.json"
    found = CliRunner().invoke(app, ["build", "--out", str(out), "--from", str(tmp_path), "--json"])
    assert found.exit_code == 0, found.stderr
    assert (
        json.loads(found.stdout)["hash"]
        == Epoch.loads(out.read_bytes()).hash
        != Epoch.loads(first_epoch(None)).hash
    )


def test_another_lexicon_and_another_table_go_into_the_epoch(tmp_path: Path) -> None:
    (tmp_path / "organisations.jsonl").write_text(json.dumps(VILLAGE) + "\n", "utf-8")
    line = {"id": "link", "status": "reviewed", "terms": {"en": ["radio link"], "fr": ["liaison radio"]}}
    lexicon, table, out = (tmp_path / name for name in ("lexicon.json", "weights.json", "e.json"))
    lexicon.write_text(json.dumps({"concepts": [line]}), "utf-8")
    table.write_text(json.dumps(Weights().to_json() | {"version": 77, "k1": 900}), "utf-8")
    asked = ["build", "--out", str(out), "--from", str(tmp_path)]
    found = CliRunner().invoke(app, [*asked, "--lexicon", str(lexicon), "--weights", str(table)])
    assert found.exit_code == 0, found.stderr
    epoch = Epoch.loads(out.read_bytes())
    assert (epoch.weights.version, epoch.weights.k1) == (77, 900)
    assert set(epoch.lexicon.concepts) == {"link"}
    out.unlink()
    for option, file, content in (
        ("--lexicon", lexicon, "{}"),
        ("--lexicon", lexicon, json.dumps({"concepts": [line | {"status": "sure"}]})),
        ("--weights", table, "{}"),
        ("--weights", table, json.dumps(Weights().to_json() | {"k1": -1})),
    ):
        file.write_text(content, "utf-8")
        found = CliRunner().invoke(app, [*asked, option, str(file)])
        assert (found.exit_code, out.exists()) == (5, False)
        assert str(file) in found.stderr


def test_a_file_that_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    out = str(tmp_path / "file" / "e.json")
    for verb in (["epoch", "build", "--out", out], ["evaluate", str(tmp_path), "--save-epoch", out]):
        found = CliRunner().invoke(comity, verb)
        assert found.exit_code == 2, found.output
        assert f"{out} cannot be written" in found.stderr


@pytest.mark.parametrize("content", ["{broken", "{}", None])
def test_a_first_epoch_that_is_none_ends_the_start_with_the_setting(
    tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "epoch.json"
    if content is not None:
        file.write_text(content, "utf-8")
    with pytest.raises(SettingsError, match=r"matches\.epoch_file names .*epoch\.json"):
        read_first(file)


def test_the_last_day_of_a_group_lies_inside_it() -> None:
    reference = load_reference()
    term = next(term for term in reference.group_terms if term.valid_to is not None and term.group == "ldc")
    groups = geography(reference)
    last = str(term.valid_to.toordinal() - 1)
    day = type(term.valid_to).fromordinal(int(last))
    assert term.country in groups.members_of("ldc", day.isoformat())
    assert term.country not in groups.members_of("ldc", term.valid_to.isoformat())


@pytest.mark.parametrize("verb", [["diff"], ["publish", "--url", "http://127.0.0.1:9", "--token", "any"]])
@pytest.mark.parametrize("content", ["{broken", "{}", '[project]\nname = "map"\n'])
def test_a_file_that_is_no_epoch_is_told_before_anybody_is_asked(
    tmp_path: Path, verb: list[str], content: str
) -> None:
    file = tmp_path / "e.json"
    file.write_text(content, "utf-8")
    found = CliRunner().invoke(app, [*verb, str(file)])
    assert (found.exit_code, found.stdout) == (5, "")
    assert f"{file} cannot be read as an epoch" in found.stderr
