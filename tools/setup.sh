#!/bin/sh
# Make .venv from the lock, and .env from .env.example. A second call finds both and is done at once.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
lock=requirements-dev.lock

say() { printf '%s\n' "$*"; }
stop() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

if ! cmp -s "$lock" .venv/installed.lock || ! .venv/bin/python -c '' 2>/dev/null; then
    command -v "$python" >/dev/null 2>&1 ||
        stop "There is no '$python' here: install Python 3.11 or newer, or name one with 'make setup PYTHON=/path/to/python3'."
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        stop "Python 3.11 or newer is needed, and '$python' is $("$python" --version 2>&1 | head -n 1): name another with 'make setup PYTHON=/path/to/python3'."
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        stop "'$python' cannot make virtual environments (no venv or ensurepip): install them (on Debian and Ubuntu: apt install python3-venv), or name another with 'make setup PYTHON=/path/to/python3'."

    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        say "Making .venv with $("$python" --version 2>&1) …"
        "$python" -m venv --clear .venv || stop "'$python -m venv' failed: its message stands above."
    fi
    say "Installing what $lock names, every file checked against its hash (half a minute) …"
    .venv/bin/python -m pip install -qq --disable-pip-version-check --no-input \
        --require-hashes --requirement "$lock" ||
        stop "The installation failed: pip's message stands above. 'make setup' goes on where it stopped."
    cp "$lock" .venv/installed.lock
fi

[ -e .env ] || .venv/bin/python tools/write_env.py .
