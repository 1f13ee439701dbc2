"""What every HTML page of this package shares: figures as safe JSON, and plotly.js in the page."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Template


def script_json(figure: dict[str, Any]) -> Any:
    """A checked Plotly figure as JSON that may stand inside a ``<script>`` element."""
    import plotly.graph_objects as go

    checked = go.Figure(figure, skip_invalid=False).to_plotly_json()
    checked["layout"].pop("template", None)
    return safe_json(checked)


def safe_json(value: Any) -> Any:
    """A value as JSON that may stand inside a ``<script>`` element."""
    from markupsafe import Markup

    text = json.dumps(value, allow_nan=False, sort_keys=True, separators=(",", ":"))
    # ASCII output leaves no U+2028; without these three no tag, comment or entity can begin.
    for ch in "<>&":
        text = text.replace(ch, f"\\u{ord(ch):04x}")
    return Markup(text)


def plotly_js() -> Any:
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    return Markup(get_plotlyjs())


def csp_hash(script: str) -> str:
    """The source expression that allows exactly this inline script."""
    digest = hashlib.sha256(str(script).encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def page_template(file: Path) -> Template:
    """A Jinja template of a page: everything is escaped, and a variable that is missing is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(file.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["csp_hash"] = csp_hash
    return environment.get_template(file.name)
