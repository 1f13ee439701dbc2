"""Installed packages against what is asked for: there, of an allowed version, importable, and fitting each other."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec

from ...core.health import NOTE, OK, PROBLEM, Check
from ...core.installation import (
    NAME,
    command_line,
    install_command,
    installed_version,
    own_requirements,
    requirements_of,
)
from ...core.requirement import Requirement, normal, requirement
from .imports import Imports

MODULES = {
    "open-clip-torch": "open_clip", "scikit-learn": "sklearn", "pillow": "PIL", "imagebind-unofficial": "imagebind",
}  # fmt: skip
"""Distributions whose module has another name."""

OVERCAUTIOUS = ("laion-clap", "imagebind-packaged", "imagebind-unofficial")
"""Packages of which only the models are used: what else they ask for need not be met."""


def module_of(name: str) -> str:
    """The module that a distribution is imported as."""
    return MODULES.get(name, name.replace("-", "_"))


def is_there(module: str) -> bool:
    """Whether a module can be found; nothing is imported."""
    try:
        return find_spec(module) is not None
    except Exception:  # a broken package, which is then there
        return module in sys.modules


def modules_to_try(names: Sequence[str]) -> list[str]:
    """The modules, of distributions by name, that are there and can be tried."""
    return list(dict.fromkeys(m for m in map(module_of, names) if is_there(m)))


def base_checks(tried: Imports) -> Iterator[Check]:
    """Each package that this one always needs, and whether they fit each other."""
    needed = requirements_of()
    if not needed:
        yield Check(NAME, PROBLEM, "its metadata cannot be read", f"install it again: {install_command()}")
    for r in needed:
        yield package_check(r, tried)
    yield from unmet(needed)


def package_check(r: Requirement, tried: Imports, missing: str = PROBLEM) -> Check:
    """One required package; ``missing`` is the state where it is not there."""
    module, version = module_of(r.name), installed_version(r.name)
    wanted = f"asked for: {r.versions}" if r.versions else "any version"
    install = command_line(["pip", "install", str(r)])
    if not is_there(module):
        return Check(r.name, missing, f"is not installed ({wanted})", install)
    imported = tried.get(module)
    if imported is not None and imported.error is not None:
        again = command_line(["pip", "install", "--force-reinstall", "--no-deps", str(r)])
        return Check(
            r.name, PROBLEM, f"{version or 'of unknown version'}, cannot be imported ({imported.error})", again
        )
    said = version or (imported.facts.get("version") if imported is not None else None)
    if said is None:
        return Check(r.name, NOTE, f"of unknown version, it was installed without metadata ({wanted})", install)
    if not r.allows(said):
        return Check(r.name, PROBLEM, f"{said} does not fit ({wanted})", install)
    if version is None:
        return Check(r.name, NOTE, f"{said}, installed without metadata ({wanted})", install)
    return Check(r.name, OK, f"{said} ({wanted})")


def unmet(of: Sequence[Requirement]) -> Iterator[Check]:
    """What installed packages ask of each other and do not have, for those that this package names."""
    import importlib.metadata

    known = {r.name for r in own_requirements()} | set(OVERCAUTIOUS)
    for name in dict.fromkeys(r.name for r in of):
        try:
            lines = importlib.metadata.requires(name) or []
        except Exception:  # not installed, or damaged, which is told elsewhere
            continue
        for asked in filter(None, map(requirement, lines)):
            version = installed_version(asked.name)
            if asked.name not in known or asked.extra or asked.conditional or version is None or asked.allows(version):
                continue
            needless = normal(name) in OVERCAUTIOUS
            yield Check(
                f"{name} and {asked.name}",
                NOTE if needless else PROBLEM,
                f"{name} {installed_version(name)} asks for {asked} and {asked.name} {version} is installed"
                + (", which its models run with" if needless else ""),
                "" if needless else command_line(["pip", "install", str(asked), name]),
            )


def extra_checks(extras: Mapping[str, str], tried: Imports) -> Iterator[Check]:
    """One line for each extra that is whole or missing, more where something is wrong.

    ``extras``: what each is for, by name.
    """
    for extra, purpose in extras.items():
        needed = requirements_of(extra)
        found = [package_check(r, tried, NOTE) for r in needed]
        lacking = [r.name for r in needed if not is_there(module_of(r.name))]
        wrong = [c for c in found if c.state == PROBLEM]
        if wrong:
            yield from (Check(f"{extra}, {c.name}", c.state, c.found, c.mend) for c in wrong)
        elif lacking:
            yield Check(extra, NOTE, f"{purpose}: without {', '.join(lacking)}", install_command(extra))
        else:
            versions = ", ".join(f"{r.name} {installed_version(r.name) or 'of unknown version'}" for r in needed)
            yield Check(extra, OK, f"{purpose}: {versions}")
        yield from unmet(needed)
