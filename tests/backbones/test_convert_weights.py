"""Checkpoints in newer pickle protocols and with NumPy arrays become safetensors; nothing in them is run."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import pickletools
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from avreplay.cli import main  # noqa: E402
from avreplay.core.errors import DataError, UsageError  # noqa: E402
from avreplay.extract.backbones.weights import convert_file  # noqa: E402
from avreplay.extract.backbones.weights.found import Weights  # noqa: E402
from avreplay.extract.backbones.weights.pickles import in_protocol_2  # noqa: E402
from avreplay.extract.backbones.weights.tensors import load_state, read_tensors  # noqa: E402
from click.testing import CliRunner  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

_RNG = np.random.default_rng(3)
TENSORS: dict[str, Any] = {
    "a.weight": torch.from_numpy(_RNG.normal(size=(3, 4)).astype(np.float32)),
    "a.bias": torch.arange(4, dtype=torch.float16),
    "ids": torch.arange(7)[None],
    "scale": torch.tensor(2.5, dtype=torch.float64),
}
ARRAYS = {
    "b.weight": _RNG.normal(size=(2, 3)).astype(np.float32),
    "b.bias": np.arange(3, dtype=np.int64),
    "columns": np.asfortranarray(_RNG.normal(size=(2, 3))),
    "big": np.arange(4, dtype=">f4"),
    "half": np.arange(4, dtype=np.float16),
}


class Harmful:
    """Runs a command when it is unpickled plainly."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def saved(path: Path, content: Any, protocol: int, zipped: bool = True) -> Path:
    torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    return path


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_and_container_gives_the_same_bytes(tmp_path: Path, protocol: int, zipped: bool) -> None:
    """As training loops save: with the loop's state around the table, and ``module.`` before every name."""
    table = OrderedDict({f"module.{name}": value for name, value in {**TENSORS, **ARRAYS}.items()})
    content = {"epoch": 3, "name": "CLAP", "loss": np.float64(0.5), "args": {"lr": 1e-4}, "state_dict": table}
    source = saved(tmp_path / "a.pt", content, protocol, zipped)
    found = convert_file(source, tmp_path / "a.safetensors")
    state = load_file(tmp_path / "a.safetensors")
    assert state.keys() == TENSORS.keys() | ARRAYS.keys()
    for name, tensor in TENSORS.items():
        assert state[name].dtype == tensor.dtype
        assert torch.equal(state[name], tensor)
    for name, array in ARRAYS.items():
        assert np.array_equal(state[name].numpy(), array)
    assert found.tensors == len(state)
    assert found.sha256 == hashlib.sha256((tmp_path / "a.safetensors").read_bytes()).hexdigest()
    again = convert_file(saved(tmp_path / "b.pt", content, 2), tmp_path / "b.safetensors")
    assert again.sha256 == found.sha256
    assert load_state(Weights("a", None, files=(tmp_path / "a.safetensors",))).keys() == state.keys()


def test_what_an_encoder_does_not_open_says_how_to_convert_it(tmp_path: Path) -> None:
    for name, content, protocol in (("new.pt", TENSORS, 4), ("arrays.pt", {**TENSORS, **ARRAYS}, 2)):
        with pytest.raises(DataError, match=rf"convert it with `avreplay convert-weights .*{name} ") as raised:
            read_tensors(saved(tmp_path / name, content, protocol))
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_nothing_is_run(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "ran"
    for zipped in (True, False):
        source = saved(tmp_path / "harm.pt", {"state_dict": {**TENSORS, "x": Harmful(mark)}}, protocol, zipped)
        with pytest.raises(DataError, match=r"holds objects of a program and is not opened \(.*mkdir") as raised:
            convert_file(source, tmp_path / "harm.safetensors")
        assert "\n" not in str(raised.value)
    source.write_bytes(pickle.dumps(Harmful(mark), protocol))
    with pytest.raises(DataError):
        convert_file(source, tmp_path / "harm.safetensors")
    assert not mark.exists()
    assert not (tmp_path / "harm.safetensors").exists()


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda some: st.lists(some) | st.tuples(some, some) | st.dictionaries(st.text(), some),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None)
@given(plain, st.integers(2, 5))
def test_rewriting_a_pickle_changes_no_value(value: Any, protocol: int) -> None:
    value = [value, value, "shared", "shared"]
    stream = io.BytesIO(pickle.dumps(value, protocol) + b"rest")
    rewritten = in_protocol_2(stream)
    assert stream.read() == b"rest"
    assert {code.proto for code, _, _ in pickletools.genops(rewritten)} <= {0, 1, 2}
    assert pickle.loads(rewritten) == value  # noqa: S301 - it was made here


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 255), st.sampled_from([2, 4]))
def test_damage_is_one_sentence(tmp_path_factory: Any, place: int, byte: int, protocol: int) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    data = bytearray(saved(folder / "a.pt", {"state_dict": {**TENSORS, **ARRAYS}}, protocol, zipped=False).read_bytes())
    data[place % len(data)] = byte
    (folder / "a.pt").write_bytes(data[: len(data) - place % 3])
    said = CliRunner().invoke(main, ["convert-weights", str(folder / "a.pt"), str(folder / "a.safetensors")])
    assert said.exit_code in (0, 1), said.output
    assert (folder / "a.safetensors").exists() == (said.exit_code == 0)
    assert "Traceback" not in said.output


def test_what_cannot_be_converted_is_one_sentence(tmp_path: Path) -> None:
    good = saved(tmp_path / "a.pt", TENSORS, 2)
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), str(tmp_path / "script.pt"))
    (tmp_path / "text.pt").write_text("no weights")
    (tmp_path / "half.pt").write_bytes(good.read_bytes()[:700])
    saved(tmp_path / "list.pt", [1, 2], 4)
    saved(tmp_path / "empty.pt", {"epoch": 1}, 4)
    (tmp_path / "done.safetensors").write_bytes(b"")
    for source, target, words in (
        ("script.pt", "b.safetensors", "TorchScript archive"),
        ("text.pt", "b.safetensors", r"cannot be read as weights \(it begins with b'no weights'\)"),
        ("half.pt", "b.safetensors", "cannot be read as weights"),
        ("list.pt", "b.safetensors", "holds no table of tensors but a list"),
        ("empty.pt", "b.safetensors", r"has no tensors \(epoch\)"),
        ("nowhere.pt", "b.safetensors", "is no file"),
        ("done.safetensors", "b.safetensors", "already"),
        ("a.pt", "b.pt", r"name it .*b\.safetensors"),
        ("a.pt", "no/folder/b.safetensors", "does not exist"),
    ):
        with pytest.raises((DataError, UsageError), match=words) as raised:
            convert_file(tmp_path / source, tmp_path / target)
        assert "\n" not in str(raised.value)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("tensor", "kind"),
    [
        (torch.eye(2).to_sparse(), "sparse_coo"),
        (torch.eye(2).to_sparse_csr(), "sparse_csr"),
        (torch.eye(2, device="meta"), "meta"),
        (torch._empty_affine_quantized([2], scale=1.0, zero_point=0, dtype=torch.qint8), "qint8"),
    ],
)
def test_a_tensor_that_safetensors_does_not_hold_is_named(tmp_path: Path, tensor: torch.Tensor, kind: str) -> None:
    source = saved(tmp_path / "a.pt", {"plain": torch.zeros(2), "odd.weight": tensor}, 2)
    with pytest.raises(DataError, match=rf"the tensor 'odd\.weight' of .*a\.pt is {kind}, which safetensors"):
        convert_file(source, tmp_path / "b.safetensors")
    assert [file.name for file in tmp_path.iterdir()] == ["a.pt"]


def test_the_command_prints_the_hash(tmp_path: Path) -> None:
    saved(tmp_path / "a.pt", {"epoch": 2, **TENSORS}, 4)
    arguments = ["convert-weights", str(tmp_path / "a.pt"), str(tmp_path / "a.safetensors")]
    said = CliRunner().invoke(main, arguments)
    assert said.exit_code == 0, said.output
    digest = hashlib.sha256((tmp_path / "a.safetensors").read_bytes()).hexdigest()
    assert f"sha256 {digest}" in said.output
    assert "left out, no tensors: epoch" in said.output
    told = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).stdout)
    assert (told["sha256"], told["tensors"]) == (digest, len(TENSORS))
