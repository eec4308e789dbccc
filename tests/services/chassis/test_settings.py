"""Settings: every source, every unknown key refused, no secret shown, and a default file that is the truth."""

import json
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.chassis.database import url_for
from services.chassis.settings import Settings, SettingsError, load_settings, paths
from services.console.effective import default_file, describe
from services.console.settings import app

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: Any) -> None:
    import os

    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.upper().startswith("COMITY_")]:
        monkeypatch.delenv(name)


def test_the_file_in_the_repository_is_the_generated_one() -> None:
    assert (ROOT / "deploy" / "comity.toml").read_text("utf-8") == default_file(), (
        "run: comity settings default > deploy/comity.toml"
    )


def test_the_default_file_changes_nothing_as_it_is_and_when_uncommented() -> None:
    text = default_file()
    defaults = load_settings()
    assert tomllib.loads(text) is not None
    uncommented = "\n".join(
        line[2:]
        if line.startswith("# ") and line[2:].split(" = ")[0].isidentifier() and " = " in line
        else line
        for line in text.split("\n")
    )
    Path("comity.toml").write_text(uncommented)
    assert load_settings() == defaults
    assert len(tomllib.loads(uncommented)["http"]) >= 8


def test_the_later_source_wins(monkeypatch: Any) -> None:
    Path("comity.toml").write_text("[http]\nport = 1001\nhost = '127.0.0.2'\nmax_body_bytes = 2000\n")
    monkeypatch.setenv("COMITY_HTTP__PORT", "1002")
    monkeypatch.setenv("COMITY_HTTP__HOST", "127.0.0.3")
    settings = load_settings(http={"port": 1003})
    assert (settings.http.port, settings.http.host, settings.http.max_body_bytes) == (1003, "127.0.0.3", 2000)
    Path("other.toml").write_text("[http]\nport = 1004\n")
    monkeypatch.setenv("COMITY_CONFIG", "other.toml")
    monkeypatch.delenv("COMITY_HTTP__PORT")
    assert load_settings().http.port == 1004


def test_the_file_that_is_read_is_named(monkeypatch: Any) -> None:
    def named() -> str:
        shown = CliRunner().invoke(app, ["show"])
        assert json.loads(shown.stdout)["http.port"] == load_settings().http.port
        return shown.stderr

    assert "No settings file" in named()
    for name in ("comity.toml", "other.toml"):
        Path(name).write_text("[http]\nport = 1004\n")
        if name != "comity.toml":
            monkeypatch.setenv("COMITY_CONFIG", name)
        assert named() == f"The settings file that is read here is {Path(name).resolve()}.\n"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("COMITY_HTTP__PROT", "COMITY_HTTP__PORT"),
        ("COMITY_HTTP_PORT", "COMITY_HTTP__PORT"),
        ("COMITY_NONSENSE", "names no setting"),
        ("comity_data_floder", "COMITY_DATA_FOLDER"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_name(monkeypatch: Any, name: str, hint: str) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError, match=name) as caught:
        load_settings()
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[http]\nprot = 1\n", "There is no setting http.prot. Did you mean http.port?"),
        ("[htpp]\nport = 1\n", "There is no setting htpp"),
        ("nonsense = 1\n", "There is no setting nonsense"),
        ("[http]\nport = 70000\n", "http.port"),
        ("[http]\nport = 'many'\n", "http.port"),
        ("[http\n", "cannot be read"),
        ("[log]\ntransport = 'rabbit'\n", "log.transport"),
        ("public_url = 'http://x/'\n", "public_url"),
        ("[kafka]\nreplication_factor = 1\n", "min_insync_replicas (2) is above replication_factor (1)"),
    ],
)
def test_a_wrong_file_is_refused_with_the_key_at_fault(text: str, said: str) -> None:
    Path("comity.toml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert said in str(caught.value)


def test_a_named_file_must_exist(monkeypatch: Any) -> None:
    monkeypatch.setenv("COMITY_CONFIG", "nowhere.toml")
    with pytest.raises(SettingsError, match=r"nowhere\.toml"):
        load_settings()


def test_secrets_are_never_shown() -> None:
    settings = load_settings(
        database={"url": "postgresql+asyncpg://me:hush@db/comity"}, http={"cursor_key": "hush" * 10}
    )
    for shown in (repr(settings), str(describe(settings)), settings.model_dump_json()):
        assert "hush" not in shown
    assert describe(settings)["database.url"] == "(set, hidden)"
    assert describe(load_settings())["database.url"] is None
    assert set(describe(settings)) == set(paths())


@pytest.mark.parametrize("key", ["COMITY_DATABASE__URL", "COMITY_LOG__URL"])
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://me:hush@db/comity", "it begins with mysql"),
        ("postgresql://me:hush@db/comity", "it begins with postgresql"),
        ("postgresql+asyncpg://me:hush@db:port/comity", "no URL"),
        ("hush", "no URL"),
        ("", "no URL"),
    ],
)
def test_a_database_that_comity_cannot_use_is_refused_by_its_url(
    monkeypatch: Any, key: str, url: str, said: str
) -> None:
    monkeypatch.setenv(key, url)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert said in str(caught.value)
    assert "postgresql+asyncpg://" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_tombstone_that_would_go_before_what_it_erases_is_refused(monkeypatch: Any) -> None:
    monkeypatch.setenv("COMITY_LOG__TOMBSTONE_SECONDS", "604799")
    with pytest.raises(SettingsError, match="below compaction_lag_seconds"):
        load_settings()
    monkeypatch.setenv("COMITY_LOG__COMPACTION_LAG_SECONDS", "604799")
    assert load_settings().log.tombstone_seconds == 604_799


@pytest.mark.parametrize("key", ["COMITY_HTTP__TRUSTED_PROXIES", "COMITY_NOTIFICATIONS__ALLOWED_NETWORKS"])
@pytest.mark.parametrize(
    "networks", ["gateway", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/8; fd00::/8", "*, ::1"]
)
def test_what_is_no_list_of_networks_is_refused(monkeypatch: Any, key: str, networks: str) -> None:
    monkeypatch.setenv(key, networks)
    with pytest.raises(SettingsError, match="write networks, parted by commas") as caught:
        load_settings()
    assert key.rpartition("__")[2].lower() in str(caught.value)


@pytest.mark.parametrize(
    "sender",
    [
        "",
        "Comity",
        "Comity <no-reply@>",
        "Comity <no-reply@example.org",
        "Comity <no reply@example.org>",
        "Comity, BDT <no-reply@example.org>",
        "no-reply@example@org",
        "one@example.org, another@example.org",
        "Büro <büro@example.org>",
        "Comity <no-reply@bücher.example>",
        "Comity\r\nBcc: all@example.org <no-reply@example.org>",
    ],
)
def test_a_sender_that_no_mail_can_come_from_is_refused_at_the_start(monkeypatch: Any, sender: str) -> None:
    monkeypatch.setenv("COMITY_MAIL__SENDER", sender)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "mail.sender" in str(caught.value)
    assert "Comity <no-reply@example.org>" in str(caught.value)


@pytest.mark.parametrize(
    "sender",
    [
        "no-reply@example.org",
        "Comité <no-reply@example.org>",
        '"Comity, BDT" <no-reply@example.org>',
        "comity@localhost",
    ],
)
def test_a_sender_with_or_without_a_name_is_taken_as_it_is(monkeypatch: Any, sender: str) -> None:
    monkeypatch.setenv("COMITY_MAIL__SENDER", sender)
    assert load_settings().mail.sender == sender


@pytest.mark.parametrize("public", [None, "http://comity.example"])
def test_mails_whose_links_only_this_machine_opens_are_refused_at_the_start(
    monkeypatch: Any, public: str | None
) -> None:
    if public is not None:
        monkeypatch.setenv("COMITY_PUBLIC_URL", public)
    for host in ("127.0.0.1", "::1", "localhost"):  # a mail server for trying out
        monkeypatch.setenv("COMITY_MAIL__HOST", host)
        assert load_settings().mail.host == host
    monkeypatch.setenv("COMITY_MAIL__HOST", "relay.example")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    for said in ("mail", "relay.example", f"is {public or 'none'};", "https://comity.example.org"):
        assert said in str(caught.value)
    monkeypatch.setenv("COMITY_PUBLIC_URL", "https://comity.example")
    assert load_settings().mail.host == "relay.example"


def test_the_data_folder_is_its_owners_alone_and_must_be_one(tmp_path: Path) -> None:
    url_for(load_settings(data_folder=tmp_path / "outer" / "var"), "members")
    assert stat.S_IMODE((tmp_path / "outer" / "var").stat().st_mode) == 0o700
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(SettingsError, match=r"data_folder names .*file.* COMITY_DATA_FOLDER"):
            url_for(load_settings(data_folder=folder), "members")


def test_every_setting_is_explained() -> None:
    assert [path for path, (_, description) in paths().items() if not description] == []
    assert [name for name, field in Settings.model_fields.items() if field.is_required()] == []


def test_what_follows_from_the_public_address() -> None:
    settings = load_settings(public_url="https://comity.example")
    assert (settings.issuer, settings.jwks_url) == (
        "https://comity.example",
        "https://comity.example/v1/jwks",
    )


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8099"),
        ("0.0.0.0", "http://127.0.0.1:8099"),  # noqa: S104 - compared with, not bound to
        ("::1", "http://[::1]:8099"),
    ],
)
def test_without_a_public_address_it_follows_from_host_and_port(host: str, address: str) -> None:
    settings = load_settings(http={"host": host, "port": 8099})
    assert settings.own_address == settings.address == settings.issuer == address
    assert load_settings(http={"host": host}, public_url="https://comity.example").address == (
        "https://comity.example"
    )
