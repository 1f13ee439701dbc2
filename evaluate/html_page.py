"""What every HTML page of this package shares: figures as safe JSON, plotly.js in the page, whole files only."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ..core.errors import DataError


def script_json(figure: dict[str, Any]) -> Any:
    """A checked Plotly figure as JSON that may stand inside a ``<script>`` element."""
    import plotly.graph_objects as go
    from markupsafe import Markup

    checked = go.Figure(figure, skip_invalid=False).to_plotly_json()
    checked["layout"].pop("template", None)
    text = json.dumps(checked, allow_nan=False, sort_keys=True, separators=(",", ":"))
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


def write_whole(path: Path, content: bytes) -> None:
    """Write through a temporary file beside the target, so that a reader never sees a part."""
    try:
        handle, partial = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".partial", dir=path.parent)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}; choose a folder that exists") from None
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(partial, 0o666 & ~umask)
        os.replace(partial, path)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}") from None
    finally:
        Path(partial).unlink(missing_ok=True)
