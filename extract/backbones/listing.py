"""The list of backbones, as ``avreplay backbones`` prints it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from ...core.registry import Plugin
from ._versions import torchvision_trouble
from .checkpoints import CHECKPOINTS, Checkpoint, checkpoint_text
from .registry import BackboneFacts, backbone_class, backbone_facts, backbone_registry


def list_backbones() -> list[dict[str, Any]]:
    """Every backbone: name, what it is, widths, licence, rates, checkpoints with sizes and licences, the packages it
    needs, whether they are installed, ``trouble`` where they do not fit together, and where it comes from. A plug-in
    that cannot be used has an ``error``, and none of the other facts."""
    trouble = torchvision_trouble()
    return [_listed(plugin, trouble) for plugin in backbone_registry.plugins()]


def _listed(plugin: Plugin, trouble: str) -> dict[str, Any]:
    """``trouble`` : with torchvision, which the packages of every encoder of foundation models import."""
    facts = BackboneFacts("") if plugin.error else backbone_facts(plugin.name)
    own = trouble if facts.extra and not facts.missing else ""
    return {
        "name": plugin.name,
        "about": facts.about,
        "dims": facts.dims,
        "licence": facts.licence,
        "sample_rate": facts.sample_rate,
        "window_frames": facts.window_frames,
        "frame_rate": facts.frame_rate,
        "audio_visual": facts.audio_visual,
        "checkpoints": [c.as_dict() for c in _checkpoints(plugin)],
        "extra": facts.extra,
        "needs": list(facts.needs),
        "missing": facts.missing,
        "installed": not facts.missing and not plugin.error and not own,
        "trouble": own,
        "install": facts.install,
        "source": plugin.source,
        "error": plugin.error,
    }


def _checkpoints(plugin: Plugin) -> tuple[Checkpoint, ...]:
    return CHECKPOINTS.get(plugin.name, ()) if plugin.source == "avreplay" else ()


def backbones_text(found: Sequence[dict[str, Any]]) -> str:
    """The list in words: four lines a backbone and one for each of its checkpoints; one line for a plug-in that cannot
    be used."""
    lines = []
    for b in found:
        if b["error"]:
            lines.append(f"{b['name']}: {b['error']}")
            continue
        state = "installed" if b["installed"] else f"not installed (no {', '.join(b['missing'])}): {b['install']}"
        state = f"installed, and cannot be used: {b['trouble']}" if b["trouble"] else state
        state += "" if b["source"] == "avreplay" else f"; from {b['source']}"
        dims, licence = b["dims"] or "of unknown width", b["licence"] or "of unknown licence"
        lines += [f"{b['name']}: {b['about']}", f"  embeddings {dims}; weights {licence}", f"  {_rates(b)}"]
        lines += [f"  {state}", *(f"    {checkpoint_text(c)}" for c in b["checkpoints"])]
    return "\n".join(lines)


def _rates(b: Mapping[str, Any]) -> str:
    """How often it looks and listens."""
    if b["sample_rate"] is None:
        return "rates unknown before it is made"
    finer = f"; {b['frame_rate']:g} rows of sound a second" if b["frame_rate"] else ""
    joint = "; sound and picture of a segment together" if b["audio_visual"] else ""
    return f"sound at {b['sample_rate'] / 1000:g} kHz; a picture a segment, {b['window_frames']} a window{finer}{joint}"


def options_of(name: str) -> dict[str, Any]:
    """The options of a backbone with their defaults, as ``--backbone-option KEY=VALUE`` takes them; one that must be
    given has the default ``...``.

    Raises: UsageError for an unknown backbone, or one whose packages are not installed.
    """
    taken = inspect.signature(backbone_class(name)).parameters.values()
    plain = [p for p in taken if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return {p.name: "..." if p.default is p.empty else p.default for p in plain}


def options_text(name: str, options: Mapping[str, Any]) -> str:
    """The options in words, one a line."""
    if not options:
        return f"{name} has no options"
    width = max(map(len, options))
    shown = {key: "none" if value is None else _typed(value) for key, value in options.items()}
    return "\n".join([f"options of {name}, given as --backbone-option KEY=VALUE, with their defaults:",
                      *(f"  {key:<{width}}  {value}" for key, value in shown.items())])  # fmt: skip


def _typed(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
