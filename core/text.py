"""Text from outside, made fit for a terminal and for UTF-8 files."""

from __future__ import annotations

import unicodedata

_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")
_BIDI = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


def printable(text: str) -> str:
    r"""Text in which control characters, line separators, lone surrogates and marks that turn the direction of the text
    around them are written as Python writes them (``\x1b``); everything else stays."""
    return "".join(c.encode("unicode_escape").decode("ascii") if _is_unfit(c) else c for c in text)


def _is_unfit(char: str) -> bool:
    return unicodedata.category(char) in _CATEGORIES or unicodedata.bidirectional(char) in _BIDI
