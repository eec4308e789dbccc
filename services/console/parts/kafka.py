"""Apache Kafka: its jars through Maven, one combined broker and controller on the loopback.

What: `install()` copies the broker's jars into the cache; `start(folder)` runs it. Why: tests, the split demo and
benchmarks use the real broker, which is ready in seconds and needs no container engine. Settings stand in
`deploy/kafka/`; the jars and their version in the pom there. It must not be taken for a production set-up: one broker
has no replica, so an accepted write is as safe as one disk.
"""

import base64
import hashlib
import os
import re
import shutil
import signal
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from string import Template
from types import TracebackType
from typing import Self

from services.console.parts.cache import REPOSITORY, cache_folder, locked
from services.console.parts.packages import PartMissingError, ensure, program
from services.console.parts.processes import Child, PartFailedError, free_port, is_free

SETTINGS = REPOSITORY / "deploy" / "kafka"
HEAP = "384m"
READY = b"Kafka Server started"
OLDEST_JAVA = 17


@dataclass(frozen=True, slots=True)
class Kafka:
    """Where the programs of an installed broker are."""

    java: Path
    libraries: Path

    def command(self, main: str, *arguments: str, heap: str = HEAP) -> list[str]:
        """Return the command line that runs one of Kafka's main classes."""
        return [
            str(self.java),
            f"-Xmx{heap}",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",  # a broker of minutes never pays the second compiler back
            f"-Dlog4j2.configurationFile={SETTINGS / 'log4j2.properties'}",
            "-cp",
            f"{self.libraries}/*",
            main,
            *arguments,
        ]


def install() -> Kafka:
    """Find the broker; the first call copies its jars (7–20 s). Raises PartMissingError with what to install."""
    if not (SETTINGS / "pom.xml").is_file():
        raise PartMissingError(f"Apache Kafka is started from a checkout of Comity; {SETTINGS} is not here.")
    java = ensure(_java, part=f"Java {OLDEST_JAVA} or newer", packages=["default-jre-headless"])
    version = hashlib.sha256((SETTINGS / "pom.xml").read_bytes()).hexdigest()[:12]
    libraries = cache_folder() / f"kafka-{version}"
    if not libraries.is_dir():
        with locked(cache_folder() / "kafka.lock"):
            if not libraries.is_dir():
                _copy_jars(libraries)
    return Kafka(java=java, libraries=libraries)


def _java() -> Path | None:
    """Find a Java that is new enough for the broker: JAVA_HOME's, or the one on the PATH."""
    home = os.environ.get("JAVA_HOME")
    named = Path(home) / "bin" / "java" if home else None
    java = named if named is not None and named.is_file() else program("java")()
    if java is None:
        return None
    said = subprocess.run(  # noqa: S603 -- the java just found
        [str(java), "-version"], capture_output=True, text=True, check=False
    ).stderr
    version = re.search(r'version "(\d+)', said)
    return java if version and int(version.group(1)) >= OLDEST_JAVA else None


def _copy_jars(libraries: Path) -> None:
    """Let Maven copy the jars beside their place and move them there when all have come."""
    maven = ensure(program("mvn"), part="Maven, which fetches Apache Kafka,", packages=["maven"])
    arriving = libraries.with_name(libraries.name + ".arriving")
    shutil.rmtree(arriving, ignore_errors=True)
    done = subprocess.run(  # noqa: S603 -- the mvn just found, with fixed words
        [
            str(maven),
            "-q",
            "-B",
            "-f",
            str(SETTINGS / "pom.xml"),
            "dependency:copy-dependencies",
            f"-DoutputDirectory={arriving}",
            "-DincludeScope=runtime",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PartMissingError(f"Maven could not fetch Apache Kafka's jars: {done.stdout.strip()[-600:]}")
    arriving.rename(libraries)


class Broker:
    """A running broker. As a context manager it stops at the end; its folder and what stands in it are kept."""

    def __init__(self, child: Child, *, port: int, folder: Path) -> None:
        self._child = child
        self.port = port
        self.folder = folder

    @property
    def bootstrap_servers(self) -> str:
        """What a client is given."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    def wait_until_ready(self) -> None:
        """Wait until it serves. Raises PartFailedError."""
        self._child.wait_until(lambda: READY in self._child.log.read_bytes(), seconds=120)

    def stop(self) -> None:
        """Stop in good order (2 s)."""
        self._child.stop()

    def kill(self) -> None:
        """Stop as a power cut would; `start` on the same folder recovers."""
        self._child.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(folder: Path, *, port: int | None = None) -> Broker:
    """Start a broker whose data stand in `folder` (made and formatted when new), ready in seconds.

    Without `port` it takes the port of its last start if that is free, otherwise any free one.
    Raises PartMissingError or PartFailedError.
    """
    kafka = install()
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    client = port or _last_port(folder) or free_port()
    properties = folder / "server.properties"
    properties.write_text(_properties(folder, client=client, controller=free_port()))
    (folder / "port").write_text(str(client))
    if not (folder / "data" / "meta.properties").is_file():
        _format(kafka, properties, identity=_identity())
    child = Child(
        "Apache Kafka",
        kafka.command("kafka.Kafka", str(properties)),
        log=folder / "broker.log",
        stop_signal=signal.SIGTERM,
    )
    broker = Broker(child, port=client, folder=folder)
    broker.wait_until_ready()
    return broker


def _last_port(folder: Path) -> int | None:
    file = folder / "port"
    port = int(file.read_text()) if file.is_file() else None
    return port if port and is_free(port) else None


def _properties(folder: Path, *, client: int, controller: int) -> str:
    template = Template((SETTINGS / "server.properties").read_text())
    return template.substitute(client_port=client, controller_port=controller, data_folder=folder / "data")


def _identity() -> str:
    """Make a cluster id; one may not begin with a dash."""
    return "k" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]


def _format(kafka: Kafka, properties: Path, *, identity: str) -> None:
    """Give the folder its cluster id, as KRaft wants before the first start."""
    done = subprocess.run(  # noqa: S603 -- commands of our own
        kafka.command(
            "kafka.tools.StorageTool", "format", "-t", identity, "-c", str(properties), heap="128m"
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PartFailedError(
            f"Apache Kafka could not format its folder: {(done.stderr + done.stdout).strip()[-600:]}"
        )
