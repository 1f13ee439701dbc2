"""The report of an error that nobody foresaw: a file for whoever mends it, without passwords and keys."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import secrets
import shlex
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import __version__
from .cli_process import one_line

PACKAGES = ("numpy", "numba", "zarr", "fsspec", "av", "click", "msgspec", "rich", "jinja2", "plotly", "threadpoolctl",
            "h5py", "optuna", "scipy", "pyarrow", "scikit-learn", "torch", "transformers", "s3fs")  # fmt: skip
"""Whose versions a report holds."""

_MOST = 200_000
_TOLD = 300
_SECRET = (
    r"(?:token|secret|passw(?:or)?d|passphrase|(?:api|access|account|private)[_-]?key"
    r"|credential|signature|authorization)"
)
_RULES = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), r"\1 ***"),
    # user and password of a URL, and all that its query says
    (re.compile(r"(\w://)[^\s'\"]*@"), r"\1***@"),
    (re.compile(r"([?&][^=&\s?'\"]{1,80}=)[^&\s'\"#]+"), r"\1***"),
    (re.compile(rf"(?i)([\w-]*{_SECRET}[\w-]*['\"]?\s*[=:]\s*['\"]?)[^\s'\",;&]+"), r"\1***"),
    (re.compile(rf"(?i)(--[\w-]*{_SECRET}[\w-]*\s+['\"]?)[^\s'\"]+"), r"\1***"),
    # keys known by their form: Hugging Face, GitHub, OpenAI, AWS, JSON web tokens
    (re.compile(r"\b(?:hf_|gh[pousr]_|github_pat_|sk-|xox[abp]-)[\w-]{10,}|\bA[KS]IA[0-9A-Z]{12,}"), "***"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w.-]+"), "***"),
)  # fmt: skip
_LONGEST = 2_500
_LONG_WORD = re.compile(r"(\S{400})\S{200,}")
_SECRET_NAME = re.compile(rf"(?i){_SECRET}|(?:^|_)key(?:$|_)")


def reported(error: BaseException, argv: Sequence[str]) -> str:
    """Write the report; one line that says what happened, where the report lies, and what to do with it."""
    what = redacted(f"{type(error).__name__}: {one_line(error)[:_TOLD]}".rstrip(": "))
    begin = f"unforeseen {what}; this is a fault of avreplay"
    try:
        path = write_report(report(error, argv))
    except Exception:
        path = None
    if path is None:
        return f"{begin}, and no report could be written: please tell its authors the command and this line"
    return f"{begin}: please send its authors the report {path} (passwords and keys are left out; read it before)"


def report(error: BaseException, argv: Sequence[str]) -> str:
    """What was run, on what, and how it failed, without what is secret."""
    try:
        trace = "".join(traceback.format_exception(error))
    except Exception as other:
        trace = f"the traceback cannot be written: {type(other).__name__}"
    if len(trace) > _MOST:
        trace = f"{trace[: _MOST // 2]}\n[...]\n{trace[-_MOST // 2 :]}"
    lines = [
        "avreplay: report of an unforeseen error",
        "",
        f"command   avreplay {shlex.join(argv)}",
        f"time      {time.strftime('%Y-%m-%dT%H:%M:%S%z')}",
        f"avreplay  {__version__}",
        f"python    {sys.version.split()[0]} ({platform.python_implementation()})",
        f"platform  {platform.platform()}, {os.cpu_count()} processors",
        "packages  " + ", ".join(f"{name} {version}" for name, version in _versions()),
        "",
        trace,
    ]
    return redacted("\n".join(lines))


def write_report(text: str) -> Path | None:
    """Write a report into the working folder, or where that is not possible the temporary one; None: nowhere.

    It has a name of its own, and only the user may read it.
    """
    name = f"avreplay-error-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}.txt"
    for folder in (os.getcwd, tempfile.gettempdir):
        path = None
        try:
            path = Path(folder(), name)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError:
            continue
        try:
            with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
            return path
        except OSError:
            with contextlib.suppress(OSError):
                path.unlink()
    return None


def redacted(text: str, environment: Mapping[str, str] | None = None) -> str:
    """A text without passwords, keys and what the queries of URLs say."""
    for name, value in (os.environ if environment is None else environment).items():
        if len(value) >= 8 and _SECRET_NAME.search(name):
            text = text.replace(value, "***")
    for rule, replacement in _RULES:
        text = rule.sub(replacement, text)
    return text


def bounded(text: str) -> str:
    """A text that can be read: of words beyond reason, as files from elsewhere may hold them, the beginning; of a text
    that is still too long, beginning and end."""
    text = _LONG_WORD.sub(r"\1…", text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 500]} … {text[-400:]}"


def file_of(error: BaseException) -> str:
    """The file that a system's error is about: as it says, else the one that was open or named where it was raised;
    empty where neither is known."""
    named = getattr(error, "filename", None)
    if named is not None and not isinstance(named, int):
        return os.fsdecode(named)
    for values in reversed([frame.f_locals for frame, _ in traceback.walk_tb(error.__traceback__)]):
        for value in reversed(list(values.values())):
            name = getattr(value, "name", None) if hasattr(value, "read") or hasattr(value, "write") else None
            path = value if isinstance(value, os.PathLike) else name
            if isinstance(path, (str, os.PathLike)) and str(path):
                return os.fspath(path) if isinstance(os.fspath(path), str) else str(path)
    return ""


def _versions() -> Iterator[tuple[str, Any]]:
    from importlib.metadata import PackageNotFoundError, version

    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            yield name, version(name)
