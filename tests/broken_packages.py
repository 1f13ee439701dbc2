"""Packages that are broken in every way that a package can be, written into a folder to be found first."""

from __future__ import annotations

from pathlib import Path

BREAKAGES = {
    "import_error": "raise ImportError('libthing.so.3: cannot open shared object file\\nsecond line')",
    "runtime_error": "raise RuntimeError('operator torchvision::nms does not exist')",
    "os_error": "raise OSError(5, 'Input/output error')",
    "exit": "import sys; sys.exit('bye')",
    "interrupt": "raise KeyboardInterrupt",
    "base": "class Odd(BaseException): pass\nraise Odd()",
    "no_words": "class Mute(Exception):\n    def __str__(self): raise ValueError\nraise Mute()",
    "syntax": "def (:",
    "bytes": "\0",
    "hard_exit": "import os; os._exit(7)",
    "signal": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "noise": "import os; os.write(1, b'{\"ends\": 1}\\nnoise\\n' * 9); os.close(1); raise ImportError('after noise')",
    "network": "import socket; socket.create_connection(('127.0.0.1', 9))",
    "recursion": "def f(): f()\nf()",
}
"""The source of ``__init__.py``, by kind."""

HANGS = "import time; time.sleep(600)"


def broken(folder: Path, module: str, source: str) -> None:
    """A package that is found and breaks when it is imported."""
    place = folder / module
    place.mkdir(parents=True)
    (place / "__init__.py").write_text(source, encoding="utf-8")


def distribution(folder: Path, name: str, version: str | None, requires: tuple[str, ...] = ()) -> None:
    """The metadata of an installed package; without a version, metadata of which nothing is left."""
    place = folder / f"{name.replace('-', '_')}-{version or '0'}.dist-info"
    place.mkdir(parents=True)
    if version is not None:
        lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {r}" for r in requires)]
        (place / "METADATA").write_text("Metadata-Version: 2.1\n" + "\n".join(lines) + "\n", encoding="utf-8")
