"""Names of datasets, metrics, decoders and backbones: the package's own, those of plug-ins, those of this process.

A name is looked up in this order: what was registered in this process, what the package ships, what installed
distributions declare as entry points. ``package.module:Object`` is taken wherever a name is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from .errors import AvreplayError, PluginFailed, UsageError, did_you_mean

T = TypeVar("T")


@dataclass(frozen=True)
class Plugin:
    """One registered object, as ``avreplay plugins`` lists it.

    kind : ``dataset``, ``metric``, ``decoder`` or ``backbone``
    source : ``avreplay``, the distribution that declares it with its version, or ``registered in this process``
    error : why it cannot be used, empty where it can
    """

    kind: str
    name: str
    source: str
    error: str = ""


class Registry(Generic[T]):
    """Objects of one kind by name.

    Parameters
    ----------
    kind : of the objects, for messages
    group : entry-point group in which other distributions declare theirs
    own : the package's own objects by name, as ``module:Object``; imported when asked for
    checked : raises TypeError, in one sentence, for what is not an object of the kind, else returns it (it may make
        an instance of a class)
    """

    def __init__(self, kind: str, group: str, own: Mapping[str, str], checked: Callable[[object], T]) -> None:
        self.kind = kind
        self.group = group
        self._own = dict(own)
        self._checked = checked
        self._registered: dict[str, T] = {}

    def register(self, item: T, name: str, *, replace: bool = False) -> T:
        """Make an object known by name in this process; returns it.

        Raises: UsageError for a name that is taken (unless ``replace``) or unusable, or an object of another kind.
        """
        if not is_name(name):
            raise UsageError(f"{name!r} cannot be the name of a {self.kind}; give a word without a colon")
        if not replace and name in self:
            raise UsageError(f"there is a {self.kind} {name!r} already; choose another name, or give replace=True")
        try:
            self._registered[name] = self._checked(item)
        except TypeError as error:
            raise UsageError(f"{name!r} cannot be registered as a {self.kind}: {error}") from error
        return self._registered[name]

    def unregister(self, name: str) -> None:
        """Forget what was registered under a name in this process; what ships or is declared stays."""
        self._registered.pop(name, None)

    def names(self) -> list[str]:
        """Every name there is, the package's own first. Nothing is imported."""
        return list(self)

    def __iter__(self) -> Iterator[str]:
        """The names, as :meth:`names`; plug-ins are looked for, which takes milliseconds, only after all others."""
        yield from self._own
        yield from (name for name in self._registered if name not in self._own)
        yield from (name for name in self._declared() if name not in self._own and name not in self._registered)

    def __contains__(self, name: object) -> bool:
        """Whether there is an object of this name."""
        return any(name == known for known in self)

    def get(self, name: str) -> T:
        """The object of a name, or of ``package.module:Object``.

        Raises: UsageError for an unknown name (the nearest is named), and for a plug-in that is broken (it is named).
        """
        if name in self._registered:
            return self._registered[name]
        if name in self._own:
            return self._checked(import_object(self._own[name]))
        declared = self._declared().get(name, [])
        if len(declared) > 1:
            raise UsageError(f"the {self.kind} {name!r} {_twice(declared)}")
        if declared:
            what = f"the {self.kind} {name!r} of {_distribution(declared[0])}"
            return self._loaded(declared[0].value, what, "fix or uninstall it")
        if ":" in name:
            add_working_folder()
            return self._loaded(name, f"the {self.kind} {name!r}", "check the name, and that Python finds the module")
        known = self.names()
        hint = did_you_mean(name, known)
        raise UsageError(
            f"there is no {self.kind} {name!r}{hint} ({self.kind}s: {', '.join(known)}, or package.module:Object)"
        )

    def name_of(self, item: T, name: str) -> str:
        """What finds an object again: its name where that is its own, else ``module:Class``."""
        if name in self:
            try:
                if type(self.get(name)) is type(item):
                    return name
            except UsageError:  # a broken plug-in of that name, which is another object
                pass
        return f"{type(item).__module__}:{type(item).__qualname__}"

    def is_own(self, name: str) -> bool:
        """Whether a name means the package's own object."""
        return name in self._own and name not in self._registered

    def plugins(self) -> list[Plugin]:
        """Every object with its source; plug-ins are imported, and one that cannot be used is listed with its error:
        it is broken, or its name is declared twice, or it is the name of another object."""
        found = []
        declared = self._declared()
        for name in self.names():
            here = name in self._registered
            if here or name in self._own:
                source = "registered in this process" if here else "avreplay"
                found.append(Plugin(self.kind, name, source))
            for point in declared.get(name, []):
                found.append(Plugin(self.kind, name, _distribution(point), self._error(name, point)))
        return found

    def _error(self, name: str, point: EntryPoint) -> str:
        """Why what a distribution declares cannot be used by its name, empty where it can."""
        if name in self._registered or name in self._own:
            return (
                f"the {self.kind} {name!r} of {_distribution(point)} has the name of another {self.kind}, which is "
                f"used; name this one as {point.value}"
            )
        try:
            self.get(name)
        except UsageError as failure:
            return str(failure)
        return ""

    def _declared(self) -> dict[str, list[EntryPoint]]:
        """What distributions declare, by name, in an order that does not depend on where they are installed."""
        found: dict[str, list[EntryPoint]] = {}
        for point in sorted(entry_points(group=self.group), key=lambda e: (e.name, _distribution(e), e.value)):
            found.setdefault(point.name, []).append(point)
        return found

    def _loaded(self, reference: str, what: str, fix: str) -> T:
        try:
            return self._checked(import_object(reference))
        except (Exception, SystemExit) as error:  # whatever a plug-in's module raises concerns that plug-in alone
            reason = f"{type(error).__name__}: {error}" if not isinstance(error, TypeError) else str(error)
            raise UsageError(f"{what} cannot be used ({' '.join(reason.split())}); {fix}") from error


@contextmanager
def failures_of(kind: str, item: object, name: str) -> Iterator[None]:
    """Turns what code of a plug-in raises into one sentence that names it; errors of this package pass.

    The package's own objects pass, too: what they raise by mistake is a fault of ours and not to be hidden. In Python
    the plug-in's own error is the cause of the one raised here. Memory that runs out is nobody's fault, and passes.
    """
    if type(item).__module__.partition(".")[0] == __package__.partition(".")[0]:
        yield
        return
    try:
        yield
    except (AvreplayError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        text = " ".join(str(error).split())
        reason = f"{type(error).__name__}: {text}" if text else type(error).__name__
        raise PluginFailed(f"the {kind} {name!r} failed ({reason}); fix it where it is defined") from error


def instance_of(of: type[T], item: object, declares: Sequence[str]) -> T:
    """An instance of a type, given as one or as a class of it.

    Raises: TypeError, in a sentence, for anything else, and for one without an attribute that it has to declare.
    """
    made = item() if isinstance(item, type) and issubclass(item, of) else item
    if not isinstance(made, of):
        raise TypeError(f"{item!r} is not an avreplay.{of.__name__}")
    for name in declares:
        if not hasattr(made, name):
            raise TypeError(f"{type(made).__name__} does not declare `{name}`, as every {of.__name__} does")
    if "name" in declares and not is_name(getattr(made, "name", None)):
        raise TypeError(
            f"`name` of {type(made).__name__} is {getattr(made, 'name', None)!r}; give a word without a colon"
        )
    return made


def is_name(name: object) -> bool:
    """Whether something can be the name of a registered object."""
    return isinstance(name, str) and bool(name) and ":" not in name and name == name.strip()


def add_working_folder() -> None:
    """Let modules in the working folder be imported, as `python -m` does: they can be named as ``module:Object``."""
    if "" not in sys.path:
        sys.path.append("")


def import_object(reference: str) -> object:
    """What ``package.module:Object`` names. Raises whatever the module raises, AttributeError where it lacks it."""
    module, _, path = reference.partition(":")
    found: object = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _twice(declared: list[EntryPoint]) -> str:
    """That a name is declared more than once, by whom, and what helps."""
    who = " and by ".join(dict.fromkeys(map(_distribution, declared)))
    which = " or ".join(dict.fromkeys(point.value for point in declared))
    return f"is declared twice, by {who}; uninstall one, or name the one that is meant as {which}"


def _distribution(declared: EntryPoint) -> str:
    return f"{declared.dist.name} {declared.dist.version}" if declared.dist is not None else declared.value
