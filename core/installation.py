"""Where this package is installed from, what it asks for, and what to type for more of it.

Only the standard library is imported; files of metadata are read, nothing else.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from .requirement import Requirement, normal, requirement

NAME = __package__.partition(".")[0]
FOLDER = Path(__file__).resolve().parents[1]
"""The folder of this package: the root of a clone, or one among other installed packages."""


@functools.cache
def clone() -> Path | None:
    """The root of the clone that this package runs from; None where it was copied among other packages."""
    return FOLDER if _is_root(FOLDER) else None


def _is_root(folder: Path) -> bool:
    try:
        text = (folder / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return re.search(rf"""^name\s*=\s*["']{NAME}["']""", text, re.MULTILINE) is not None


def install_arguments(extra: str = "") -> list[str]:
    """What follows ``pip install`` so that this package is installed with an extra, from where it came from: a clone,
    a folder, a wheel or a repository; else by its name."""
    brackets = f"[{extra}]" if extra else ""
    root = clone()
    if root is not None:
        return ["-e", f"{root}{brackets}"]
    origin = _origin()
    if origin is None:
        return [f"{NAME}{brackets}"]
    return [f"{origin}{brackets}" if os.path.isdir(origin) else f"{NAME}{brackets} @ {origin}"]


def install_command(extra: str = "") -> str:
    """The command line that installs an extra of this package here."""
    return command_line(["pip", "install", *install_arguments(extra)])


def command_line(words: Sequence[str]) -> str:
    """Words as a shell takes them; double quotes where they suffice."""
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    if re.fullmatch(r"[\w@%+=:,./-]+", word):
        return word
    return shlex.quote(word) if re.search(r'["$`\\!]', word) else f'"{word}"'


@functools.cache
def _origin() -> str | None:
    """The folder or URL that pip installed this package from, if it is still there; None for a package index."""
    import importlib.metadata
    import json
    from urllib.parse import unquote, urlparse
    from urllib.request import url2pathname

    for found in importlib.metadata.distributions(name=NAME, path=[str(FOLDER.parent)]):
        try:
            said = json.loads(found.read_text("direct_url.json") or "{}")
            url: str = said["url"].strip()
            vcs = said.get("vcs_info")
            if vcs:
                return f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        if not url.startswith("file:"):
            return url
        path = Path(url2pathname(unquote(urlparse(url).path)))
        if path.is_file() or _is_root(path):
            return str(path) if path.is_dir() else path.as_uri()
    return None


@functools.cache
def own_requirements() -> tuple[Requirement, ...]:
    """What this package asks for, its extras included: of the clone's pyproject.toml, else of the metadata; empty
    where neither can be read."""
    import importlib.metadata
    import tomllib

    root = clone()
    try:
        if root is not None:
            project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
            lines = list(project["dependencies"])
            for extra, more in project["optional-dependencies"].items():
                lines += [f'{line}{" and" if ";" in line else ";"} extra == "{extra}"' for line in more]
        else:
            lines = importlib.metadata.requires(NAME) or []
    except (OSError, ValueError, KeyError, TypeError, AttributeError, importlib.metadata.PackageNotFoundError):
        return ()
    return tuple(found for found in map(requirement, lines) if found is not None)


def requirements_of(extra: str = "") -> tuple[Requirement, ...]:
    """What this package asks for without extras, or what an extra adds, those that it includes with it."""
    return tuple({r.name: r for r in _of(normal(extra), {normal(extra)})}.values())


def _of(extra: str, seen: set[str]) -> Iterator[Requirement]:
    for r in own_requirements():
        if r.extra != extra:
            continue
        if r.name != NAME:
            yield r
            continue
        for inner in r.extras:
            if inner not in seen:
                seen.add(inner)
                yield from _of(inner, seen)


def extras() -> list[str]:
    """The extras of this package."""
    return list(dict.fromkeys(r.extra for r in own_requirements() if r.extra))


def installed_version(name: str) -> str | None:
    """The version of an installed distribution; None where there is none, or its metadata does not say."""
    import importlib.metadata

    try:
        return importlib.metadata.version(name) or None
    except Exception:  # metadata of others, damaged in whatever way
        return None
