"""The directive ``file-list``: every file of a folder of the package, with the first paragraph of its docstring."""

from __future__ import annotations

import ast
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]


class FileList(Directive):
    """Argument: a folder, relative to the root of the repository."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        lines = []
        for path in sorted((ROOT / self.arguments[0]).rglob("*.py"), key=lambda p: (p.parent, p.name)):
            text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            summary = " ".join(text.split("\n\n")[0].split())
            name = path.relative_to(ROOT).as_posix()
            lines += [f"``{name}``", f"   {summary}", ""]
        parent = nodes.Element()
        self.state.nested_parse(StringList(lines, source=self.arguments[0]), self.content_offset, parent)
        return parent.children


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("file-list", FileList)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
