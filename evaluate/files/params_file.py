"""Parameters from where a user keeps them: a preset, a profile, a TOML file, single ``key=value`` settings."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import msgspec

from ...cache.reading.files import named
from ...cache.reading.names import Name
from ...cache.reading.schema import checked
from ...cache.reading.toml_file import read_toml
from ...core.command_options import split_settings
from ...core.decoders.base import Decoder
from ...core.decoders.registry import DECODERS
from ...core.errors import DataError, UsageError, shown
from ...core.params.av2a import Params
from ...core.params.options import OptionSet, expectation, present_names

_Value = bool | int | float | str | list[bool | int | float | str]


class LayersForm(msgspec.Struct):
    """What a parameter file may name beside options."""

    decoder: Name | None = None
    preset: Name | None = None
    profile: Name | None = None
    tuned_on: Name | None = None


def read_params_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Settings of a TOML file: option names, ``preset``, ``profile`` and ``tuned_on`` (the encoder of the scores that a
    search found them on), at the top or under ``[params]``.

    Raises: DataError where it is missing, not TOML, or a value is no number, text, truth value or list of these.
    """
    table: Any = read_toml(path, "parameter file")
    where, mend = named(path), "write `option = value`, at the top or under [params]"
    if "params" in table:
        table, where = table["params"], f"{where}, 'params'"
    values: dict[str, Any] = checked(table, dict[Name, _Value], where, mend)
    checked(values, LayersForm, where, mend)
    return values


def present_params(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Options as they were stored with predictions or a search, by the names that they have now.

    Those of a decoder that is not installed, and whatever else is stored beside them, stay as they are. So do those of
    a decoder named by its module: what a file names is not imported.
    """
    name = str(stored.get("decoder", "av2a"))
    if ":" in name and name not in DECODERS:
        return dict(stored)
    try:
        return present_names(DECODERS.get(name).params, stored)
    except UsageError:
        return dict(stored)


def parse_settings(settings: Sequence[str]) -> dict[str, str]:
    """``key=value`` strings as a dict; later wins. Raises UsageError where there is no ``=``."""
    return {key: value.strip() for key, value in split_settings(settings, example="key=value, say alpha=0.45")}


def layered_params(
    preset: str | None = None,
    profile: str | None = None,
    file: str | os.PathLike[str] | None = None,
    settings: Sequence[str] = (),
) -> Params:
    """AV²A's params from preset, profile, file and settings, in this order; later wins."""
    _, params = decoder_params("av2a", preset, profile, file, settings)
    assert isinstance(params, Params)
    return params


def decoder_params(
    decoder: str | None = None,
    preset: str | None = None,
    profile: str | None = None,
    file: str | os.PathLike[str] | None = None,
    settings: Sequence[str] = (),
) -> tuple[Decoder[Any], OptionSet]:
    """A decoder by name and its params, layered as by :func:`layered_params`.

    Without a name the decoder is that of the file (``decoder = "..."``), or AV²A.

    Raises: UsageError for an unknown decoder, preset, profile or option, and for a file of another decoder.
    """
    return params_of_values(
        read_params_file(file) if file is not None else {}, file, decoder, preset, profile, settings
    )


def params_of_values(
    of_a_file: Mapping[str, Any],
    file: str | os.PathLike[str] | None,
    decoder: str | None,
    preset: str | None,
    profile: str | None,
    settings: Sequence[str],
) -> tuple[Decoder[Any], OptionSet]:
    """:func:`decoder_params` of what :func:`read_params_file` gave of ``file``."""
    values, where = dict(of_a_file), named(file or "")
    of_file = values.pop("decoder", None)
    found = DECODERS.get(decoder or of_file or "av2a")
    if decoder is not None and of_file not in (None, decoder, found.name):
        raise UsageError(
            f"{where} holds options of the {named(of_file)} decoder, not of {named(decoder)}; "
            f"give --decoder {named(of_file)}"
        )
    preset_of_file, profile_of_file = values.pop("preset", None), values.pop("profile", None)
    values.pop("tuned_on", None)
    _refuse_preset_of_another(found, preset_of_file if preset is None else preset)
    values = present_names(found.params, values)
    _refuse_texts(found.params, values, where)
    return found, found.make_params(
        preset_of_file if preset is None else preset,
        profile_of_file if profile is None else profile,
        {**values, **parse_settings(settings)},
    )


def _refuse_preset_of_another(decoder: Decoder[Any], preset: str | None) -> None:
    """Raises: UsageError for a preset that is not this decoder's, but one of another's, which is named."""
    if preset is None or preset in decoder.presets:
        return
    for name in DECODERS:
        try:
            other = DECODERS.get(name)
        except UsageError:  # a broken plug-in, which `avreplay plugins` names
            continue
        if preset in other.presets:
            raise UsageError(
                f"the preset {preset} is of the {name} decoder, not of {decoder.name}; give --decoder {name}, or a "
                f"preset that `avreplay options --decoder {decoder.name}` lists"
            )


def _refuse_texts(of: type[OptionSet], values: Mapping[str, Any], where: str) -> None:
    """Refuse the text of a number, and the number of a text: a file has types, and none is taken for another."""
    for f in fields(of):
        value = values.get(f.name)
        if value is None or f.metadata["parse"] is not None:
            continue
        if isinstance(value, str) != (str(f.type) == "str"):
            raise DataError(f"{where}: {f.name} is {shown(value)}; expected {expectation(f)}")
