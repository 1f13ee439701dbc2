"""A setting as the page has it, decoder, preset, profile and the options that differ from these; and as a command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any

import msgspec

from ...core.decoders.base import Decoder
from ...core.decoders.registry import DECODERS, decoder_name
from ...core.errors import UsageError
from ...core.params.options import OptionSet
from ...core.registry import failures_of
from ..tuning.space import Dimension, parse_space

_MOST_VALUES = 200


class SettingForm(msgspec.Struct):
    """What the page sends. ``values`` holds only options that differ from the preset's and the profile's."""

    decoder: str = "av2a"
    preset: str | None = None
    profile: str | None = None
    values: dict[str, bool | int | float | str] = {}


def decoder_of_name(name: str, decoders: Mapping[str, Decoder[Any]]) -> Decoder[Any]:
    """One of some decoders: a name from the page imports nothing. Raises: UsageError for another name."""
    if name not in decoders:
        raise UsageError(f"there is no decoder {name[:40]!r}; decoders are {', '.join(decoders)}")
    return decoders[name]


@dataclass(frozen=True, eq=False)
class Setting:
    """A decoder with its options, and how they came about."""

    decoder: Decoder[Any]
    preset: str | None
    profile: str | None
    values: Mapping[str, Any]
    params: OptionSet

    @classmethod
    def of(cls, form: SettingForm, decoders: Mapping[str, Decoder[Any]]) -> Setting:
        """A setting of one of some decoders.

        Raises: UsageError for an unknown decoder, preset, profile, option or value.
        """
        decoder = decoder_of_name(form.decoder, decoders)
        if len(form.values) > _MOST_VALUES:
            raise UsageError(f"{len(form.values)} options are more than any decoder has")
        params = decoder.make_params(form.preset, form.profile, form.values)
        return cls(decoder, form.preset, form.profile, form.values, params)

    @classmethod
    def of_params(cls, decoder: Decoder[Any], preset: str | None, profile: str | None, params: OptionSet) -> Setting:
        """A setting that was made elsewhere, with the options in which it differs from its preset and profile."""
        known = preset if preset in decoder.presets else None
        plain = decoder.make_params(known, profile).as_dict()
        values = {name: value for name, value in params.as_dict().items() if value != plain[name]}
        return cls(decoder, known, profile, values, params)

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells it from settings with other results."""
        return decoder_name(self.decoder), *self.params.as_dict().items()

    def as_dict(self) -> dict[str, Any]:
        return {
            "decoder": decoder_name(self.decoder), "preset": self.preset, "profile": self.profile,
            "values": dict(self.values),
        }  # fmt: skip

    def command(self, store: str, scores: str | None) -> str:
        """The command line that replays a store under it."""
        parts = ["avreplay", "replay", store]
        name = decoder_name(self.decoder)
        named = {"--decoder": None if name == "av2a" else name, "--preset": self.preset,
                 "--profile": self.profile, "--scores": scores}  # fmt: skip
        for flag, value in named.items():
            parts += [] if value is None else [flag, value]
        now = self.params.as_dict()
        for option in self.values:
            value = now[option]
            parts += ["--set", f"{option}={str(value).lower() if isinstance(value, bool) else value}"]
        return shlex.join([*parts, "--out", "predictions.json"])


def known_decoders() -> dict[str, Decoder[Any]]:
    """The registered decoders that can be used, by name."""
    found = {}
    for name in DECODERS.names():
        with suppress(UsageError):  # a broken plug-in, which `avreplay plugins` names
            found[name] = DECODERS.get(name)
    return found


def described(decoder: Decoder[Any]) -> dict[str, Any]:
    """A decoder for the page's form: options with their ranges, presets and profiles."""
    return {
        "name": decoder_name(decoder),
        "about": decoder.about,
        "options": [_described_option(decoder, f, o) for f, o in zip(_fields(decoder), decoder.options(), strict=True)],
        "presets": {name: dict(values) for name, values in decoder.presets.items()},
        "profiles": {name: dict(values) for name, values in decoder.profiles.items()},
        "traces": decoder.traces,
    }


def slider_of(decoder: Decoder[Any], name: str) -> tuple[float, float] | None:
    """The range that a slider of a numeric option has: its bounds, or those of the search space; None for others."""
    f = next(f for f in _fields(decoder) if f.name == name)
    kind, meta = str(f.type), f.metadata
    if kind not in ("float", "int") or meta["choices"] or meta["parse"]:
        return None
    searched = _search_space(decoder).get(name)
    low, high = meta["low"], meta["high"]
    if searched is not None and not searched.choices:
        low, high = (searched.low if low is None else low), (searched.high if high is None else high)
    default = float(f.default)
    low = min(0.0, 2 * default) if low is None else low
    high = max(low + (10 if kind == "int" else 1), 2 * default) if high is None else high
    return float(low), float(high)


def _described_option(decoder: Decoder[Any], f: Any, option: Any) -> dict[str, Any]:
    kind, meta = str(f.type), f.metadata
    choices = list(meta["choices"]) if meta["choices"] else None
    if choices:
        kind = "choice"
    elif kind not in ("float", "int", "bool") or meta["parse"]:
        kind = "text"
    slider = slider_of(decoder, f.name)
    return {
        "name": f.name, "kind": kind, "help": option.help, "default": option.default, "low": meta["low"],
        "high": meta["high"], "choices": choices, "expects": option.expects,
        "slider": None if slider is None else list(slider), "main": f.name in _search_space(decoder),
    }  # fmt: skip


def _fields(decoder: Decoder[Any]) -> tuple[Any, ...]:
    return fields(decoder.params)


def _search_space(decoder: Decoder[Any]) -> dict[str, Dimension]:
    with failures_of("decoder", decoder, decoder.name):
        texts = decoder.search_space()
        return {d.name: d for d in parse_space((), decoder.params(), texts)} if texts else {}
