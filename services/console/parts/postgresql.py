"""PostgreSQL: the system's programs, one cluster of our own on the loopback.

What: `install()` finds the programs (or has the package manager install them); `start(folder)` makes a cluster there and
runs it. Why: the split demo, tests and benchmarks run on the real server without anybody setting one up. The server
refuses to run as root: started by root it runs as the user `postgres` and keeps its data in a folder which that user can
reach. It must not touch a cluster that the system runs.
"""

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from services.console.parts.packages import PartMissingError, ensure
from services.console.parts.processes import Child, PartFailedError, free_port, is_free

OWNER = "comity"
REACHABLE = Path("/var/tmp")  # noqa: S108 -- where the data stand if the user `postgres` cannot reach the folder asked for
ELSEWHERE = "elsewhere"  # in the folder asked for: the path of the folder where the data stand
_DEBIAN_CLUSTERS = Path("/etc/postgresql-common/createcluster.conf")
_NOT_DURABLE = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


@dataclass(frozen=True, slots=True)
class Programs:
    """The folder of `initdb` and `postgres`, and the user that must run them (None: ourselves)."""

    folder: Path
    user: str | None


def install() -> Programs:
    """Find the programs. Raises PartMissingError with the sentence that says what to install."""
    if _programs() is None and os.geteuid() == 0:
        _ask_for_no_cluster()
    folder = ensure(_programs, part="PostgreSQL", packages=["postgresql"])
    if os.geteuid() != 0:
        return Programs(folder=folder, user=None)
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        raise PartMissingError(
            "PostgreSQL refuses to run as root, and there is no user `postgres` to run it as. "
            "Please make one (useradd --system postgres), or do not work as root."
        ) from None
    return Programs(folder=folder, user="postgres")


def _programs() -> Path | None:
    """Find the newest folder that holds both programs: Debian's, then the PATH."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        candidates.append(Path(on_path).resolve().parent)
    return next(
        (each for each in candidates if (each / "initdb").is_file() and (each / "postgres").is_file()), None
    )


def _version(folder: Path) -> int:
    name = folder.parent.name
    return int(name) if name.isdecimal() else 0


def _ask_for_no_cluster() -> None:
    """Tell Debian's package, before it is installed, not to make and start a cluster of the system's own."""
    if not _DEBIAN_CLUSTERS.exists() and shutil.which("apt-get"):
        _DEBIAN_CLUSTERS.parent.mkdir(parents=True, exist_ok=True)
        _DEBIAN_CLUSTERS.write_text("create_main_cluster = false\n")


class Cluster:
    """A running server. As a context manager it stops at the end; its data are kept."""

    def __init__(self, child: Child, *, port: int, password: str, folder: Path) -> None:
        self._child = child
        self._password = password
        self.port = port
        self.folder = folder

    def url(self, database: str = "postgres") -> str:
        """Return the SQLAlchemy URL of a database, password included: not to be printed."""
        return f"postgresql+asyncpg://{OWNER}:{self._password}@127.0.0.1:{self.port}/{database}"

    def database(self, name: str) -> str:
        """Make a database unless it exists; its URL."""
        return create_database(self.url(), name)

    def run(self, database: str, statements: Iterable[str]) -> None:
        """Run statements in a database, as the server's administrator."""
        asyncio.run(_run(self.url(database), statements))

    @property
    def password(self) -> str:
        """The administrator's password: not to be printed."""
        return self._password

    @property
    def pid(self) -> int:
        """The process id of the server's first process."""
        return self._child.pid

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back."""
        self._child.stop()

    def kill(self) -> None:
        """Stop as a power cut would."""
        self._child.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(folder: Path, *, port: int | None = None, durable: bool = True) -> Cluster:
    """Start the server whose data stand in `folder` (made when new), ready in about a second.

    Started by root, the data may stand elsewhere: see `Cluster.folder`. Without `port` it takes the port of its last
    start if that is free, otherwise any free one. `durable=False` does without fsync: for tests only.
    Raises PartMissingError or PartFailedError.
    """
    programs = install()
    home = _home(folder.absolute(), user=programs.user)
    data = home / "data"
    if not (data / "PG_VERSION").is_file():
        _make(programs, home)
    chosen = port or _last_port(home) or free_port()
    (home / "port").write_text(str(chosen))
    child = Child(
        "PostgreSQL",
        [
            str(programs.folder / "postgres"),
            *("-D", str(data), "-p", str(chosen)),
            *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
            *("-c", "max_connections=200", "-c", "timezone=UTC", "-c", "log_timezone=UTC"),
            *(() if durable else _NOT_DURABLE),
        ],
        log=home / "server.log",
        stop_signal=signal.SIGINT,
        user=programs.user,
    )
    child.wait_until(lambda: _accepts(child, chosen), seconds=60)
    return Cluster(child, port=chosen, password=(home / "password").read_text(), folder=home)


def _accepts(child: Child, port: int) -> bool:
    if b"ready to accept connections" not in child.log.read_bytes():
        return False
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _home(folder: Path, *, user: str | None) -> Path:
    """Return the folder itself, or one that `user` can reach and to which it points (root's own folders are closed to it).

    Where the data stand is written in the folder and not computed from its name: a folder that was deleted and made
    anew begins with an empty server, as the log beside it does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if user is None or all(parent.stat().st_mode & 0o001 for parent in folder.parents):
        return folder
    pointer = folder / ELSEWHERE
    if pointer.is_file() and (home := Path(pointer.read_text())).is_dir():
        return home
    home = Path(tempfile.mkdtemp(prefix="comity-postgresql-", dir=REACHABLE))
    home.chmod(0o755)
    pointer.write_text(str(home))
    return home


def _make(programs: Programs, home: Path) -> None:
    """Make the cluster, with a password of its own: others on this machine can reach the loopback too."""
    shutil.rmtree(home / "data", ignore_errors=True)
    password = home / "password"
    password.write_text(secrets.token_urlsafe(24))
    password.chmod(0o600)
    (home / "data").mkdir(mode=0o700)
    if programs.user is not None:
        for path in (home / "data", password):
            shutil.chown(path, user=programs.user, group=programs.user)
    done = subprocess.run(  # noqa: S603 -- the initdb just found
        [
            str(programs.folder / "initdb"),
            *("-D", str(home / "data"), "-U", OWNER, "--pwfile", str(password)),
            *("--auth", "scram-sha-256", "-E", "UTF8", "--no-locale", "--no-sync"),
        ],
        capture_output=True,
        text=True,
        check=False,
        user=programs.user,
        group=programs.user,
        extra_groups=[] if programs.user else None,
        cwd="/",
    )
    if done.returncode != 0:
        raise PartFailedError(f"PostgreSQL could not make its cluster: {done.stderr.strip()[-600:]}")


def _last_port(home: Path) -> int | None:
    file = home / "port"
    port = int(file.read_text()) if file.is_file() else None
    return port if port and is_free(port) else None


def create_database(url: str, name: str) -> str:
    """Make the database `name` on the server of `url` unless it exists; its URL. Not to be called on an event loop."""
    asyncio.run(_create_database(url, name))
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def _create_database(url: str, name: str) -> None:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    quoted = engine.dialect.identifier_preparer.quote_identifier(name)
    try:
        async with engine.connect() as connection:
            known = await connection.scalar(
                text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}
            )
            if known is None:
                await connection.execute(text(f"CREATE DATABASE {quoted}"))
    finally:
        await engine.dispose()


async def _run(url: str, statements: Iterable[str]) -> None:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            for statement in statements:
                await connection.exec_driver_sql(statement)
    finally:
        await engine.dispose()
