"""Options of a backbone from the command line: ``KEY=VALUE``, the number type, the device."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...cache.reading.json_file import parse_json
from ...core.command_options import split_settings
from ...core.errors import DataError, UsageError
from ..command_options import PRECISIONS
from .registry import backbone_class


def parse_options(settings: Sequence[str]) -> dict[str, Any]:
    """Options from ``KEY=VALUE``; numbers, true, false and null are taken as such, everything else as text.

    Raises
    ------
    UsageError
        no ``=``, a key twice, or a value that is not UTF-8
    """
    options: dict[str, Any] = {}
    for key, value in split_settings(settings, "backbone option"):
        if key in options:
            raise UsageError(f"the backbone option {key} is given twice")
        if re.search("[\ud800-\udfff]", value):  # how Python hands over bytes that are no text
            raise UsageError(f"the backbone option {key} holds bytes that are not UTF-8; write it as UTF-8")
        try:
            parsed = parse_json(value, key)
        except DataError:
            parsed = value
        options[key] = value if isinstance(parsed, (dict, list)) else parsed
    return options


def with_precision(name: str, options: Mapping[str, Any], precision: str | None) -> dict[str, Any]:
    """The options of a backbone with the number type of a precision, one of `PRECISIONS`; None: as they are.

    Raises: UsageError where the number type is given twice, or the backbone has no such option.
    """
    if precision is None:
        return dict(options)
    if "dtype" in options:
        raise UsageError("the number type is given twice; use --precision or --backbone-option dtype, not both")
    if takes_option(name, "dtype"):
        return {**options, **PRECISIONS[precision]}
    if precision != "fp32":
        raise UsageError(f"the backbone {name} computes in fp32 only; leave --precision out")
    return dict(options)


def with_device(name: str, options: Mapping[str, Any], device: str) -> dict[str, Any]:
    """The options of a backbone for a device; a backbone without an option ``device`` computes on the CPU.

    Raises: UsageError for another device then.
    """
    if takes_option(name, "device"):
        return {**options, "device": device}
    if device != "cpu":
        raise UsageError(f"the backbone {name} computes on the CPU only, not on {device}; leave the device out")
    return dict(options)


def takes_option(name: str, option: str) -> bool:
    """Whether a backbone has an option of this name. Raises: UsageError as `backbone_class`."""
    return option in inspect.signature(backbone_class(name)).parameters
