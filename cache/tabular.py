"""Results as tables, for notebooks: HTML, pandas, Arrow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from html import escape
from itertools import islice
from typing import Any

from ..core.errors import UsageError
from ..core.installation import install_command

SHOWN_ROWS = 20
"""Rows of a table in a notebook."""
_SHOWN_TEXT = 60


class Tabular(ABC):
    """Something that is a table: columns of one length, of text or numbers, None where there is none."""

    @abstractmethod
    def columns(self) -> Mapping[str, Sequence[Any]]:
        """The columns of the table, by name."""

    def to_pandas(self) -> Any:
        """The table as a ``pandas.DataFrame``. Raises: UsageError without pandas."""
        try:
            import pandas
        except ImportError:
            raise _missing("pandas") from None
        return pandas.DataFrame(dict(self.columns()))

    def to_arrow(self) -> Any:
        """The table as a ``pyarrow.Table``. Raises: UsageError without pyarrow."""
        try:
            import pyarrow
        except ImportError:
            raise _missing("pyarrow") from None
        return pyarrow.table(dict(self.columns()))

    def _repr_html_(self) -> str:
        columns = self.columns()
        rows = list(zip(*columns.values(), strict=True))
        head = "".join(f"<th>{escape(name)}</th>" for name in columns)
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(_shown(value))}</td>' for value in row)}</tr>"
            for row in islice(rows, SHOWN_ROWS)
        )
        more = f"<p>and {len(rows) - SHOWN_ROWS} more rows</p>" if len(rows) > SHOWN_ROWS else ""
        caption = f"<caption>{escape(repr(self).strip('<>'))}</caption>"
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _shown(value: Any) -> str:
    text = "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _SHOWN_TEXT else f"{text[: _SHOWN_TEXT - 1]}…"


def _missing(package: str) -> UsageError:
    return UsageError(f"this table needs {package}: {install_command('notebook')}")
