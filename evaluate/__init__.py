"""Evaluation: annotations, replay of stores, figures, reports.

The package itself can be called: ``avreplay.evaluate(predictions, annotations)`` is :func:`.scoring.evaluate`, so
that the verb of the public API and the folder of the same name do not get into each other's way.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from .scoring import evaluate

        return evaluate(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
