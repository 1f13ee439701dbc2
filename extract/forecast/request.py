"""The options of ``avreplay plan``; only the standard library is imported here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...core.command_options import REQUIRED, checked_choices, group, setting
from ...core.errors import UsageError
from ..command_options import PRECISIONS, ExtractSettings


@dataclass(frozen=True)
class PlanRequest:
    """What ``avreplay plan`` is asked: the cost of an extraction that has not begun.

    Attributes
    ----------
    videos, hours : how many, and how long they are in all
    backbone, backbone_settings, precision : as of `ExtractRequest`
    media : videos like those to come, of which the first that can be read is measured; none: a made one
    label_count : how many labels will be scored
    devices : devices like this one that will encode: how many, or their names with commas between them
    cores : processors like these that will decode; None: those that this process may use
    settings : the given ones of `ExtractSettings`, by name

    Raises
    ------
    UsageError
        a number out of range
    """

    videos: int = setting(REQUIRED, "How many videos.")
    hours: float = setting(REQUIRED, "How many hours they are in all.")
    backbone: str = setting("demo", "Encoder: a name of `avreplay backbones`, or package.module:Class.", metavar="NAME")
    backbone_settings: tuple[str, ...] = setting(
        (), "An option of the backbone, say device=cuda.", flag="--backbone-option", metavar="KEY=VALUE"
    )
    precision: str | None = setting(None, "Of the encoder; amp: mixed.", choices=tuple(PRECISIONS))
    devices: str = setting(
        "1", "Devices like this machine's that will encode: a number, or names as of `extract`.", metavar="D"
    )
    cores: int | None = setting(
        None, "Cores like these that will decode, on all machines.", shown_default="those of this machine"
    )
    label_count: int = setting(25, "How many labels will be scored.")
    media: tuple[str, ...] = setting(
        (), "Videos like those to come, to measure one of.", metavar="MEDIA", shown_default="a generated video"
    )
    settings: Mapping[str, Any] = group(ExtractSettings)

    def __post_init__(self) -> None:
        checked_choices(self)
        numbers = {"videos": (self.videos, 1), "devices": (self.device_count, 1), "cores": (self.cores, 1)}
        for name, (value, least) in {**numbers, "label_count": (self.label_count, 0)}.items():
            if value is not None and not least <= value <= 10**12:
                raise UsageError(f"{name} is {value}; it must lie in {least} to 10^12")
        if not 0 < self.hours <= 1e12:
            raise UsageError(f"hours is {self.hours}; it must be more than 0, and at most 10^12")
        ExtractSettings(**dict(self.settings))

    @property
    def device_count(self) -> int:
        """How many devices will encode. Raises: UsageError for neither a number nor names."""
        text = self.devices.strip()
        if re.fullmatch("-?[0-9]{1,15}", text):
            return int(text)
        names = [name.strip() for name in text.split(",")]
        if not all(re.search("[a-z]", name) for name in names):
            raise UsageError(f"devices is {text[:40]!r}; give a number, or names such as cuda:0,cuda:1")
        return len(names)
