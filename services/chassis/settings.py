"""The one typed tree of settings, read once at start and passed on.

Sources, the later wins: the defaults below, a TOML file (named by COMITY_CONFIG, else ./comity.toml if there is
one), environment variables (COMITY_HTTP__PORT=8081), arguments. Why strict: a misspelt key that is ignored is found
out in production, so an unknown key is an error in the file and in the environment alike. This module must not read
anything after start, and nothing else may read the environment.
"""

import os
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from services.chassis.setting_values import DatabaseUrl, Networks, Proxies, Sender, links_open

PREFIX = "COMITY_"
JWKS_PATH = "/v1/jwks"
TOKENS_PATH = "/v1/tokens"
LONGEST_TOKEN_SECONDS = 86_400
LONGEST_LEEWAY_SECONDS = 300
# Read by the command line, by the installer of parts and by the test suite, never part of the tree.
OUTSIDE_THE_TREE = frozenset(
    {
        "COMITY_CACHE",
        "COMITY_CLIENT_ID",
        "COMITY_CLIENT_SECRET",
        "COMITY_CONFIG",
        "COMITY_TOKEN",
        "COMITY_URL",
        "COMITY_FUZZ_EXAMPLES",
        "COMITY_KAFKA_BOOTSTRAP_SERVERS",
    }
)
TEST_PREFIX = "COMITY_TEST_"


class SettingsError(Exception):
    """The settings cannot be used; the message names every key at fault and what is allowed instead."""


class Section(BaseModel):
    """A group of settings; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Http(Section):
    """The HTTP server."""

    host: str = Field("127.0.0.1", description="address to listen on; loopback unless you say otherwise")
    port: int = Field(8080, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    trusted_proxies: Proxies = Field(
        "",
        description="comma-separated networks (CIDR) of proxies in front, whose X-Forwarded-For says who asks; "
        "* where nothing but such a proxy reaches this process, and the proxy writes that field anew",
    )
    max_body_bytes: int = Field(1_000_000, ge=1_000, description="a larger request body is refused with 413")
    max_json_depth: int = Field(32, ge=4, le=200, description="deeper nested JSON is refused with 400")
    requests_per_minute: int = Field(
        60_000, ge=0, description="per principal, service and process; 0 sets no limit"
    )
    anonymous_requests_per_minute: int = Field(
        6_000,
        ge=0,
        description="per client address, service and process; 0 sets no limit. Both count requests that reach a route: what is "
        "refused before that (no route, a body that cannot be read) is a gateway's to limit",
    )
    token_requests_per_minute: int = Field(600, ge=0, description="tokens asked for, per client address")
    cursor_key: SecretStr | None = Field(
        None,
        min_length=32,
        description="seals cursors; set it where several processes serve one address; none: a file in data_folder",
    )
    wait_seconds: float = Field(30.0, gt=0, description="the longest wait that `Prefer: wait` may ask for")


class Database(Section):
    """Where the services keep their tables."""

    url: DatabaseUrl | None = Field(
        None,
        description="none: one SQLite file per service in data_folder; or postgresql+asyncpg://user:secret@host/name, "
        "with one schema per service; {service} in it becomes the service's name, for a role per service (comity roles)",
    )
    pool_size: int = Field(10, ge=2, description="PostgreSQL connections per service and process")
    busy_seconds: float = Field(10.0, gt=0, description="how long to wait for a lock or a connection")


class Log(Section):
    """The log of events."""

    transport: Literal["sql", "kafka"] = Field(
        "sql", description="sql: the embedded log, for exactly one process; kafka: Apache Kafka"
    )
    url: DatabaseUrl | None = Field(None, description="the embedded log's database; none: data_folder/log.db")
    max_record_bytes: int = Field(
        900_000, ge=1_000, description="a larger event is refused when it is written"
    )
    partitions: int | None = Field(
        None,
        ge=1,
        description="partitions of a topic when it is created; none: what the topic catalogue says",
    )
    poll_seconds: float = Field(0.25, gt=0, description="how often to look for what another process did")
    compaction_lag_seconds: int = Field(
        604_800,
        ge=0,
        description="the embedded log keeps a superseded record at least so long, Kafka about so long at most",
    )
    tombstone_seconds: int = Field(
        2_592_000,
        ge=0,
        description="a tombstone is kept at least so long; no shorter than superseded records",
    )

    @model_validator(mode="after")
    def _erased_for_good(self) -> Self:
        if self.tombstone_seconds < self.compaction_lag_seconds:
            raise ValueError(
                f"tombstone_seconds ({self.tombstone_seconds}) is below compaction_lag_seconds "
                f"({self.compaction_lag_seconds}), so a tombstone would go before what it erases, and who reads the log anew "
                "would bring that back; raise the one or lower the other"
            )
        return self


class DeadLetters(Section):
    """Records that could not be applied are set aside; at a limit their partition halts instead."""

    in_a_row: int = Field(
        50, ge=1, description="a partition halts at the next failure after so many in a row"
    )
    share: float = Field(0.1, gt=0, le=1, description="... and where so large a share of the window failed")
    window: int = Field(1_000, ge=1, description="how many offsets before the failing one are looked at")


class Kafka(Section):
    """Apache Kafka, used where log.transport is "kafka"."""

    bootstrap_servers: str = Field("127.0.0.1:9092", description="comma-separated host:port")
    replication_factor: int = Field(3, ge=1, description="replicas of a topic when it is created")
    min_insync_replicas: int = Field(2, ge=1, description="replicas that must have a record before it counts")
    group_instance_id: str | None = Field(
        None, description="a stable name of this process, so that a restart does not move partitions"
    )
    session_timeout_ms: int = Field(
        15_000, ge=1_000, description="a silent member loses its partitions after this"
    )
    max_poll_interval_ms: int = Field(
        300_000, ge=1_000, description="a member that asks for nothing so long loses its partitions"
    )
    prefix: str = Field(
        "",
        pattern=r"^[a-zA-Z0-9._-]{0,100}$",
        description="put before topics, groups and transactional ids, where several systems share a cluster",
    )

    @model_validator(mode="after")
    def _writable(self) -> Self:
        if self.min_insync_replicas > self.replication_factor:
            raise ValueError(
                f"min_insync_replicas ({self.min_insync_replicas}) is above replication_factor "
                f"({self.replication_factor}), so no write would ever count; lower the one or raise the other"
            )
        return self


class Identity(Section):
    """Tokens and who may issue them."""

    issuer: str | None = Field(None, description="the token's iss; none: the public address")
    audience: str = Field("comity", description="the token's aud; a token for another audience is refused")
    jwks_url: str | None = Field(
        None,
        description="where the keys are; none: the public address with /v1/jwks, and the own one in the process that has them",
    )
    token_seconds: int = Field(
        900, ge=60, le=LONGEST_TOKEN_SECONDS, description="lifetime of a token that we issue"
    )
    leeway_seconds: int = Field(
        30, ge=0, le=LONGEST_LEEWAY_SECONDS, description="tolerated difference between clocks"
    )
    service_key: SecretStr | None = Field(
        None,
        min_length=32,
        description="by which one service proves itself to another; the same for all processes; none: a file in data_folder",
    )


class Matches(Section):
    """The matching worker."""

    poll_seconds: float = Field(
        0.05, gt=0, description="how often to look for documents that another process wrote"
    )
    epoch_file: Path | None = Field(None, description="the epoch to start with; none: the one that ships")
    feed_days: int = Field(396, ge=1, description="superseded entries of the match feed are kept so long")
    streams: int = Field(
        5_000, ge=0, description="streams served at once by a process; long polls are no streams"
    )
    stream_seconds: float = Field(
        3_600.0, gt=0, description="a stream ends after this; its reader comes again with Last-Event-ID"
    )
    heartbeat_seconds: float = Field(
        15.0,
        gt=0,
        description="how often a silent stream gives a sign of life, and its reader's rights are asked",
    )
    slow_reader_seconds: float = Field(
        20.0, gt=0, description="who takes nothing from a stream or a file for so long is cut off"
    )
    exports: int = Field(16, ge=0, description="files made and sent at once; one more is answered 503")
    export_seconds: float = Field(900.0, gt=0, description="a file that was not taken by then is cut off")


class Notifications(Section):
    """Who is told of what: webhooks and digests."""

    poll_seconds: float = Field(0.5, gt=0, description="how often to look for what is due")
    matches_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/]+(/[^\s]*[^\s/])?$",
        description="where the lists' API is asked for reasons; none: this process's own address",
    )
    secret_key: SecretStr | None = Field(
        None,
        min_length=32,
        description="seals webhook secrets, signs links in mails and orders sending; none: a file in data_folder",
    )
    allow_http: bool = Field(
        default=False, description="webhooks to http:// addresses too; for trying things out"
    )
    ports: str = Field(
        "443,8443",
        pattern=r"^[0-9]{1,5}(,[0-9]{1,5})*$|^any$",
        description="ports of webhook addresses, or any",
    )
    allowed_networks: Networks = Field(
        "",
        description="comma-separated networks (CIDR) that webhooks may reach although they are not public",
    )
    public_addresses: bool = Field(
        default=True,
        description="whether webhooks may leave for the internet at all, or for allowed_networks only",
    )
    weekly_cap: int = Field(
        7, ge=1, le=100, description="digests in any seven days, for subscriptions that choose no cap"
    )
    delivery_days: int = Field(
        30,
        ge=8,
        description="messages that have ended are kept in the delivery log for so long, with their attempts",
    )
    notice_days: int = Field(
        396,
        ge=90,
        description="notices are kept for so long; of an open project the newest that was told stays",
    )
    attempt_seconds: float = Field(15.0, gt=0, le=60, description="the whole of one attempt may take so long")
    concurrency: int = Field(
        64,
        ge=1,
        le=1_000,
        description="attempts under way at once in this process, beside slow ones (over 2 s): with those four times as many at most",
    )
    endpoint_concurrency: int = Field(4, ge=1, le=64, description="... to one endpoint, of all processes")
    endpoint_per_second: float = Field(
        50.0, gt=0, le=100_000, description="attempts a second to one endpoint, of all processes"
    )


class Mail(Section):
    """The server that takes e-mail."""

    concurrency: int = Field(16, ge=1, le=1_000, description="mails under way at once in this process")

    host: str | None = Field(
        None,
        description="SMTP server; none: no e-mail leaves, digests wait; one beyond loopback needs an https public_url",
    )
    port: int = Field(25, ge=1, le=65535, description="its port")
    encryption: Literal["none", "starttls", "tls"] = Field("starttls", description="how the line is secured")
    username: str | None = Field(None, description="for its login; none: no login")
    password: SecretStr | None = Field(None, description="for its login")
    sender: Sender = Field("Comity <no-reply@comity.invalid>", description="the From of every mail")
    seconds: float = Field(30.0, gt=0, le=120, description="the longest wait for an answer of the server")


class Lifecycle(Section):
    """Start and stop."""

    stop_seconds: float = Field(20.0, gt=0, description="what has not ended by then is cut off")
    stuck_seconds: float = Field(
        300.0,
        gt=0,
        description="a consumer that moves nothing for so long, though records wait, ends its process",
    )


class Telemetry(Section):
    """Logs and traces."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="the least level that is written"
    )
    format: Literal["json", "text"] = Field("json", description="one JSON object a line, or text for people")
    traces_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/]+(/[^\s]*)?$",
        description="where spans are sent by OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces; none: none are made",
    )
    traces_share: float = Field(
        1.0, ge=0, le=1, description="the share of traces that is kept, the same ones in every process"
    )


class TomlFile(InitSettingsSource):
    """The settings file as a source: every key in it must exist."""

    def __init__(self, settings_cls: type[BaseSettings], path: Path | None) -> None:
        content: dict[str, Any] = {}
        if path is not None:
            try:
                content = tomllib.loads(path.read_text("utf-8-sig"))
            except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
                raise SettingsError(f"The settings file {path} cannot be read: {error}") from error
        super().__init__(settings_cls, _without_nones(content))


class Settings(BaseSettings):
    """Everything that can be set. The defaults run the whole system in one process without any server."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        env_ignore_empty=False,
    )

    data_folder: Path = Field(Path("var"), description="SQLite files, signing keys and credentials")
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/]+(/[^\s]*[^\s/])?$",
        description="the address under which people and programs reach this system, without a slash at its end; "
        "none: http.host and http.port",
    )
    http: Http = Http()
    database: Database = Database()
    log: Log = Log()
    dead_letters: DeadLetters = DeadLetters()
    kafka: Kafka = Kafka()
    identity: Identity = Identity()
    matches: Matches = Matches()
    notifications: Notifications = Notifications()
    mail: Mail = Mail()
    lifecycle: Lifecycle = Lifecycle()
    telemetry: Telemetry = Telemetry()

    @field_validator("mail")
    @classmethod
    def _links_that_open(cls, mail: Mail, info: ValidationInfo) -> Mail:
        """Refuse to mail links that nobody else can open."""
        links_open(mail.host, info.data.get("public_url", "https:"))  # a wrong one is not blamed twice
        return mail

    @property
    def own_address(self) -> str:
        """Where this very process answers, as seen from this machine."""
        host = self.http.host
        if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared with, not bound to
            host = "127.0.0.1"
        return f"http://[{host}]:{self.http.port}" if ":" in host else f"http://{host}:{self.http.port}"

    @property
    def address(self) -> str:
        """Where people and programs reach the system."""
        return self.public_url or self.own_address

    @property
    def issuer(self) -> str:
        """The `iss` of tokens that this system accepts."""
        return self.identity.issuer or self.address

    @property
    def jwks_url(self) -> str:
        """Where the keys that verify tokens are published."""
        return self.identity.jwks_url or f"{self.address}{JWKS_PATH}"

    @property
    def tokens_url(self) -> str:
        """Where tokens are had: beside the keys."""
        return f"{self.jwks_url.removesuffix(JWKS_PATH)}{TOKENS_PATH}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments before environment before file; no .env file and no folder of secrets."""
        del env_settings, dotenv_settings, file_secret_settings
        return (init_settings, EnvSettingsSource(settings_cls), TomlFile(settings_cls, settings_file()))


def settings_file() -> Path | None:
    """Return the settings file in use: COMITY_CONFIG (which must exist), else ./comity.toml, else none."""
    if named := os.environ.get("COMITY_CONFIG"):
        if not Path(named).is_file():
            raise SettingsError(f"COMITY_CONFIG names {named}, which is not a file.")
        return Path(named)
    beside = Path("comity.toml")
    return beside if beside.is_file() else None


def load_settings(**overrides: Any) -> Settings:
    """Read the settings from all sources; nested overrides are dictionaries: `http={"port": 0}`.

    Raises SettingsError naming every key that is unknown or has a value out of bounds.
    """
    if unknown := unknown_variables():
        raise SettingsError(" ".join(unknown))
    try:
        return Settings(**overrides)
    except ValidationError as error:
        faults = (_sentence(cast("dict[str, Any]", one)) for one in error.errors())
        raise SettingsError(" ".join(faults)) from None


def unknown_variables() -> list[str]:
    """Return one sentence for every COMITY_ variable of the environment that names no setting."""
    known = {PREFIX + path.replace(".", "__").upper() for path in paths()}
    groups = {name.rpartition("__")[0] for name in known} - {""}
    sentences = []
    for name in sorted(os.environ):
        upper = name.upper()
        ours = upper.startswith(PREFIX) and not upper.startswith(TEST_PREFIX)
        if ours and upper not in known | groups | OUTSIDE_THE_TREE:
            near = get_close_matches(upper, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else " `comity settings default` lists what there is."
            sentences.append(f"The environment variable {name} names no setting.{hint}")
    return sentences


def paths() -> dict[str, tuple[Any, str]]:
    """Return every setting by its dotted path, with its default and its description."""
    found: dict[str, tuple[Any, str]] = {}
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, Section):
            for inner, described in type(field.default).model_fields.items():
                found[f"{name}.{inner}"] = (described.default, described.description or "")
        else:
            found[name] = (field.default, field.description or "")
    return found


def _without_nones(content: dict[str, Any], group: str = "") -> dict[str, Any]:
    """Leave out the keys of a file that say "none": TOML has no word for it, so the empty text is one where none is allowed."""
    optional = {path for path, (default, _) in paths().items() if default is None}
    return {
        key: _without_nones(value, f"{key}.") if isinstance(value, dict) and not group else value
        for key, value in content.items()
        if not (value == "" and group + key in optional)
    }


def _sentence(error: dict[str, Any]) -> str:
    path = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        near = get_close_matches(path, paths(), n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        return f"There is no setting {path}.{hint}"
    return f"The setting {path} is wrong: {str(error['msg']).removeprefix('Value error, ')}."
