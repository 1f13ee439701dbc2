"""Runs the commands and the Python of Markdown pages in a scratch folder, and compares what they print with the page.

In a page

* a ``console`` block holds commands after ``$ `` and below each of them what it prints. ``# exit code 1`` behind a
  command says how it ends (0 otherwise). A command without output below it may print anything.
* a ``python`` block is executed, all of a page in one namespace; a ``text`` block right after it is what it prints.
* any block whose first line is a file name in a comment (``# mapping.toml``) is saved under that name.
* ``<!-- not run: REASON -->`` before a block says why it is not run; REASON is one of `REASONS`. Commands of such
  blocks must still exist, with the options that they are given.
* ``<!-- numbers vary -->`` before a block: any numbers will do in its output. Times and rates vary without saying so.

In output a line ``...`` stands for any lines, ``...`` in a line for any text. ``UPDATE_DOCS=1`` in the environment
writes what was printed into the pages instead of comparing it.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from avreplay.cli import main
from click.testing import CliRunner

ROOT = Path(__file__).parents[1]
REASONS = ("needs a GPU", "serves until Ctrl-C", "needs a dataset", "downloads weights", "takes minutes")
WIDTH = "120"
UNITS = r"(?:videos/s|s|ms|us|µs|min|h|KB|MB|GB|times|video-settings/s)\b"
OF_TIME, OF_SIZE = r"(?:s|ms|us|µs|min|h)\b(?!/)", r"(?:KB|MB|GB)\b"
"""A time that varies may be told in another unit of time, and a size in another of size."""
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
OPENING = re.compile(r"( *)```(\w+)\s*$")
COMMENT = re.compile(r" *<!-- (?:not run: (?P<reason>[^>]+?)|(?P<vary>numbers vary)) -->\s*$")
FILE_NAME = re.compile(r"# ([\w-]+\.(?:py|toml|txt|json))$")


@dataclass
class Step:
    """One command with the output that the page shows below it (empty: none shown)."""

    command: str
    exit_code: int
    shown: list[str] = field(default_factory=list)


@dataclass
class Block:
    """A fenced block: ``start`` and ``end`` are the lines of its text in the page, the fences excluded."""

    page: Path
    language: str
    start: int
    end: int
    indent: str
    lines: list[str]
    not_run: str | None
    numbers_vary: bool

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.start + 1}"

    @property
    def file_name(self) -> str | None:
        found = FILE_NAME.match(self.lines[0]) if self.lines else None
        return found[1] if found else None

    def steps(self) -> list[Step]:
        steps: list[Step] = []
        lines = iter(self.lines)
        for line in lines:
            if line.startswith("$ "):
                command = line[2:]
                while command.endswith("\\"):
                    command = command[:-1] + next(lines).strip()
                code = re.search(r"# exit code (\d+)", command)
                steps.append(Step(command, int(code[1]) if code else 0))
            else:
                assert steps, f"{self.place}: a console block begins with a command after '$ '"
                steps[-1].shown.append(line)
        return steps


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page that name a language."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        opening = OPENING.match(lines[number])
        if not opening:
            number += 1
            continue
        indent, language = opening.groups()
        end = next(n for n in range(number + 1, len(lines)) if lines[n].strip() == "```")
        marks = comments_before(lines, number)
        found.append(
            Block(
                page=page,
                language=language,
                start=number + 1,
                end=end,
                indent=indent,
                lines=[line.removeprefix(indent) for line in lines[number + 1 : end]],
                not_run=next((m["reason"] for m in marks if m["reason"]), None),
                numbers_vary=any(m["vary"] for m in marks),
            )
        )
        number = end + 1
    return found


def comments_before(lines: list[str], number: int) -> list[re.Match[str]]:
    found = []
    for line in reversed(lines[:number]):
        if comment := COMMENT.match(line):
            found.append(comment)
        elif line.strip():
            break
    return found


class Differs(AssertionError):
    """What a page shows is not what came out."""


class Runner:
    """Runs pages, each in a folder of its own that starts with ``demo-output``, what ``make demo`` makes.

    ``demo`` commands with the same arguments run once for all pages.
    """

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.demos: dict[tuple[str, ...], tuple[Path, str]] = {}

    def run_page(self, page: Path) -> None:
        here = self.scratch / page.stem
        here.mkdir()
        update = bool(os.environ.get("UPDATE_DOCS"))
        printed: dict[int, list[str]] = {}
        last_python: str | None = None
        namespace: dict[str, Any] = {"__name__": "page"}
        page_blocks = blocks(page)
        with contextlib.chdir(here):
            self.demo(("--out", "demo-output"))
            for block in page_blocks:
                output, last_python = last_python, None
                if block.not_run or block.language not in ("console", "python", "text", "toml"):
                    continue
                try:
                    if block.file_name:
                        Path(block.file_name).write_text("\n".join(block.lines) + "\n", encoding="utf-8")
                    if block.language == "console":
                        printed[block.start] = self.run_console(block, update)
                    elif block.language == "python":
                        last_python = self.run_python(block, namespace)
                    elif block.language == "text" and output is not None:
                        printed[block.start] = compare(block.lines, output, block, "the Python above", update)
                except (Exception, SystemExit) as error:
                    if isinstance(error, AssertionError):
                        raise
                    raise AssertionError(f"{block.place}: {type(error).__name__}: {error}") from error
        if update:
            write_back(page, page_blocks, printed)

    def run_console(self, block: Block, update: bool) -> list[str]:
        lines: list[str] = []
        rest = iter(block.lines)
        for step in block.steps():
            code, output = self.run(step.command)
            assert code == step.exit_code, f"{block.place}: `{step.command}` ended with {code}:\n{output}"
            lines.append(next(line for line in rest if line.startswith("$ ")))
            while lines[-1].endswith("\\"):
                lines.append(next(rest))
            if any(step.shown):
                lines += compare(step.shown, output, block, f"`{step.command}`", update)
        return lines

    def run_python(self, block: Block, namespace: dict[str, Any]) -> str:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile("\n" * block.start + "\n".join(block.lines), str(block.page), "exec"), namespace)
        return out.getvalue()

    def run(self, command: str) -> tuple[int, str]:
        """Exit code and output (stdout and stderr as they came) of a command of a page."""
        words = shlex.split(command, comments=True)
        if words[:1] == ["make"]:
            recipe = make_recipe(words[1])
            if words[1] != "demo":  # the other targets run the tests, of which this is one
                return 0, ""
            words = recipe[-1].replace("$(BIN)/", "").split()
        if words[:2] == ["pip", "install"]:
            check_extras(words[2:])
            return 0, ""
        if words[-2:-1] == [">"]:
            words, target = words[:-2], Path(words[-1])
        else:
            target = None
        if words[:2] == ["avreplay", "demo"]:
            return 0, self.demo(tuple(words[2:]))
        if words[0] == "avreplay":
            ran = CliRunner().invoke(main, words[1:], prog_name="avreplay", env={"COLUMNS": WIDTH})
            if ran.exception and not isinstance(ran.exception, SystemExit):
                raise ran.exception
            code, output, stdout = ran.exit_code, ran.output, ran.stdout
        elif words[0] == "python":
            script = [str(ROOT / words[1]) if words[1].startswith("benchmarks/") else words[1], *words[2:]]
            done = subprocess.run([sys.executable, *script], text=True, capture_output=True, check=False)
            code, output, stdout = done.returncode, done.stdout + done.stderr, done.stdout
        else:
            raise AssertionError(f"`{command}`: pages hold commands of avreplay, python, make and pip")
        if target:
            target.write_text(stdout, encoding="utf-8")
        return code, "\n".join(line for line in output.splitlines() if not line.startswith("compiling the "))

    def demo(self, arguments: tuple[str, ...]) -> str:
        out = Path(arguments[arguments.index("--out") + 1])
        if arguments not in self.demos:
            shutil.rmtree(out, ignore_errors=True)
            ran = CliRunner().invoke(main, ["demo", *arguments], env={"COLUMNS": WIDTH})
            assert ran.exit_code == 0, ran.output
            kept = self.scratch / f"demo {len(self.demos)}"
            shutil.copytree(out, kept)
            self.demos[arguments] = kept, ran.stdout
        folder, printed = self.demos[arguments]
        if not out.exists():
            shutil.copytree(folder, out)
        return printed


def make_recipe(target: str) -> list[str]:
    """The lines of a target of the Makefile."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    found = re.search(rf"^{re.escape(target)}:.*\n((?:\t.*\n)*)", text, re.MULTILINE)
    assert found, f"the Makefile has no target {target!r}"
    return [line.strip() for line in found[1].splitlines()]


def check_extras(arguments: list[str]) -> None:
    """Extras of this package that a ``pip install`` names must be declared."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra in re.findall(r"(?:\.|avreplay)\[([\w,-]+)\]", " ".join(arguments)):
        for name in extra.split(","):
            assert name in project["optional-dependencies"], f"there is no extra {name!r}"


def check_command(command: str) -> None:
    """A command that is not run: it must exist, with its options."""
    words = shlex.split(command, comments=True)
    if words[:2] == ["pip", "install"]:
        check_extras(words[2:])
    elif words[:1] == ["make"]:
        make_recipe(words[1])
    elif words[:1] == ["avreplay"]:
        words = words[1 : words.index(">")] if ">" in words else words[1:]
        context = click.Context(main, info_name="avreplay")
        _, found, rest = main.resolve_command(context, words)
        assert found is not None
        given, _, _ = found.make_parser(click.Context(found, parent=context)).parse_args(rest)
        missing = [p.name for p in found.params if p.required and not given.get(p.name)]
        assert not missing, f"`{command}` lacks {', '.join(missing)}, without which the command does nothing"
    elif words[:1] == ["python"]:
        assert (ROOT / words[1]).is_file(), f"there is no {words[1]}"
    else:
        raise AssertionError(f"`{command}`: pages hold commands of avreplay, python, make and pip")


def compare(shown: list[str], output: str, block: Block, what: str, update: bool) -> list[str]:
    """The lines to show: those of the page where they agree with ``output``, else (with ``update``) the output."""
    if re.fullmatch(pattern(shown, block.numbers_vary), squeezed(output.splitlines())):
        return shown
    got = [line.rstrip() for line in output.strip("\n").splitlines()]
    if update:
        return got
    raise Differs(f"{block.place}: {what} prints\n" + "\n".join(got) + "\n\nnot\n" + "\n".join(shown))


def squeezed(lines: list[str]) -> str:
    """Lines without blank ones, runs of spaces and the length of rules."""
    return "".join(re.sub(r"─+", "─", re.sub(r"\s+", " ", line.strip())) + "\n" for line in lines if line.strip())


def pattern(shown: list[str], numbers_vary: bool) -> str:
    varying = NUMBER.pattern + ("" if numbers_vary else rf"(?= ?{UNITS})")
    text = ""
    for line in squeezed(shown).splitlines():
        if line == "...":
            text += "(?:.*\n)*?"
            continue
        parts = ["".join(loosened(part, varying)) for part in line.split("...")]
        text += ".*?".join(parts) + "\n"
    return text


def loosened(text: str, varying: str) -> Iterator[str]:
    """Pieces of a pattern: numbers that vary stand for any number, the rest for itself."""
    end = 0
    for number in re.finditer(varying, text):
        yield re.escape(text[end : number.start()])
        yield NUMBER.pattern
        end = number.end()
        for units in (OF_TIME, OF_SIZE):
            if unit := re.compile(rf" {units}").match(text, end):
                yield f" {units}"
                end = unit.end()
    yield re.escape(text[end:])


def write_back(page: Path, page_blocks: list[Block], printed: dict[int, list[str]]) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    for block in reversed(page_blocks):
        if block.start in printed:
            lines[block.start : block.end] = [(block.indent + line).rstrip() for line in printed[block.start]]
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")
