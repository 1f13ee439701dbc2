#!/bin/sh
# Build the wheel, install it into a clean environment, and use it from another directory.
set -eu
python=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m build --wheel --outdir "$work/dist" . >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
"$python" -m venv "$work/env"
"$work/env/bin/pip" install -q "$work"/dist/avreplay-*.whl
cd "$work"
env/bin/python - <<'EOF'
import avreplay, importlib.util, sys
assert "site-packages" in avreplay.__file__, avreplay.__file__
for bare in ("core", "cache", "extract", "evaluate", "cli", "cli_options", "registration"):
    assert importlib.util.find_spec(bare) is None, f"installed under the bare name {bare}"
assert importlib.util.find_spec("torch") is None
EOF
env/bin/avreplay --version
env/bin/avreplay demo --out demo --videos 4 --json
env/bin/avreplay verify demo/store
env/bin/avreplay replay demo/store --preset demo --out again.json --json
test -s demo/report.html
echo "wheel: installed and used in a clean environment"
