"""Licences of weights, as the hub says them: of published checkpoints, and of others from the card beside them."""

from __future__ import annotations

import re

from .found import Weights

PUBLISHED = {
    "LanguageBind/LanguageBind_Audio": "MIT",
    "LanguageBind/LanguageBind_Audio_FT": "MIT",
    "LanguageBind/LanguageBind_Image": "MIT",
    "LanguageBind/LanguageBind_Video": "MIT",
    "LanguageBind/LanguageBind_Video_FT": "MIT",
    "facebook/pe-av-large-16-frame": "Apache-2.0",
    "laion/clap-htsat-fused": "Apache-2.0",
    "laion/clap-htsat-unfused": "Apache-2.0",
    "lukewys/laion_clap": "CC0-1.0",
}
"""Of repositories whose weights are taken by default or named in the documentation."""

_FIELD = re.compile(r"^(license|license_name):[ \t]*[\"']?([\w.+-]+)", re.MULTILINE)
_SHORT = {"mit": "MIT", "apache-2.0": "Apache-2.0", "bsd-3-clause": "BSD-3-Clause", "bsd-2-clause": "BSD-2-Clause"}


def licence_of(weights: Weights, default: str) -> str:
    """The licence of weights; ``default`` where neither the hub's card nor what is known of published ones says it."""
    if weights.repository in PUBLISHED:
        return PUBLISHED[weights.repository]
    card = weights.folder / "README.md" if weights.folder is not None else None
    if card is None or not card.is_file():
        return default
    text = card.read_bytes()[: 1 << 16].decode("utf-8", "replace")
    head = text.split("---", 2)[1] if text.startswith("---") else ""
    found: dict[str, str] = dict(_FIELD.findall(head))
    name = found.get("license", "")
    if name == "other":
        name = found.get("license_name", "")
    if not name:
        return default
    return _SHORT.get(name, name.upper() if name.startswith("cc") else name)
