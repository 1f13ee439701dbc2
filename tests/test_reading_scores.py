"""Files of scores from outside, by kind of fault: bundles, HDF5, csv, mappings, traces, safetensors headers."""

from __future__ import annotations

import json
import os
import re
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from avreplay import make_params, replay
from avreplay.cache import read_bundle, read_third_party
from avreplay.cache.imports.mapping import read_mapping
from avreplay.cache.reading import hdf5_file
from avreplay.cache.reading.hdf5_file import open_hdf5
from avreplay.cache.reading.safetensors_file import read_safetensors_header
from avreplay.core.bundle import ScoreBundle
from avreplay.core.errors import AvreplayError, DataError, UsageError
from avreplay.evaluate.report.build import read_trace
from avreplay.extract.backbones.options import parse_options
from test_bundle import arrays


def refused(call: Any, *words: str, error: type[AvreplayError] = DataError) -> str:
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 1000
    for word in words:
        assert word in message, message
    return message


# --- bundles -----------------------------------------------------------------------------------------------------


def test_names_in_bytes_are_text_and_rounding_is_clipped(tmp_path: Path) -> None:
    """`cases/README.md`, row bytes_in_bundle."""
    given = arrays(video_ids=np.array(["é".encode(), b"v1"]), labels=np.array([b"x", b"y", b"z"]), kind=b"probability",
                   visual_segments=np.full((5, 3), 1.0000002, np.float32))  # fmt: skip
    np.savez(tmp_path / "b.npz", **given)
    found = read_bundle(tmp_path / "b.npz")
    assert (found.video_ids, found.labels, found.kind) == (("é", "v1"), ("x", "y", "z"), "probability")
    assert found.visual_segments is not None
    assert float(found.visual_segments.max()) == 1.0
    whole = ScoreBundle.create(**{**given, "kind": "probability"})
    assert whole.video_ids == found.video_ids


BUNDLES = [
    ({"video_ids": np.array([b"a", b"\xff"])}, "video_ids, number 2: b'\\xff' is not UTF-8 text"),
    ({"video_ids": ["a", " "]}, "video_ids, number 2: ' ' is not a name", "not blank"),
    ({"labels": ["x", "y\nz", "z"]}, "labels, number 2: 'y\\nz'", "line ends"),
    ({"labels": ["x", "y\u2028", "z"]}, "labels, number 2"),
    ({"labels": np.array([["x", "y", "z"]])}, "labels has dtype <U1 and shape (1, 3); expected a list of strings"),
    ({"labels": np.array("x")}, "shape ()"),
    ({"labels": "xyz"}, "labels is 'xyz'; expected a list"),
    ({"labels": ["x", 3, "z"]}, "labels, number 2: 3 is no text"),
    ({"labels": ["x", "y" * 1001, "z"]}, "1 to 1000 characters"),
    ({"kind": np.array(["similarity"])}, "kind is an array of dtype <U10 and shape (1,); expected a text"),
    ({"kind": 3}, "kind is 3; expected a text"),
    ({"segment_seconds": "1"}, "segment_seconds is '1'; expected one positive number"),
    ({"segment_seconds": np.ones(2)}, "segment_seconds is an array of dtype float64 and shape (2,)"),
    ({"segment_seconds": 1 + 0j}, "segment_seconds is (1+0j)"),
    ({"segment_seconds": True}, "segment_seconds is True"),
    ({"segment_seconds": np.inf}, "segment_seconds is inf"),
    ({"segment_seconds": 0}, "segment_seconds is 0"),
    ({"segment_seconds": -1.0}, "segment_seconds is -1.0"),
    ({"segments_per_video": [2, 2**62]}, "too large a count, 4611686018427387904 for 'b'"),
    ({"segments_per_video": np.array([2, 2**64 - 1], np.uint64)}, "segments_per_video holds 18446744073709551615"),
    ({"segments_per_video": [2, 10**30]}, "segments_per_video has dtype object; expected integers"),
    ({"segments_per_video": [[2], [3, 4]]}, "segments_per_video is no array"),
    ({"has_audio": ["a", "b"]}, "has_audio has dtype <U1; expected true and false"),
    ({"has_audio": [1, 2]}, "has_audio of video 'b' is 2; expected true or false"),
    ({"has_visual": [1.0, 0.0]}, "has_visual has dtype float64"),
    ({"window_end": np.array([2**63, 2], np.uint64)}, "window_end holds 9223372036854775808", "int64"),
    ({"window_end": [2**63 - 1, 2]}, "does not lie within its 3 segments"),
    ({"window_start": [-(2**63), 0]}, "does not lie within its 3 segments"),
    ({"window_video": [0, -1]}, "window_video points to video -1"),
    ({"visual_clip": np.zeros((2, 0, 3))}, "visual_clip has shape (2, 0, 3); every score needs at least one row"),
    ({"visual_features": np.zeros((5, 0))}, "visual_features has shape (5, 0)"),
    ({"audio_clip": np.array([[0, 1, 2], [0, 1e300, 1.0]])}, "audio_clip of video 'b' holds 1e+300", "float32"),
    ({"window_audio": np.array([[0, 1, 2], [0, -1e300, 1.0]])}, "window_audio of video 'a' holds -1e+300"),
    ({"audio_clip": np.zeros((2, 3), complex)}, "audio_clip", "complex"),
    ({"visual_cosine": [0, 0, np.nan, 0, 0]}, "visual_cosine of video 'b' holds nan"),
    ({"visual_cosine": ["a"] * 5}, "visual_cosine has dtype <U1"),
    ({"kind": "probability", "audio_clip": np.full((2, 3), 1.0001)}, "holds 1.0001; probabilities must lie in [0, 1]"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "words"), [(c, w) for c, *w in BUNDLES], ids=[w[:50] for _, w, *_ in BUNDLES])
def test_what_a_bundle_may_not_hold(tmp_path: Path, changes: dict[str, Any], words: list[str]) -> None:
    given = arrays(**changes)
    refused(lambda: ScoreBundle.create(**given), *words)
    if all(isinstance(value, np.ndarray) for value in changes.values()):
        np.savez(tmp_path / "b.npz", **given)
        refused(lambda: read_bundle(tmp_path / "b.npz"), str(tmp_path / "b.npz"), *words)


def test_any_array_of_a_bundle_of_another_type_shape_or_value() -> None:
    """Each array made another, in every way: an error of the package with its name, or a bundle of the right types."""
    others: list[Any] = [
        None, np.array(3), np.array("x"), np.zeros(0), np.zeros((1, 1)), np.zeros((5, 3), "M8[s]"), [[]], [[1], []],
        np.array([b"\xff"] * 5), np.zeros((5, 3), object), np.full((5, 3), -np.inf), np.full((5, 3), 5e-324), "text",
        np.zeros((5, 3), "?"), b"text", 10**400, {"a": 1}, np.zeros((2, 1, 3), "f2"), np.array([2, 3], "u1"),
        np.zeros((0, 3)), [None, None],
    ]  # fmt: skip
    accepted = 0
    for name, other in product(
        [*arrays(), "has_audio", "has_visual", "visual_cosine", "kind", "segment_seconds"], others
    ):
        try:
            found = ScoreBundle.create(
                **{"segments_per_video": [0], "video_ids": [], "labels": [], **arrays(**{name: other})}
            )
        except (DataError, UsageError) as error:
            message = str(error)
        else:
            message = ""
            accepted += 1
            assert found.segments_per_video.dtype == np.int64
            assert all(a is None or a.dtype == np.float32 for a in (found.audio_segments, found.visual_clip))
        assert "\n" not in message
    assert accepted >= 15


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (2, 0)])
def test_bundles_of_nothing(shape: tuple[int, int]) -> None:
    videos, segments = shape
    given = {
        "video_ids": [f"v{k}" for k in range(videos)],
        "labels": ["x", "y"],
        "segments_per_video": [segments] * videos,
    }
    total = videos * segments
    bundle = ScoreBundle.create(**given, visual_segments=np.zeros((total, 2)), audio_segments=np.zeros((total, 2)),
                                audio_clip=np.zeros((videos, 2)), visual_clip=np.zeros((videos, 1, 2)))  # fmt: skip
    assert len(replay(bundle, make_params("naive_languagebind")).replay.events.label) == 0
    refused(lambda: ScoreBundle.create(**{**given, "labels": []}), "no labels")


# --- HDF5 --------------------------------------------------------------------------------------------------------


def test_hdf5_is_read_as_h5py_reads_it_and_no_other_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One file with a dataset of each kind, because each file is read by a process of its own."""
    file, other = tmp_path / "s.h5", tmp_path / "other.h5"
    with h5py.File(other, "w") as handle:
        handle["x"] = np.ones(3)
    (tmp_path / "raw").write_bytes(bytes(24))
    data = np.random.default_rng(0).random((7, 5)).astype(">f4")
    good = {"plain": data, "group/inner": np.arange(3), "scalar": np.float64(2), "flags": np.array([True, False]),
            "none": np.zeros((0, 3))}  # fmt: skip
    with h5py.File(file, "w") as handle:
        for name, value in good.items():
            handle[name] = value
        handle.create_dataset("packed", data=data, chunks=(2, 3), compression="gzip", shuffle=True, fletcher32=True)
        handle.create_dataset("lzf", data=data, chunks=(2, 3), compression="lzf")
        handle["ids"] = np.array(["é", "b"], h5py.string_dtype())
        handle["bytes"] = np.array([b"a", b"bc"])
        handle["soft"] = h5py.SoftLink("/group/inner")
        handle["circle"] = h5py.SoftLink("/circle")
        handle["away"] = h5py.ExternalLink(str(other), "/x")
        handle.create_dataset("raw", (3,), "f8", external=[(str(tmp_path / "raw"), 0, 24)])
        layout = h5py.VirtualLayout((3,), "f8")
        layout[:] = h5py.VirtualSource(str(other), "x", (3,))
        handle.create_virtual_dataset("virtual", layout)
        handle.create_dataset("huge", (10**12,), "f4", chunks=(1 << 16,))
        handle.create_dataset("parts", (10**7,), "f4", chunks=(1,))
        handle.create_dataset("scaled", data=data.astype("f4"), chunks=(2, 3), scaleoffset=2)
        handle.create_dataset("ragged", (2,), h5py.vlen_dtype(np.int32))
        handle.create_dataset("structure", (2,), [("a", "f4")])
        handle.create_dataset("reference", (2,), h5py.ref_dtype)
        handle.create_dataset("complex", (2,), "c8")
        handle["empty"] = h5py.Empty("f4")
    with open_hdf5(file, "score file") as opened:
        for name in (*good, "packed", "lzf", "soft"):
            with h5py.File(file) as handle:
                expected = handle[name][()]
            found = opened.read(name)
            assert found.shape == expected.shape
            assert found.tobytes() == expected.tobytes(), name
        assert opened.read("ids").tolist() == ["é", "b"]
        assert opened.read("bytes").tolist() in (["a", "bc"], [b"a", b"bc"])
        for name, words in (
            ("away", "lies in another file"), ("raw", "from other files"), ("virtual", "from other files"),
            ("circle", "circle of links"), ("huge", "declares 4,000,000,000,000 bytes"), ("ragged", "objects"),
            ("parts", "declares 10,000,000 parts"), ("scaled", "packed by filter 6"), ("structure", "a structure"),
            ("reference", "objects"), ("complex", "complex"), ("empty", "no shape"),
            ("nothing", "no array 'nothing'; it holds"), ("group", "no array 'group'"), ("../x", "no array"),
        ):  # fmt: skip
            refused(lambda name=name: opened.read(name), str(file), words)


def opened_and_read(file: Path, *names: str) -> None:
    with open_hdf5(file, "score file") as opened:
        for name in names:
            opened.read(name)


def test_a_damaged_hdf5_file_neither_hangs_nor_crashes_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "s.h5"
    with h5py.File(file, "w") as handle:
        handle["ids"] = np.array(["a", "b", "c"], h5py.string_dtype())
        handle.create_dataset("x", data=np.zeros((3, 4)), chunks=(1, 4), compression="gzip")
    whole = file.read_bytes()
    monkeypatch.setattr(hdf5_file, "SECONDS", 1)
    endless = bytearray(whole)
    endless[whole.index(b"GCOL") + 24] = 0  # the size of an object in the heap of texts: the library reads it for ever
    file.write_bytes(endless)
    refused(lambda: opened_and_read(file, "ids"), str(file), "ids in ", "for ever")
    file.write_bytes(whole[: len(whole) // 2])
    refused(lambda: opened_and_read(file, "x"), str(file), "not a readable HDF5 file")
    packed = bytearray(whole)
    at = whole.index(b"\x78\x5e") if b"\x78\x5e" in whole else whole.index(b"\x78\x01")
    packed[at + 2 : at + 9] = b"\xff" * 7
    file.write_bytes(packed)
    refused(lambda: opened_and_read(file, "x"), "x in ", "is damaged")
    os.mkfifo(tmp_path / "pipe.h5")
    refused(lambda: opened_and_read(tmp_path / "pipe.h5", "x"), "is a pipe")


# --- mappings and csv ------------------------------------------------------------------------------------------


GOOD = '[ids]\narray = "ids"\n[labels]\nnames = ["x"]\n[arrays]\naudio_segments = "a"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("vlaues = 'logits'\n" + GOOD, "no key 'vlaues'; did you mean 'values'"),
        (GOOD.replace("array =", "aray ="), "[ids] has no key 'aray'; did you mean 'array'"),
        (GOOD + "[csv]\nseperator = ','\n", "[csv] has no key 'seperator'; did you mean 'separator'"),
        (GOOD.replace('"a"', '{ nam = "a" }'), "audio_segments has no key 'nam'; did you mean 'name'"),
        (GOOD.replace('array = "ids"', "array = 3"), "'ids', 'array': expected str"),
        (GOOD.replace('names = ["x"]', "names = 3"), "'labels', 'names': expected array"),
        (GOOD.replace('["x"]', '["x", 3]'), "'labels', 'names', number 2"),
        (GOOD.replace('"a"', '["a"]'), "'audio_segments'"),
        (GOOD.replace('"a"', '{ name = "a", pick = { N = "x" } }'), "'pick'"),
        (GOOD.replace('"a"', '{ name = "a", pick = { N = 1.5 } }'), "'pick'"),
        (GOOD.replace('"a"', '{ name = "a", axes = "' + "Q" * 5000 + '" }'), "do not fit"),
        (GOOD.replace('"a"', '{ name = "" }'), "has no name"),
        ("ids = 3\n" + GOOD.replace("[ids]", "[idz]"), "no key 'idz'"),
        ("arrays = 3\n[ids]\n", "'arrays': expected object"),
        ("segment_seconds = nan\n" + GOOD, "segment_seconds is nan"),
        ("segment_seconds = 1979-05-27\n" + GOOD, "'segment_seconds'"),
        (GOOD + "[csv]\nseparator = ''\n", "must be one character"),
        (GOOD + "[csv]\nfirst_segment = 1.0\n", "'first_segment': expected int"),
        (GOOD.replace('array = "ids"', 'file = "a\\u0000b"'), "give the path of a file"),
        ("a" + ".a" * 5000 + " = 1", "parts"),
    ],
)
def test_what_a_mapping_may_not_say(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "m.toml").write_text(text)
    refused(lambda: read_mapping(tmp_path / "m.toml"), str(tmp_path / "m.toml"), words)


def test_files_that_a_mapping_names_are_regular_ones(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", a=np.zeros((1, 2, 1)))
    os.mkfifo(tmp_path / "pipe")
    for name, words in (
        ("pipe", "is a pipe"),
        ("/dev/zero", "is a device"),
        (".", "is a folder"),
        ("none", "there is no"),
    ):
        (tmp_path / "m.toml").write_text(GOOD.replace('array = "ids"', f'file = "{name}"'))
        refused(lambda: read_third_party(tmp_path / "s.npz", tmp_path / "m.toml"), words)
    (tmp_path / "ids.txt").write_text("v0\n\n")
    (tmp_path / "m.toml").write_text(GOOD.replace('array = "ids"', 'file = "ids.txt"'))
    assert read_third_party(tmp_path / "s.npz", tmp_path / "m.toml")[0].video_ids == ("v0",)
    (tmp_path / "ids.txt").write_bytes(b"v0\x07\n")
    refused(lambda: read_third_party(tmp_path / "s.npz", tmp_path / "m.toml"), "ids.txt, line 1", "control characters")


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("9" * 5000, "line 3, column 'x': "),
        ("1_0", "line 3, column 'x': '1_0' is not a number"),
        ("1e999", "line 3, column 'x': '1e999' is not a number"),
        ("٣", "line 3, column 'x'"),
        ("a\0", "line 3: there is a NUL byte"),
        ('"0.5', "line 3 is not a row of a table"),
        ("0.5,0.5", "line 3: 4 columns, expected 3"),
    ],
)
def test_cells_of_csv_scores(tmp_path: Path, cell: str, words: str) -> None:
    (tmp_path / "m.toml").write_text('[labels]\nnames = ["x"]\n[arrays]\naudio_segments = "{label}"\n')
    (tmp_path / "s.csv").write_text(f"video_id,segment,x\nv0,0,0.25\nv0,1,{cell}\n", encoding="utf-8")
    message = refused(lambda: read_third_party(tmp_path / "s.csv", tmp_path / "m.toml"), "s.csv", words)
    assert len(message) < 400
    (tmp_path / "s.csv").write_text(f"video_id,segment,x\nv0,0,0.25\nv0,{'9' * 5000},0.5\n")
    refused(
        lambda: read_third_party(tmp_path / "s.csv", tmp_path / "m.toml"), "line 3: the segment", "not a whole number"
    )


# --- traces, options, safetensors -----------------------------------------------------------------------------------


def test_a_trace_has_its_arrays_in_their_types_and_shapes(tmp_path: Path) -> None:
    file = tmp_path / "t.npz"
    result = replay(ScoreBundle.create(**arrays()), make_params("languagebind"), trace=True)
    result.save_trace(file)
    with np.load(file) as npz:
        whole = {name: npz[name] for name in npz.files}
    read = read_trace(file)
    assert set(read) == {*whole, "file"}
    assert str(read["file"]) == str(file)
    for name, value, words in (
        ("audio_tau", None, "it has no audio_tau"),
        ("audio_tau", whole["audio_tau"][:-1], "audio_tau has shape (4, 3); expected (5, 3)"),
        ("audio_score", whole["audio_score"].astype(str), "audio_score has dtype"),
        ("visual_active", whole["visual_active"].astype(float), "visual_active has dtype float64; expected bool"),
        ("segments_per_video", np.array([2, -3]), "negative count"),
        ("video_ids", np.array(["a", "b\n"]), "video_ids, number 2"),
        ("labels", np.array([{}], object), "pickled objects"),
    ):
        np.savez(file, **{k: v for k, v in {**whole, name: value}.items() if v is not None})
        refused(lambda: read_trace(file), str(file), words)


def test_backbone_options_are_plain_values() -> None:
    given = [
        "a=1",
        "b=0.5",
        "c=true",
        "d=null",
        "e=[1]",
        'f="x"',
        "g=" + "[" * 100_000,
        "h=" + "9" * 5000,
        "i=NaN",
        "j=1e999",
    ]
    found = parse_options(given)
    assert {k: found[k] for k in "abcdef"} == {"a": 1, "b": 0.5, "c": True, "d": None, "e": "[1]", "f": "x"}
    assert all(isinstance(found[k], str) for k in "ghij")
    refused(lambda: parse_options(["a=\udcff"]), "not UTF-8", error=UsageError)


def test_what_a_safetensors_header_may_not_say(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    good = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "__metadata__": {"k": "v"}}

    def write(head: Any, data: bytes = bytes(8), length: int | None = None) -> None:
        text = head if isinstance(head, bytes) else json.dumps(head).encode()
        file.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)

    write(good)
    assert read_safetensors_header(file, "checkpoint")[1] == {"k": "v"}
    a = good["a"]
    for head, more, words in (
        (good, {"length": 2**63}, "is damaged"),
        (good, {"data": bytes(7)}, "is damaged"),
        (good, {"data": bytes(9)}, "is damaged"),
        (b"[1]", {}, "expected object"),
        (b"{" * 9000, {}, "JSON"),
        (b'{"a":' * 9000, {}, "header"),
        ({**good, "__metadata__": [1]}, {}, "__metadata__"),
        ({**good, "__metadata__": {"k": 1}}, {}, "'k'"),
        ({"a": {**a, "dtype": "F99"}}, {}, "'F99'"),
        ({"a": {**a, "dtype": 3}}, {}, "'dtype'"),
        ({"a": {**a, "shape": [-2]}}, {}, "'shape'"),
        ({"a": {**a, "shape": [2**40]}}, {}, "not those of its shape"),
        ({"a": {**a, "data_offsets": [8, 0]}}, {}, "not those of its shape"),
        ({"a": {**a, "data_offsets": [4, 12]}}, {}, "not those of its shape"),
        ({"a": {**a, "more": 1}}, {}, "unknown field more"),
        ({"a": 3}, {}, "'a'"),
    ):
        write(head, **more)
        message = refused(lambda: read_safetensors_header(file, "checkpoint", "train again"), str(file), words)
        assert re.search(r"train again|JSON|nested|dtype", message)
