"""Hypothesis strategies of mutants: of bytes, of JSON and TOML values, of tables, of arrays in npz files."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[Any]], Any]


@dataclass(frozen=True)
class Raw:
    """Text that stands in the written file as it is: what no writer would write."""

    text: str

    def __repr__(self) -> str:
        return f"Raw({self.text[:30]!r})"


def _nested(opening: str, closing: str, levels: int) -> Raw:
    return Raw(opening * levels + closing * levels)


HOSTILE = st.one_of(
    st.sampled_from([
        None, True, False, 0, 1, -1, 2**31, 2**63, 2**64, -(2**63) - 1, 0.5, -0.0, 1e308, 5e-324,
        "", " ", "1", "²", "nan", "inf", "true", "x" * 70_000, "\0", "\n", "a\nb", "\x1b[31m", "\u202e", "\u2028",
        "../../outside", "/etc/passwd", "/dev/zero", "C:\\x", "<script>alert(1)</script>", "=1+1", "'; drop", "%s%n",
        "b'x'", "__class__", [], {}, [[]], [None], {"": ""}, {"a": {"b": {"c": []}}}, [0] * 1000, ["a", "b"],
        Raw("NaN"), Raw("Infinity"), Raw("1e999"), Raw("9" * 400), Raw("9" * 5000), Raw("-" + "9" * 20), Raw("01"),
        Raw('"\\ud800"'), Raw('"\\u0000"'), Raw("1 2"), Raw(""), Raw("{"), Raw("'x'"), Raw("inf"), Raw("1979-05-27"),
        _nested("[", "]", 40), _nested("[", "]", 2000), _nested("[", "]", 100_000), _nested('{"a":', "}", 3000),
    ]),
    st.text(max_size=8),
    st.integers(-20, 20),
    st.floats(),
)  # fmt: skip


@st.composite
def bytes_of(draw: Draw, content: bytes) -> bytes:
    """Flipped, cut, repeated, inserted bytes."""
    changed = bytearray(content)
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 5, 30]))):
        at = draw(st.integers(0, max(0, len(changed) - 1)))
        length = draw(st.sampled_from([1, 1, 2, 8, 64, 1000]))
        match draw(st.sampled_from(["flip", "flip", "set", "cut", "remove", "repeat", "insert", "zero"])):
            case "flip" if changed:
                changed[at] ^= 1 << draw(st.integers(0, 7))
            case "set" if changed:
                changed[at] = draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF, 0x0A, 0x22, 0x2C, 0x5B, 0x7B]))
            case "cut":
                del changed[at:]
            case "remove":
                del changed[at : at + length]
            case "repeat":
                changed[at:at] = changed[at : at + length] * draw(st.sampled_from([1, 2, 50]))
            case "insert":
                changed[at:at] = draw(st.binary(min_size=1, max_size=length))
            case "zero":
                changed[at : at + length] = bytes(len(changed[at : at + length]))
    return bytes(changed)


@st.composite
def tree_of(draw: Draw, value: Any) -> Any:
    """A value of lists and objects with some of its parts replaced, removed, renamed, moved or repeated."""
    changed = json.loads(json.dumps(value))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 4]))):
        places = list(_places(changed))
        if not places:
            return _copy(draw(HOSTILE))
        parent, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(["set", "set", "set", "remove", "rename", "swap", "wrap", "copy"])):
            case "set":
                parent[key] = _copy(draw(HOSTILE))
            case "remove":
                del parent[key]
            case "rename" if isinstance(parent, dict):
                parent[draw(st.sampled_from(["", "x", "kind", "\n", key + " ", key.upper()]))] = parent.pop(key)
            case "swap":
                other, at = draw(st.sampled_from(places))
                parent[key], other[at] = _copy(other[at]), _copy(parent[key])
            case "wrap":
                parent[key] = [parent[key]] if draw(st.booleans()) else {"a": parent[key]}
            case "copy" if isinstance(parent, list):
                parent.insert(key, _copy(parent[key]))
    return changed


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _copy(v) for k, v in value.items()}
    return [_copy(v) for v in value] if isinstance(value, list) else value


def _places(value: Any) -> Any:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in entries:
        yield value, key
        yield from _places(child)


def json_text(value: Any) -> bytes:
    """A value as JSON, its raw parts as they are."""
    raw: list[str] = []

    def plain(part: Any) -> Any:
        if isinstance(part, Raw):
            raw.append(part.text)
            return f"\ue000{len(raw) - 1}\ue000"
        if isinstance(part, dict):
            return {k: plain(v) for k, v in part.items()}
        return [plain(v) for v in part] if isinstance(part, list) else part

    text = json.dumps(plain(value), ensure_ascii=False)
    for number, part in enumerate(raw):
        text = text.replace(f'"\ue000{number}\ue000"', part)
    return text.encode("utf-8", "surrogatepass")


def toml_text(value: Any) -> bytes:
    """A value of tables as TOML, every table inline but the first; raw parts as they are."""
    entries = value.items() if isinstance(value, dict) else [("x", value)]
    return "".join(f"{_toml_key(k)} = {_toml(v)}\n" for k, v in entries).encode("utf-8", "surrogatepass")


def _toml(value: Any) -> str:
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml_key(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, (bool, float)) else json.dumps(value, ensure_ascii=False)


def _toml_key(key: str) -> str:
    return key if key.isascii() and key.replace("_", "").isalnum() else json.dumps(key, ensure_ascii=False)


@st.composite
def table_of(draw: Draw, rows: list[list[str]], separator: str) -> bytes:
    """A table of text with cells, rows and columns changed."""
    changed = [list(row) for row in rows]
    cells = st.sampled_from([
        "", " ", "-1", "1e400", "nan", "inf", "9" * 30, "9" * 5000, "x" * 200_000, '"', '""', "a\0b", "\ufeff",
        "1.5", "٣",
        "true", "[1, 2", "=cmd()", "10", "0x10", "1_0",
    ]) | st.text(max_size=6)  # fmt: skip
    for _ in range(draw(st.sampled_from([1, 1, 2, 5]))):
        if not changed:
            break
        row = draw(st.integers(0, len(changed) - 1))
        column = draw(st.integers(0, max(0, len(changed[row]) - 1)))
        match draw(st.sampled_from(["set", "set", "set", "remove", "repeat", "short", "long", "pad"])):
            case "set" if changed[row]:
                changed[row][column] = draw(cells)
            case "remove":
                del changed[row]
            case "repeat":
                changed.insert(row, list(changed[row]))
            case "short":
                del changed[row][column:]
            case "long":
                changed[row].append(draw(cells))
            case "pad" if changed[row]:
                changed[row][column] = f" {changed[row][column]} "
    ending = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    return ending.join(separator.join(row) for row in changed).encode("utf-8", "surrogatepass")


@st.composite
def array_of(draw: Draw, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """An array with another dtype, shape or values."""
    text = array.dtype.kind in "US"
    match draw(st.sampled_from(["values", "dtype", "shape", "rows", "order"])):
        case "values" if array.size:
            changed = array.astype("U40") if text else array.astype(np.float64)
            flat = changed.reshape(-1)
            hostile: list[Any] = ["", " ", "a\nb", "\0x", "x" * 40] if text else [
                np.nan, np.inf, -1, 1e300, 2.0**63, 1.0000002, 1.1, 0, 10**12]  # fmt: skip
            flat[draw(st.integers(0, flat.size - 1))] = draw(st.sampled_from(hostile))
            keep = array.dtype.kind == "f" or text or not np.isfinite(flat.astype(float)).all()
            with np.errstate(all="ignore"):
                return changed if keep else changed.astype(array.dtype)
        case "dtype":
            kind = draw(st.sampled_from(["S20", "U20", "i1", "u8", "f2", "f8", "?", "c16", ">f4", "M8[s]", "V8", "O"]))
            try:
                return array.astype(kind)
            except (ValueError, TypeError):
                return np.zeros(array.shape, kind)
        case "shape":
            shapes = [array[None], array.reshape(-1), array.reshape(-1, 1), array[..., None], np.array(0, array.dtype)]
            return shapes[draw(st.integers(0, len(shapes) - 1))]
        case "rows" if array.ndim:
            return array[: draw(st.integers(0, len(array)))] if draw(st.booleans()) else np.concatenate([array, array])
        case "order" if array.ndim > 1:
            return np.asfortranarray(array)
    return array[::-1].copy() if array.ndim else array


@st.composite
def arrays_of(draw: Draw, arrays: dict[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    """Named arrays with some of them changed, renamed or removed."""
    changed = dict(arrays)
    for _ in range(draw(st.sampled_from([1, 1, 2]))):
        name = draw(st.sampled_from(sorted(changed)))
        match draw(st.sampled_from(["change", "change", "change", "remove", "rename", "exchange"])):
            case "change":
                changed[name] = draw(array_of(changed[name]))
            case "remove" if len(changed) > 1:
                del changed[name]
            case "rename":
                changed[draw(st.sampled_from(["x", "../x", "kind", "a/b"]))] = changed.pop(name)
            case "exchange":
                other = draw(st.sampled_from(sorted(changed)))
                changed[name], changed[other] = changed[other], changed[name]
    return changed


@st.composite
def npz_of(draw: Draw, arrays: dict[str, np.ndarray[Any, Any]]) -> bytes:
    """An npz file of changed arrays, or of arrays whose headers lie."""
    how = draw(st.sampled_from(["arrays", "arrays", "arrays", "header", "member", "bytes"]))
    members = _members(draw(arrays_of(arrays)) if how == "arrays" else arrays)
    if how == "header":
        name = draw(st.sampled_from(sorted(members)))
        rest = "'fortran_order': False, 'shape': "
        lies = [
            f"{{'descr': '<f4', {rest}(100000000000,), }}",
            f"{{'descr': '<f4', {rest}(-1,), }}",
            f"{{'descr': '<f4', {rest}(2, 2.0), }}",
            f"{{'descr': [('a', '<f4')], {rest}(2,), }}",
            "{'descr': '|O', 'shape': (), }",
            "{'descr': '<f4', 'fortran_order': 1, 'shape': (1" + "0" * 400 + ",), }",
            "(" * 5000, "__import__('os')", "{", "é",
        ]  # fmt: skip
        header = (draw(st.sampled_from(lies)) + "\n").encode("latin1")
        members[name] = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + members[name][128:]
    if how == "member":
        name = draw(st.sampled_from(sorted(members)))
        members[name] = draw(bytes_of(members[name]))
    buffer = io.BytesIO()
    compression = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return draw(bytes_of(buffer.getvalue())) if how == "bytes" else buffer.getvalue()


def _members(arrays: dict[str, np.ndarray[Any, Any]]) -> dict[str, bytes]:
    out = {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, array, allow_pickle=True)
        out[name] = buffer.getvalue()
    return out
