"""torch, the encoders and what they need, and whether those fit each other."""

from __future__ import annotations

from collections.abc import Iterator

from ...cache.doctor.imports import Imports
from ...cache.doctor.packages import is_there, module_of, package_check, unmet
from ...core.health import NOTE, OK, PROBLEM, Check
from ...core.installation import install_command, installed_version, requirements_of
from ...core.requirement import Requirement
from ..backbones.registry import BUILT_IN

HERE = __package__
_IN_CHILD = f"{HERE}.in_child"

TORCH = f"{_IN_CHILD}:torch_facts"
_OWN_PACKAGE = {"languagebind": "languagebind", "imagebind": "imagebind", "laion-clap": "laion_clap"}
"""Modules by which a user has asked for an encoder: where one of them is there, what keeps it from working is a
problem."""


def _encoders() -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """What is run to try it, the command that installs it, and the modules it needs: by backbone, and of laion_clap."""
    found = {
        name: (f"{_IN_CHILD}:{name}", facts.install, facts.needs) for name, facts in BUILT_IN.items() if facts.extra
    }
    found["laion-clap"] = (f"{_IN_CHILD}:laion_clap", install_command("laion-clap"), ("torch", "laion_clap"))
    return found


def torch_tries() -> list[str]:
    """What is tried beside torch, which takes seconds: of what is there."""
    if not is_there("torch"):
        return []
    tries = [TORCH]
    if is_there("torchvision"):
        tries.append("torchvision")
    if is_there("torchaudio"):
        tries.append("torchaudio")
    return tries + [item for item, _, needs in _encoders().values() if all(map(is_there, needs))]


def torch_checks(tried: Imports) -> Iterator[Check]:
    """torch, and what must be built for it."""
    (torch,) = (r for r in requirements_of("train") if r.name == "torch")
    if not is_there("torch"):
        yield Check("torch", NOTE, "is not installed; encoders and fine-tuning need it", install_command("train"))
        return
    found = tried[TORCH]
    if found.error is not None:
        yield Check("torch", PROBLEM, f"{installed_version('torch') or ''} cannot be imported ({found.error})".strip(),
                    f"pip install --force-reinstall \"{torch}\"")  # fmt: skip
        return
    version = installed_version("torch") or str(found.facts.get("version"))
    build = found.facts.get("cuda_build")
    kind = (
        f"built for CUDA {build}" if build else "built for ROCm" if found.facts.get("rocm_build") else "built for CPUs"
    )
    if torch.allows(version):
        yield Check("torch", OK, f"{version} (asked for: {torch.versions}), {kind}")
    else:
        yield Check("torch", PROBLEM, f"{version} does not fit (asked for: {torch.versions})", f'pip install "{torch}"')
    yield from unmet([Requirement("torchvision"), Requirement("torchaudio"), Requirement("torch")])
    for name, harm in (("torchvision", "encoders need it"), ("torchaudio", "transformers fails beside it")):
        if name in tried and tried[name].error is not None:
            own = installed_version(name) or "of unknown version"
            mend = f"install the {name} that is made for torch {version}"
            if name == "torchaudio":
                mend = f"pip uninstall {name}, which avreplay does not need, or {mend}"
            yield Check(name, PROBLEM, f"{own} cannot be imported beside torch {version}, and {harm} "
                                       f"({tried[name].error})", mend)  # fmt: skip
        elif name in tried:
            yield Check(name, OK, installed_version(name) or "of unknown version")


def encoder_checks(tried: Imports) -> Iterator[Check]:
    """Each encoder: usable here, or what it lacks and what to type."""
    for name, (item, install, needs) in _encoders().items():
        extra = BUILT_IN[name].extra if name in BUILT_IN else name
        asked_for = is_there(_OWN_PACKAGE[extra]) if extra in _OWN_PACKAGE else False
        needed = [r for r in requirements_of(extra) if r.name not in ("torch", "torchvision")]
        lacking = [module for module in needs if not is_there(module)]
        lacking += [r.name for r in needed if not is_there(module_of(r.name)) and module_of(r.name) not in lacking]
        wrong = [r for r in needed if not _fits(r)]
        if lacking:
            yield Check(name, NOTE, f"not installed (no {', '.join(lacking)})", install)
        elif wrong:
            found = ", ".join(f"{r} and {r.name} {installed_version(r.name)} is installed" for r in wrong)
            other = " in another environment" if any(r.name == "transformers" for r in wrong) else ""
            yield Check(name, PROBLEM if asked_for else NOTE, f"needs {found}", f"{install}{other}")
        elif item in tried and tried[item].error is not None:
            yield Check(name, PROBLEM, f"its packages cannot be imported ({tried[item].error})",
                        f"mend that package, or in a new environment: {install}")  # fmt: skip
        else:
            versions = ", ".join(f"{r.name} {installed_version(r.name)}" for r in needed if installed_version(r.name))
            yield Check(name, OK, f"usable: {versions}")
        yield from (c for c in unmet(needed) if not lacking)


def _fits(r: Requirement) -> bool:
    return package_check(r, Imports()).state != PROBLEM
