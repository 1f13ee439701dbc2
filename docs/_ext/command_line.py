"""The directive ``command-line``: a section for each command of avreplay, with what its ``--help`` prints."""

from __future__ import annotations

from collections.abc import Iterator

import click
from avreplay.cli import main
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

WIDTH = 84


def commands(command: click.Command, words: tuple[str, ...], parent: click.Context | None) -> Iterator[nodes.section]:
    """The section of a command, after it those of the commands inside of it."""
    context = click.Context(
        command, parent, words[-1], terminal_width=WIDTH, max_content_width=WIDTH, **command.context_settings
    )
    title = " ".join(words)
    section = nodes.section(ids=[nodes.make_id(title)], names=[title])
    section += nodes.title(text=title)
    section += nodes.literal_block(text=command.get_help(context), language="text")
    yield section
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inside = command.get_command(context, name)
            assert inside is not None
            yield from commands(inside, (*words, name), context)


class CommandLine(Directive):
    def run(self) -> list[nodes.Node]:
        return list(commands(main, ("avreplay",), None))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
