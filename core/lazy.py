"""Public names of a package, imported when they are first used, so that importing the package itself stays fast."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


def attach(
    package: str, modules: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The functions ``__getattr__`` and ``__dir__`` of a package (PEP 562).

    Written in the package's ``__init__.py`` as ``__getattr__, __dir__ = attach(__name__, {...})``. Type checkers and
    editors read the imports under ``if TYPE_CHECKING`` and the literal ``__all__`` there; a test compares the three.

    Parameters
    ----------
    package : its full name
    modules : public names by the module inside the package that defines them, such as ``"store": ("open_store",)``
    """
    home = {name: module for module, names in modules.items() for name in names}

    def get(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f".{home[name]}", package), name)
        setattr(sys.modules[package], name, value)  # found without this function from now on
        return value

    def names() -> list[str]:
        here = vars(sys.modules[package])
        inside = {k for k, v in here.items() if k.startswith("__") or _is_submodule(v, package)}
        return sorted({*home, *here.get("__all__", ()), *inside})

    return get, names


def _is_submodule(value: object, package: str) -> bool:
    return isinstance(value, ModuleType) and value.__name__.startswith(f"{package}.")
