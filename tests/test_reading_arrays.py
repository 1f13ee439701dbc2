"""Arrays from outside: mutants of npz files against NumPy's own reading, and each kind of what is refused."""

from __future__ import annotations

import io
import os
import random
import struct
import tracemalloc
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from avreplay.cache.reading import npz_file
from avreplay.cache.reading.npz_file import open_npz
from avreplay.core.errors import DataError
from hypothesis import given, settings
from hypothesis import strategies as st

RNG = np.random.default_rng(0)
ARRAYS = {
    "ids": np.array(["é", "b", ""]),
    "bytes": np.array([b"a", b"\xff"]),
    "x": RNG.random((3, 5)).astype(np.float32),
    "turned": np.asfortranarray(RNG.random((4, 3))),
    "big": np.arange(6, dtype=">i2").reshape(2, 3),
    "flags": np.array([True, False]),
    "none": np.zeros((0, 7), np.uint8),
    "scalar": np.array(2.5, np.float16),
    "word": np.array("similarity"),
    "wide": np.array(["ü"], ">U5"),
}


def packed(
    arrays: dict[str, Any], compression: int = zipfile.ZIP_STORED, headers: dict[str, bytes] | None = None
) -> bytes:
    """An npz file; ``headers`` replace the magic and header of arrays."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asanyarray(array))
            data = content.getvalue()
            if headers and name in headers:
                data = headers[name] + data[10 + int.from_bytes(data[8:10], "little") :]
            archive.writestr(f"{name}.npy", data)
    return out.getvalue()


def header(text: str, version: bytes = b"\x01\x00") -> bytes:
    content = text.encode() + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H" if version == b"\x01\x00" else "<I", len(content)) + content


def refused(file: Path, name: str, *words: str) -> None:
    with pytest.raises(DataError) as caught, open_npz(file, "score bundle") as opened:
        opened.read(name)
    message = str(caught.value)
    assert str(file) in message
    assert "\n" not in message
    assert len(message) < 1000
    for word in words:
        assert word in message, message


def same(a: Any, b: Any) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read_as_numpy_reads_it(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "a.npz", **ARRAYS)
    with open_npz(tmp_path / "a.npz", "score file") as opened, np.load(tmp_path / "a.npz") as plain:
        assert opened.names == tuple(plain.files)
        for name in ARRAYS:
            assert same(opened.read(name), plain[name])
            assert opened.read(name).flags.f_contiguous == plain[name].flags.f_contiguous


def mutant(content: bytes, random: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 4, 20))):
        at = random.randrange(len(changed))
        match random.randrange(6):
            case 0 | 1:
                changed[at] ^= 1 << random.randrange(8)
            case 2:
                changed[at] = random.choice((0, 1, 0x20, 0x28, 0x30, 0x39, 0x7F, 0x80, 0xFF))
            case 3:
                del changed[at : at + random.choice((1, 2, 8, 64, len(changed)))]
            case 4:
                changed[at:at] = random.randbytes(random.choice((1, 2, 8, 64)))
            case 5:
                changed[at : at + 4] = struct.pack("<I", random.choice((0, 1, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)))
        if not changed:
            break
    return bytes(changed)


def edited_zip(content: bytes, random: random.Random) -> bytes:
    """One field of one record of the archive set to another value."""
    changed = bytearray(content)
    signature, fields = random.choice((
        (b"PK\x03\x04", ((4, 2), (6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2))),
        (b"PK\x01\x02", ((6, 2), (8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (42, 4))),
        (b"PK\x05\x06", ((4, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2))),
    ))  # fmt: skip
    starts = [k for k in range(len(content)) if content.startswith(signature, k)]
    offset, width = random.choice(fields)
    at = random.choice(starts) + offset
    value = random.choice((0, 1, 2, 8, 9, 12, 99, 0x0800, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, random.randrange(1 << 32)))
    changed[at : at + width] = (value % (1 << 8 * width)).to_bytes(width, "little")
    return bytes(changed)


WORDS = ("'<f4'", "'|O'", "'<U5'", "'|b1'", "'<f8'", "'<M8[s]'", "[('a', '<f4')]", "'(2,)<f4'", "'x'", "'<c8'",
         "None", "'|V4'", "'>i4'", '"<f4"', "'<f4", "1" * 50)  # fmt: skip
SHAPES = ("(3, 5)", "(3, 5)", "(15,)", "(15)", "()", "(3, 5,)", "(5L, 3L)", "(0, 5)", "(-3, -5)", "(1e1,)", "[3, 5]",
          "(100000000000,)", f"({'9' * 30},)", f"({'1, ' * 40})", "(" * 3000, "(3, 05)", "(True, 15)",
          "(4611686018427387904, 4)", "(3,, 5)", "None")  # fmt: skip


def edited_header(random: random.Random) -> bytes:
    """A file one of whose headers is another."""
    order = random.choice(("False", "True", "0", "None", "'True'"))
    text = f"{{'descr': {random.choice(WORDS)}, 'fortran_order': {order}, 'shape': {random.choice(SHAPES)}, }}"
    changed = (
        text[:-1], text + "x", text.replace(", ", ","), text.replace("'", '"'), f" {text}  ", "{}",
        text.replace("descr", "fields"), text[:-1] + ", 'more': 1}", text.replace("'shape'", "'descr'"),
    )  # fmt: skip
    version = random.choice((b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x00\x00", b"\x01\x07", b"\x04\x00"))
    head = header(random.choice((text, text, text, *changed)), version)
    return packed(ARRAYS, random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)), {"x": head})


def attempt(file: Path, name: str) -> tuple[Any, str]:
    """An array, or why it is not read."""
    try:
        with open_npz(file, "score bundle") as opened:
            return opened.read(name), ""
    except DataError as error:
        return None, str(error)


def test_mutants_are_refused_in_a_sentence_or_read_as_numpy_reads_them(tmp_path: Path) -> None:
    source, file = random.Random(5), tmp_path / "m.npz"
    files = [packed(ARRAYS), packed(ARRAYS, zipfile.ZIP_DEFLATED)]
    read = outcomes = 0
    for k in range(400):
        base = source.choice(files)
        content = (
            edited_header(source) if k % 3 == 0 else edited_zip(base, source) if k % 3 == 1 else mutant(base, source)
        )
        file.write_bytes(content)
        for name in ("x", "ids", "flags"):
            outcomes += 1
            tracemalloc.start()
            found, message = attempt(file, name)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 4 << 20
            if found is None:
                assert str(file) in message
                assert "\n" not in message
                continue
            read += 1
            with warnings.catch_warnings(action="ignore"), np.load(file, allow_pickle=False) as plain:
                assert same(found, plain[name]), (k, name)
    assert outcomes / 10 < read < outcomes * 9 / 10


HEADERS = [
    ("'|O'", "(15,)", "pickled objects, which are never loaded"),
    ("[('a', '<f4')]", "(15,)", "a structure"),
    ("'<c8'", "(7,)", "complex numbers"),
    ("'<M8[s]'", "(7,)", "dates"),
    ("'|V4'", "(15,)", "raw bytes"),
    ("'<q7'", "(15,)", "dtype '<q7'"),
    ("'<f4'", "(100000000000,)", "declares 400.0 GB (float32, shape (100000000000,)) and 60 bytes of it are there"),
    ("'<f4'", "(14,)", "declares 56 bytes"),
    ("'<f4'", "(4611686018427387904, 4)", "which no array can have"),
    ("'<f4'", f"({'1, ' * 40})", "which no array can have"),
    ("'<f4'", "(" * 9000, "damaged header"),
    ("'<f4'", "(" * 20_000, "too long"),
]


@pytest.mark.parametrize(("dtype", "shape", "words"), HEADERS, ids=[w[:20] for _, _, w in HEADERS])
def test_what_a_header_may_not_say(tmp_path: Path, dtype: str, shape: str, words: str) -> None:
    head = header(f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}}}")
    (tmp_path / "a.npz").write_bytes(packed(ARRAYS, headers={"x": head}))
    refused(tmp_path / "a.npz", "x", "x in ", words)


def test_what_an_archive_may_not_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.npz"
    whole = packed({"x": ARRAYS["x"]})
    at = whole.index(b"PK\x01\x02")
    flags = bytearray(whole)
    flags[at + 8] |= 1
    method = bytearray(whole)
    method[at + 10] = 12
    value = bytearray(whole)
    value[whole.index(b"\n") + 1] ^= 1
    for content, words in (
        (bytes(flags), "encrypted"),
        (bytes(method), "compression 12"),
        (bytes(value), "checksum"),
        (whole[: at - 10] + whole[at:], "parts overlap"),
        (whole[:200], "zip"),
        (b"", "no zip"),
        (b"\x93NUMPY\x01\x00", "single array"),
    ):
        file.write_bytes(content)
        refused(file, "x", words)
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.npy", b"")
        archive.writestr("x", b"")
    refused(file, "x", "two arrays 'x'")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.npy", b"some text that is no array")
    refused(file, "x", "no array of NumPy")
    refused(file, "y", "no array 'y'; it holds x")
    np.savez_compressed(file, x=np.zeros(1 << 18))
    monkeypatch.setattr(npz_file, "FREE", 1 << 20)
    refused(file, "x", "unpacks to 2.1 MB", "numpy.savez")
    for name, bad, words in (
        ("u", np.array([0xD800], np.uint32), "not Unicode"),
        ("u", np.array([0x110000], np.uint32), "not Unicode"),
        ("b", np.array([2], np.uint8), "neither 0 nor 1"),
    ):
        kind = "'<U1'" if name == "u" else "'|b1'"
        head = header(f"{{'descr': {kind}, 'fortran_order': False, 'shape': (1,)}}")
        file.write_bytes(packed({name: bad}, headers={name: head}))
        refused(file, name, words)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "link.npz").symlink_to("/dev/zero")
    refused(tmp_path / "pipe.npz", "x", "is a pipe")
    refused(tmp_path / "link.npz", "x", "is a device")
    refused(tmp_path / "none.npz", "x", "there is no score bundle")
    refused(tmp_path, "x", "is a folder")


@settings(deadline=None)
@given(st.data())
def test_a_damaged_name_hides_no_array(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Neither of an array that is read nor of another: what is hidden so would be missed without a word."""
    whole = bytearray(packed(ARRAYS))
    places = [i for i in range(len(whole)) if whole.startswith(b"PK\x01\x02", i)]
    place = data.draw(st.sampled_from(places))
    length = int.from_bytes(whole[place + 28 : place + 30], "little")
    at = place + 46 + data.draw(st.integers(0, length - len(".npy") - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    file = tmp_path_factory.mktemp("zip") / "a.npz"
    file.write_bytes(whole)
    with pytest.raises(DataError, match=r"two names|two arrays|not a readable"), open_npz(file, "score bundle"):
        pass
