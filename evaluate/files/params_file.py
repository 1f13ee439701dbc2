"""Parameters from where a user keeps them: a preset, a profile, a TOML file, single ``key=value`` settings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ...cache.toml_file import read_toml
from ...core.errors import UsageError
from ...core.params.av2a import Params, make_params
from ...core.params.ovavel import OvavelParams, make_ovavel_params

DECODERS = ("av2a", "ovavel")


def read_params_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Settings of a TOML file: option names, and ``preset`` or ``profile``, at the top or under ``[params]``.

    Raises: DataError where it is missing or not TOML.
    """
    data = read_toml(path, "parameter")
    return dict(data.get("params", data))


def parse_settings(settings: Sequence[str]) -> dict[str, str]:
    """``key=value`` strings as a dict. Raises UsageError where there is no ``=``."""
    out = {}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"{text!r} is not key=value; write for example alpha=0.45")
        out[key.strip()] = value.strip()
    return out


def layered_params(
    preset: str | None = None,
    profile: str | None = None,
    file: str | os.PathLike[str] | None = None,
    settings: Sequence[str] = (),
) -> Params:
    """Params from preset, profile, file and settings, in this order; later wins."""
    return make_params(*_layers(preset, profile, file, settings))


def decoder_params(
    decoder: str,
    preset: str | None = None,
    profile: str | None = None,
    file: str | os.PathLike[str] | None = None,
    settings: Sequence[str] = (),
) -> Params | OvavelParams:
    """The params of a decoder, layered as by :func:`layered_params`. Raises UsageError for an unknown decoder too."""
    if decoder not in DECODERS:
        raise UsageError(f"there is no decoder {decoder!r}; decoders are {', '.join(DECODERS)}")
    layers = _layers(preset, profile, file, settings)
    return make_params(*layers) if decoder == "av2a" else make_ovavel_params(*layers)


def _layers(
    preset: str | None, profile: str | None, file: str | os.PathLike[str] | None, settings: Sequence[str]
) -> tuple[str | None, str | None, dict[str, Any]]:
    """Preset, profile and values, what is given before what the file says."""
    values = read_params_file(file) if file is not None else {}
    preset = values.pop("preset", None) if preset is None else preset
    profile = values.pop("profile", None) if profile is None else profile
    for taken in ("preset", "profile"):
        values.pop(taken, None)
    return preset, profile, {**values, **parse_settings(settings)}
