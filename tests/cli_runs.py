"""Commands run in this process, made to fail, and the reports that they leave."""

from __future__ import annotations

import shlex

from avreplay.cli import main
from click.testing import CliRunner
from test_cli_options import COMMANDS


def words_of(path):
    """The arguments of a command's example."""
    return shlex.split(COMMANDS[path].epilog.partition(">")[0])[1:]


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def failing(monkeypatch, path, error):
    def fail(*_):
        raise error() if isinstance(error, type) else error

    monkeypatch.setattr(COMMANDS[path], "_function", fail)


def reports(folder):
    return sorted(folder.glob("avreplay-error-*.txt"))
