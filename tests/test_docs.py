"""README and documentation: commands and Python print what is shown; links, paths and options in them exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from avreplay.cli import main
from doc_pages import REASONS, ROOT, Runner, blocks, check_command

README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN_ELSEWHERE = {"extending.md"}  # by tests/test_plugins.py
WITH_COMMANDS = [
    p
    for p in PAGES
    if p.name not in RUN_ELSEWHERE and any(b.language in ("console", "python") and not b.not_run for b in blocks(p))
]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.py"))
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="session")
def runner(tmp_path_factory):
    return Runner(tmp_path_factory.mktemp("pages"))


@pytest.mark.process
@pytest.mark.media
@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name_of)
def test_commands_and_python_print_what_the_page_shows(page, runner):
    runner.run_page(page)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_is_not_run_says_why_and_names_commands_that_exist(page):
    for block in blocks(page):
        if block.not_run:
            assert block.not_run in REASONS, f"{block.place}: reasons are {', '.join(REASONS)}"
            for step in block.steps() if block.language == "console" else ():
                check_command(step.command)


def test_the_architecture_lists_every_folder():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for floor in ("extract", "evaluate", "cache", "core"):
        found = re.search(rf"├── {floor}/ +(.*)", text)
        assert found is not None
        folders = {file.parent.name for file in (ROOT / floor).glob("*/__init__.py")}
        assert folders == set(found[1].split()), floor
    for folder in {
        file.parent
        for floor in ("extract", "evaluate", "cache", "core")
        for file in (ROOT / floor).rglob("__init__.py")
    }:
        name = folder.relative_to(ROOT).as_posix()
        assert f"`{name}/" in text or "/" not in name, f"docs/architecture.md says nowhere what is in {name}/"


def test_the_readme_is_one_screen():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 120


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for target in LINK.findall(prose(page)):
        if re.match(r"(https?|mailto):", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(found), f"{page.name} links to {target}; {path} has {', '.join(anchors(found))}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_and_options_in_the_text_exist(page):
    options = {
        spelling
        for command in commands()
        for option in command.params
        if not getattr(option, "hidden", False)  # a former spelling
        for spelling in (*option.opts, *option.secondary_opts)
    }
    foreign = {"--help", "--version", "--no-deps", "--checkout"}  # of every command, of pip, of a benchmark
    shown = [step.command for block in blocks(page) if block.language == "console" for step in block.steps()]
    for code in [*CODE.findall(prose(page)), *(command for command in shown if command.startswith("avreplay "))]:
        words = code.partition(" #")[0].split()
        if words[0] == "avreplay" and len(words) > 1 and re.fullmatch(r"[a-z-]+", words[1]):
            assert words[1] in main.list_commands(click.Context(main)) or words[1].startswith("-"), code
        for word in words:
            if re.fullmatch(r"--[a-z][a-z-]+", word):
                assert word in options | foreign, f"{page.name}: no command takes {word}"


def test_paths_of_the_architecture_page_exist():
    named = paths_in(ROOT / "docs" / "architecture.md")
    assert len(named) > 40
    assert not [path for path in named if not (ROOT / path).exists()]


def test_every_folder_of_the_package_is_on_the_architecture_page():
    named = {path.rstrip("/") for path in paths_in(ROOT / "docs" / "architecture.md")}
    for floor in ("core", "cache", "extract", "evaluate"):
        for init in (ROOT / floor).rglob("__init__.py"):
            folder = init.parent.relative_to(ROOT).as_posix()
            assert any(path == folder or path.startswith(f"{folder}/") for path in named), folder


def test_every_public_name_is_in_the_reference():
    text = (ROOT / "docs" / "api.rst").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\.\. auto\w+:: ([\w.]+)$", text, re.MULTILINE))
    for package in ("avreplay", "avreplay.cache", "avreplay.extract"):
        folder = ROOT / package.removeprefix("avreplay").replace(".", "/").lstrip("/")
        for name in public_names(folder / "__init__.py"):
            assert any(d.endswith(f".{name}") for d in documented), f"{package}.{name} is not in docs/api.rst"


def test_tutorials_are_on_their_page():
    text = (ROOT / "docs" / "tutorials.md").read_text(encoding="utf-8")
    assert len(TUTORIALS) >= 2
    assert not [t.name for t in TUTORIALS if f"tutorials/{t.name}" not in text]


def prose(page: Path) -> str:
    """The text of a page without its fenced blocks."""
    return re.sub(r"^( *)```.*?^\1```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> list[str]:
    """Anchors of the headings of a page, as GitHub and the site make them."""
    if page.suffix != ".md":
        return []
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", title.strip().lower()).replace(" ", "-") for title in titles]


def paths_in(page: Path) -> list[str]:
    """Files and folders of the repository that a page names in backquotes."""
    tops = ("core/", "cache/", "extract/", "evaluate/", "tests/", "docs/", "benchmarks/")
    return [c for c in CODE.findall(prose(page)) if c.startswith(tops) or re.fullmatch(r"\w+\.(py|md|toml)", c)]


def public_names(init: Path) -> list[str]:
    for node in ast.walk(ast.parse(init.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return ast.literal_eval(node.value)
    raise AssertionError(f"{init} has no __all__")


def commands(group: click.Group = main) -> Iterator[click.Command]:
    """Every command, and those inside of commands."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield command
        if isinstance(command, click.Group):
            yield from commands(command)
