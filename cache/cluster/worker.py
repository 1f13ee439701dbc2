"""What runs on a node: an actor that holds one worker of a pool, and turns its errors into values."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ...core import errors
from ...core.errors import AvreplayError, DataError
from .node_checks import use_paths


@dataclass(frozen=True)
class Answer:
    """What a worker gave.

    Attributes
    ----------
    kind : ``done``, or ``refused`` for an error of this package, or ``broken`` for any other
    value : of the call
    error : name of the error's class
    words : of the error; ``trace`` : where it was raised
    """

    kind: Literal["done", "refused", "broken"]
    value: Any = None
    error: str = ""
    words: str = ""
    trace: str = ""

    def as_error(self, where: str) -> Exception:
        """The error, with the node that met it."""
        if self.kind == "refused":
            kind: type[AvreplayError] = getattr(errors, self.error, DataError)
            return kind(f"{where}: {self.words}")
        error = RuntimeError(f"{self.error}: {self.words} on {where}")
        error.add_note(self.trace)
        return error


class WorkerActor:
    """The actor. It is made at once; its worker when it is told to `start`, so that a failure has words."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self._worker: Any = None

    def start(self, how: bytes) -> Answer:
        """Make the worker; its attribute ``facts`` is what the caller is told of it, if it has one.

        ``how`` : what makes it and its arguments, as pickle has them: their modules are imported here
        """

        def made() -> Any:
            use_paths(self._paths)
            try:
                make, arguments = pickle.loads(how)  # noqa: S301 - made by the command that this node works for
                self._worker = make(*arguments)
            except ImportError as error:
                raise DataError(f"{error}; install there what this machine has") from error
            return getattr(self._worker, "facts", None)

        return _answer(made)

    def work(self, unit: Any) -> Answer:
        """Do a unit of work."""
        return _answer(lambda: self._worker(unit))

    def ask(self, name: str, *arguments: Any) -> Answer:
        """Call another method of the worker, while it works."""
        return _answer(lambda: getattr(self._worker, name)(*arguments))


def _answer(call: Callable[[], Any]) -> Answer:
    try:
        return Answer("done", call())
    except AvreplayError as error:
        return Answer("refused", None, type(error).__name__, str(error))
    except Exception as error:
        return Answer("broken", None, type(error).__name__, str(error), traceback.format_exc())
