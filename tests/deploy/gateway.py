"""The gateway of `deploy/gateway/nginx.conf` as it would run in a container, in front of services that are elsewhere.

The program is the system's, or unpacked from Debian's package without installing it, so that nothing is started but this.
It must not change a rule of the file: only names of containers, ports and folders are other ones here.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM

import httpx2

from services.console.parts.packages import PartMissingError
from services.console.parts.processes import Child, free_port

CONFIGURATION = Path(__file__).resolve().parents[2] / "deploy" / "gateway" / "nginx.conf"
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@contextmanager
def gateway(folder: Path, addresses: Mapping[str, str]) -> Iterator[str]:
    """Run the gateway; `addresses` says where each container that it names is. Yields its address."""
    program = _program(folder)
    port = free_port()
    text = CONFIGURATION.read_text("utf-8").replace("listen 8080;", f"listen 127.0.0.1:{port};")
    text = re.sub(r"http://([a-z-]+):8080", lambda found: addresses[found[1]], text)
    places = "".join(f"{name}_temp_path {folder}/{name}; " for name in _TEMPORARY)
    text = text.replace("http {", f"http {{ access_log off; {places}", 1)
    file = folder / "nginx.conf"
    file.write_text(f"daemon off; pid {folder}/nginx.pid; error_log stderr;\n{text}", "utf-8")
    child = Child(
        "gateway",
        [str(program), "-p", str(folder), "-c", str(file)],
        log=folder / "gateway.log",
        stop_signal=SIGTERM,
    )
    try:
        child.wait_until(lambda: _answers(f"http://127.0.0.1:{port}/"), seconds=30.0)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.stop()


def _answers(address: str) -> bool:
    try:
        httpx2.get(address, timeout=5.0, trust_env=False)
    except httpx2.HTTPError:
        return False
    return True


def _program(folder: Path) -> Path:
    """Find nginx, or fetch it; the package lists too if they are not here. Raises PartMissingError, so that no test is left out."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found:
        return Path(found)
    apt = shutil.which("apt-get")
    if apt is None:
        raise PartMissingError("nginx is not here, and this system has no apt-get. Please install it.")
    download = [apt, "download", "-q", "nginx"]
    for command in (download, [apt, "update", "-q"], download):
        got = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        packages = list(folder.glob("nginx_*.deb"))
        if packages:
            subprocess.run(["dpkg", "-x", str(packages[0]), str(folder / "unpacked")], check=True)
            return folder / "unpacked/usr/sbin/nginx"
    raise PartMissingError(f"nginx is not here, and could not be fetched: {got.stderr.strip()[-300:]}")
