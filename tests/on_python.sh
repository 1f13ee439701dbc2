#!/bin/sh
# The quick tests that do without torch, on another Python, in an environment of its own:
#     on_python.sh VERSION VENV [newest|oldest [TEST FILES]]
# with the newest dependencies or with the oldest allowed ones. Where that Python is not installed a line says so.
set -eu
version=$1
venv=$2
which=${3:-newest}
shift; shift; [ $# = 0 ] || shift
here=$(dirname "$0")

find_python() {
  for candidate in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python; do
    # pyenv's python3.12 is there, and fails, where that version is not chosen
    if "$candidate" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
}

python=$(find_python)
if [ -z "$python" ]; then
  echo "Python $version is not installed: the tests are not run on it"
  exit 0
fi
if [ ! "$venv/.ready" -nt "$here/../pyproject.toml" ]; then
  rm -rf "$venv"
  "$python" -m venv "$venv"
  constraints="$venv/constraints.txt"
  : >"$constraints"
  if [ "$which" = oldest ]; then
    "$venv/bin/python" "$here/oldest_versions.py" tune probe hdf5 >"$constraints"
  fi
  "$venv/bin/pip" install -q -c "$constraints" -e "$here/..[test]"
  touch "$venv/.ready"
fi
echo "Python $version with the $which dependencies"
exec "$venv/bin/python" -m pytest -q -n auto -m "not (process or media or slow or torch or once)" "$@"
