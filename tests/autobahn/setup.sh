#!/usr/bin/env bash
# Installs the Autobahn|Testsuite 0.8.2 (a Python 2 program) into a folder.
#
#   tests/autobahn/setup.sh [FOLDER]        default folder: $AUTOBAHN_VENV or ~/.cache/autobahn
#
# Needs a CPython 2.7 interpreter with pip. It is looked for in $PYTHON2, then among the
# pyenv versions, then on the PATH.
# Afterwards FOLDER/bin/wstest exists. Running the script again is harmless.
set -euo pipefail

dest=${1:-${AUTOBAHN_VENV:-$HOME/.cache/autobahn}}

if [ -x "$dest/bin/wstest" ] && "$dest/bin/wstest" -a >/dev/null 2>&1; then
    echo "already installed: $dest/bin/wstest"
    exit 0
fi

is27() { [ -n "$1" ] && "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (2, 7))' >/dev/null 2>&1; }
py=
for c in "${PYTHON2:-}" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7.*/bin/python \
         "$(command -v python2.7 || true)" "$(command -v python2 || true)"; do
    if is27 "$c"; then py=$c; break; fi
done
if [ -z "$py" ]; then
    echo "no Python 2.7 found: install one (pyenv install 2.7.18) or set PYTHON2" >&2
    exit 2
fi

# Two steps, so that the interpreter itself stays untouched: virtualenv goes into a
# private folder, and the environment is made with it from there.
boot=$(mktemp -d)
trap 'rm -rf "$boot"' EXIT
"$py" -m pip install --quiet --disable-pip-version-check --target "$boot" 'virtualenv<20.22'
PYTHONPATH="$boot" "$py" -m virtualenv --quiet --python "$py" "$dest"
unset PYTHONPATH
"$dest/bin/python" -m pip install --quiet --disable-pip-version-check 'autobahntestsuite==0.8.2'
# Optional C accelerators (XOR masking, UTF-8 validation) for wstest itself; without them
# the 9.* and 12.* sections take several times as long.
"$dest/bin/python" -m pip install --quiet --disable-pip-version-check 'wsaccel==0.6.2' \
    || echo "note: wsaccel could not be installed, wstest will be slower" >&2
"$dest/bin/wstest" -a 2>/dev/null
echo "installed: $dest/bin/wstest"
