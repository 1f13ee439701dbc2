"""How text of users enters a page safely.

Plotly reads a subset of HTML in every text, so each label and name passes :func:`literal` before it enters a figure;
the page itself escapes by Jinja2, after :func:`plain`.
"""

from __future__ import annotations

import html
import textwrap
import unicodedata


def plain(text: object) -> str:
    """A text on one line, with characters that would hide or reorder it written as ``\\uXXXX``."""

    def visible(ch: str) -> str:
        hidden = unicodedata.category(ch) in ("Cc", "Cs", "Zl", "Zp")
        reorders = ch in "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
        return f"\\u{ord(ch):04x}" if hidden or reorders else ch

    return "".join(map(visible, str(text)))


def literal(text: object, limit: int | None = None) -> str:
    """A text as Plotly must be given it to show it letter by letter, shortened to ``limit`` characters."""
    shown = plain(text)
    if limit is not None and len(shown) > limit:
        shown = shown[: limit - 1].rstrip() + "…"
    return html.escape(shown, quote=False)


def wrapped(text: object, width: int = 72) -> list[str]:
    """A text as lines that Plotly shows letter by letter: its boxes do not wrap."""
    return [literal(line) for line in textwrap.wrap(plain(text), width)]
