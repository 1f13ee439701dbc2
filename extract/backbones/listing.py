"""The list of backbones, as ``avreplay backbones`` prints it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.registry import Plugin
from .registry import BackboneFacts, backbone_facts, backbone_registry


def list_backbones() -> list[dict[str, Any]]:
    """Every backbone: name, what it is, widths, licence, the packages it needs, whether they are installed, and where
    it comes from. A plug-in that cannot be used has an ``error``, and none of the other facts."""
    return [_listed(plugin) for plugin in backbone_registry.plugins()]


def _listed(plugin: Plugin) -> dict[str, Any]:
    facts = BackboneFacts("") if plugin.error else backbone_facts(plugin.name)
    return {
        "name": plugin.name,
        "about": facts.about,
        "dims": facts.dims,
        "licence": facts.licence,
        "extra": facts.extra,
        "needs": list(facts.needs),
        "missing": facts.missing,
        "installed": not facts.missing and not plugin.error,
        "install": facts.install,
        "source": plugin.source,
        "error": plugin.error,
    }


def backbones_text(found: Sequence[dict[str, Any]]) -> str:
    """The list in words, three lines a backbone, one for a plug-in that cannot be used."""
    lines = []
    for b in found:
        if b["error"]:
            lines.append(f"{b['name']}: {b['error']}")
            continue
        state = "installed" if b["installed"] else f"not installed (no {', '.join(b['missing'])}): {b['install']}"
        state += "" if b["source"] == "avreplay" else f"; from {b['source']}"
        dims, licence = b["dims"] or "of unknown width", b["licence"] or "of unknown licence"
        lines += [f"{b['name']}: {b['about']}", f"  embeddings {dims}; weights {licence}", f"  {state}"]
    return "\n".join(lines)
