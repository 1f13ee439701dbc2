"""Importing the model code of packages whose ``__init__`` imports far more than the models need.

LanguageBind's imports decord, OpenCV, pytorchvideo and torchaudio, ImageBind's torchaudio, pytorchvideo and
pkg_resources, LAION-CLAP's fetches tokenizers from the hub; their models need none of this, and pictures and sounds
are prepared here. This is the one place that goes around the front door.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

_LOCK = threading.Lock()


def import_models(
    package: str, modules: Sequence[str], bare: Sequence[str] = (), keep: bool = False
) -> list[ModuleType]:
    """Import submodules of a package without running the package's own ``__init__``, nor that of ``bare`` subpackages.

    Afterwards ``sys.modules`` knows nothing of the package again, so that a later ordinary import of it works; with
    ``keep`` it knows the models, which torch.compile looks up by name.

    Raises
    ------
    ImportError
        the package, or something its models need, is not installed
    """
    with _LOCK:
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if _belongs(name, package)}
        for part in ("", *bare):
            module = ModuleType(f"{package}.{part}" if part else package)
            module.__path__ = [str(Path(place, *part.split("."))) for place in spec.submodule_search_locations]
            sys.modules[module.__name__] = module
        found = False
        try:
            models = [importlib.import_module(f"{package}.{module}") for module in modules]
            found = True
        finally:
            if not (keep and found):
                for name in [name for name in sys.modules if _belongs(name, package)]:
                    del sys.modules[name]
                sys.modules.update(hidden)
        return models


def _belongs(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")
