#!/bin/sh
# Sets the project folder up from requirements.lock: a virtual environment with every package at its hash.
# It must not install anything outside that folder, except Debian's venv package where it is missing.
set -eu
venv=${1:-.venv}

python=""
for name in python3.11 python3.12 python3.13 python3.14 python3; do
  if command -v "$name" >/dev/null 2>&1 && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    python=$name
    break
  fi
done
if [ -z "$python" ]; then
  echo "Comity needs Python 3.11 or newer. On Debian: apt-get install python3 python3-venv; elsewhere install it from your system's packages." >&2
  exit 1
fi

if ! "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
  if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    apt-get -qq update && apt-get -qq -y install python3-venv
  else
    echo "Python's venv module is missing. On Debian: apt-get install python3-venv (as root); then run this again." >&2
    exit 1
  fi
fi

# With neither installer inside, whoever made it was stopped half-way: it is made anew.
[ -x "$venv/bin/uv" ] || [ -x "$venv/bin/pip" ] || "$python" -m venv --clear "$venv"
uv=$(sed -n 's/^uv==\([^ ]*\) .*/\1/p' requirements.lock)
"$venv/bin/uv" --version 2>/dev/null | grep -qF " $uv " || "$venv/bin/pip" -q install --disable-pip-version-check "uv==$uv"
VIRTUAL_ENV="$venv" "$venv/bin/uv" pip sync -q --require-hashes requirements.lock
VIRTUAL_ENV="$venv" "$venv/bin/uv" pip install -q --no-deps --no-build-isolation -e .
# Every start imports these: compiled once here, also where the environment forbids later starts to write bytecode.
env -u PYTHONDONTWRITEBYTECODE "$venv/bin/python" -c 'import services.console.split, services.chassis.bus.transports.kafka'
echo "Set up: $venv/bin/comity"
