"""Pickles of newer protocols rewritten in protocol 2, which is the one that torch reads without running code.

A pickle is a list of instructions. They are only rewritten here, never carried out: names of classes are written where
torch's reader expects them, and it refuses each that is not on its list.
"""

from __future__ import annotations

import pickle
import pickletools
import struct
from typing import IO, Any

_TEXTS = ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE")
_BYTES = ("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8")
_KEEP = ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT")
_TAKE = ("GET", "BINGET", "LONG_BINGET")


def in_protocol_2(stream: IO[bytes]) -> bytes:
    """The next pickle of a stream, in protocol 2. The stream stands behind it afterwards.

    Raises: ValueError where it is no pickle, or holds what protocol 2 has no word for.
    """
    out: list[bytes] = []
    texts: dict[int, str] = {}  # remembered by number; protocol 2 gets them written out again
    last: list[str | None] = []  # what the last instructions have put on the stack, None for all but texts
    kept = 0
    argument: Any
    for code, argument, position in pickletools.genops(stream):
        name = code.name
        if name == "FRAME":
            continue
        if name == "PROTO":
            out.append(pickle.PROTO + b"\2")
        elif name in _TEXTS:
            out.append(_text(argument))
            last.append(argument)
        elif name in _KEEP:
            number = kept if name == "MEMOIZE" else int(argument)
            kept += 1
            if last and last[-1] is not None:
                texts[number] = last[-1]
            else:
                out.append(pickle.LONG_BINPUT + struct.pack("<I", number))
        elif name in _TAKE:
            text = texts.get(int(argument))
            out.append(_text(text) if text is not None else pickle.LONG_BINGET + struct.pack("<I", int(argument)))
            last.append(text)
        elif name == "STACK_GLOBAL":
            names = last[-2:]
            if len(names) < 2 or None in names:
                raise ValueError(f"at byte {position} a class is not named")
            del out[-2:]
            out.append(_global(str(names[0]), str(names[1])))
            last = [None]
        elif name in _BYTES:
            out += [_global("_codecs", "encode"), _text(bytes(argument).decode("latin1")), _text("latin1")]
            out += [pickle.TUPLE2, pickle.REDUCE]
            last = [None]
        elif code.proto > 2:
            raise ValueError(f"at byte {position} it holds {name}")
        else:
            out.append(_as_it_is(code, argument))
            last.append(None)
    return b"".join(out)


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return pickle.BINUNICODE + struct.pack("<I", len(data)) + data


def _global(module: str, name: str) -> bytes:
    if "\n" in module + name:
        raise ValueError("a class has no proper name")
    return pickle.GLOBAL + module.encode() + b"\n" + name.encode() + b"\n"


def _as_it_is(code: Any, argument: Any) -> bytes:
    """An instruction of protocol 2 or older."""
    opcode: bytes = code.code.encode("latin1")
    match code.name:
        case "GLOBAL":
            return _global(*argument.split(" ", 1))
        case "BININT":
            return opcode + struct.pack("<i", argument)
        case "BININT1":
            return opcode + struct.pack("<B", argument)
        case "BININT2":
            return opcode + struct.pack("<H", argument)
        case "LONG1":
            data = pickle.encode_long(argument)
            return opcode + struct.pack("<B", len(data)) + data
        case "BINFLOAT":
            return opcode + struct.pack(">d", argument)
    if argument is not None:
        raise ValueError(f"it holds {code.name}")
    return opcode
