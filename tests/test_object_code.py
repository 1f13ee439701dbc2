"""Machine code kept in files computes what the compiler's does, and is used only where it is surely right."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from avreplay.cache import import_bundle
from avreplay.core.errors import UsageError
from avreplay.core.kernels import code_folder, object_code
from avreplay.core.kernels.by_reference import ByReference, form_of
from avreplay.core.kernels.jit import LeanKernel
from avreplay.evaluate.bench.replay import synthetic_scores
from hypothesis import given, settings
from hypothesis import strategies as st

SOURCE = """
import math
import numpy as np
from avreplay.core.kernels.jit import inlined, intrinsic

@intrinsic
def _twice(typingctx, x):
    from numba import types

    def codegen(context, builder, signature, args):
        return builder.fadd(args[0], args[0])

    return types.float64(types.float64), codegen

@inlined
def _part(x):
    return _twice(x) / 2.0

def total(held, rows, columns, out, number, factor, minus, absent):
    found = 0.0
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            found += math.exp(rows[i, j]) * factor + _part(rows[i, j]) + held.weights[j] + columns[j]
    out[:] = found
    return number + held.ints[0], (-found if minus else found) if absent is None else absent

def nothing(out):
    out[0] = 7

def whole(out):
    return out[0] + 1
"""


class Held(NamedTuple):
    weights: np.ndarray
    ints: np.ndarray


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "lean_kernels.py").write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("lean_kernels", folder / "lean_kernels.py")
    found = importlib.util.module_from_spec(spec)
    sys.modules["lean_kernels"] = found
    spec.loader.exec_module(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(code_folder, "cache_folder", folder)
        folder.chmod(0o700)
        yield found


def arguments(number=3, factor=2.0, minus=True, absent=None, *, step=1, columns=4):
    rows = np.linspace(-1, 1, 6 * columns, dtype=np.float64).reshape(6, columns)[::step]
    held = Held(np.arange(columns) + 0.5, np.array([5], np.int64))
    given = np.ones(columns)
    given.flags.writeable = False
    return ByReference(held), rows, given, np.zeros(2), number, factor, minus, absent


def expected(held, rows, columns, out, number, factor, minus, absent):
    found = float((np.exp(rows) * factor + rows + held.held.weights + columns).sum())
    return number + 5, (-found if minus else found) if absent is None else absent


def no_compiler(patch):
    def refuse(*_):
        raise AssertionError("compiled again")

    patch.setattr("avreplay.core.kernels.numba_compiler.lean_code", refuse)


@pytest.mark.parametrize(
    "args", [arguments(), arguments(minus=False), arguments(-(2**62), -0.5, step=2), arguments(absent=1.5)]
)
def test_what_is_kept_computes_what_was_compiled(module, monkeypatch, args):
    made = LeanKernel(module.total)(*args)
    out = args[3].tobytes()
    assert made == pytest.approx(expected(*args))
    no_compiler(monkeypatch)
    args[3][:] = 0
    assert LeanKernel(module.total)(*args) == made  # the same bits
    assert args[3].tobytes() == out


def test_results_are_none_one_or_several(module):
    out = np.zeros(1, np.int64)
    for _ in range(2):
        assert LeanKernel(module.nothing)(out) is None
        assert LeanKernel(module.whole)(out) == 8


def test_arguments_of_another_form_are_compiled_for_themselves(module):
    kernel = LeanKernel(module.whole)
    frozen = np.array([1], np.int64)
    frozen.flags.writeable = False
    assert [kernel(np.array([1], kind)) for kind in (np.int64, np.float64, np.uint8)] == [2, 2.0, 2]
    assert kernel(frozen) == 2
    assert len(kernel._codes) == 4


def test_what_a_lean_kernel_does_not_take(module):
    with pytest.raises(TypeError, match="takes no list"):
        LeanKernel(module.whole)([1])


@pytest.fixture(scope="module")
def kept(module):
    """A file of code, the form it is for, and what the file holds."""
    out = np.zeros(1, np.int64)
    LeanKernel(module.whole)(out)
    form = (form_of(out),)
    file = object_code.file_of(code_folder.folder_of(module.whole), form)
    return file, form, file.read_bytes()


def test_the_file_that_is_damaged_below_is_used_as_it_is(kept):
    file, form, _ = kept
    assert object_code.read(file, form)((np.array([4]),)) == 5


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_damaged_file_is_not_used(kept, data):
    file, form, content = kept
    at = data.draw(st.integers(0, len(content) - 1))
    how = data.draw(st.sampled_from(["bit", "cut", "more", "empty"]))
    changed = {
        "bit": content[:at] + bytes([content[at] ^ (1 << data.draw(st.integers(0, 7)))]) + content[at + 1 :],
        "cut": content[:at],
        "more": content + b"\0",
        "empty": b"",
    }[how]
    other = file.with_name("damaged.code")
    other.write_bytes(changed)
    assert object_code.read(other, form) is None


def test_a_damaged_file_is_compiled_and_written_again(module, kept):
    file, _, content = kept
    file.write_bytes(content[:-1])
    assert LeanKernel(module.whole)(np.zeros(1, np.int64)) == 1
    assert object_code.read(file, kept[1]) is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("importlib.metadata.version", lambda _: "0"),
        ("llvmlite.binding.get_host_cpu_name", lambda: "another"),
        ("avreplay.core.kernels.object_code._numba_config", lambda: "hash"),
    ],
)
def test_code_of_other_versions_processors_and_settings_is_not_used(kept, monkeypatch, name, value):
    file, form, _ = kept
    monkeypatch.setattr(name, value)
    object_code._surroundings.cache_clear()
    try:
        assert object_code.read(file, form) is None
        assert object_code.file_of(file.parent, form) != file
    finally:
        object_code._surroundings.cache_clear()


@pytest.mark.parametrize(("variable", "matters"), [("NUMBA_OPT", True), ("NUMBA_NUM_THREADS", False)])
def test_settings_of_numba_that_change_code(kept, monkeypatch, variable, matters):
    file, form, _ = kept
    monkeypatch.setenv(variable, "1")
    object_code._surroundings.cache_clear()
    try:
        assert (object_code.read(file, form) is None) == matters
    finally:
        object_code._surroundings.cache_clear()


def test_code_for_another_form_is_not_used(kept):
    assert object_code.read(kept[0], (form_of(np.zeros(1)),)) is None


def test_a_changed_source_has_another_folder(module):
    before = code_folder.folder_of(module.whole)
    path = Path(module.__file__)
    path.write_text(SOURCE + "\n")
    code_folder.sources.cache_clear()
    try:
        assert code_folder.folder_of(module.whole) != before
    finally:
        path.write_text(SOURCE)


@pytest.mark.parametrize("which", ["file", "folder"])
def test_what_others_can_write_is_not_used(kept, which):
    file, form, _ = kept
    path = file if which == "file" else file.parent
    mode = path.stat().st_mode
    path.chmod(mode | 0o022)
    try:
        assert object_code.read(file, form) is None
    finally:
        path.chmod(mode)
    assert object_code.read(file, form) is not None


def test_code_that_calls_what_is_not_there_is_not_used(kept):
    file, form, content = kept
    _, head, machine_code = content.split(b"\n", 2)
    symbol = json.loads(head)["symbol"]
    other = file.with_name("calls.code")
    for needs, used in ((("exp",), True), (("no_such_function_anywhere",), False)):
        object_code.write(other, form, object_code.Compiled(0, symbol, "q", needs, machine_code))
        assert (object_code.read(other, form) is not None) == used
    object_code.write(other, form, object_code.Compiled(0, "no_such_symbol", "q", (), machine_code))
    assert object_code.read(other, form) is None


def test_without_a_folder_code_is_compiled_and_used(module, monkeypatch):
    monkeypatch.setattr(code_folder, "cache_folder", None)
    assert LeanKernel(module.whole)(np.zeros(1, np.int64)) == 1


def test_a_compiler_that_is_switched_off_is_named(module, monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    with pytest.raises(UsageError, match="NUMBA_DISABLE_JIT is set"):
        LeanKernel(module.whole)(np.zeros(1, np.int64))


def test_a_later_replay_imports_little_and_gives_the_same(tmp_path):
    store = tmp_path / "store"
    import_bundle(synthetic_scores(7, 5), store)
    code = (
        "import sys\n"
        "from avreplay.cli import main\n"
        f"main(['replay', {str(store)!r}, '--preset', 'languagebind', '--out', sys.argv[1]], standalone_mode=False)\n"
        "print(sorted({'numba', 'scipy', 'zarr', 'fsspec', 'jinja2', 'rich'} & set(sys.modules)))\n"
    )
    for name in ("first", "second"):
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path / name)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
