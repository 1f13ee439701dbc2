"""Samplers of Optuna by their short names."""

from __future__ import annotations

import inspect
import warnings
from types import ModuleType
from typing import Any

import numpy as np

from ...core.errors import UsageError
from ...core.installation import install_command
from ..tune_options import OWN_SAMPLERS


def optuna_module() -> ModuleType:
    """Optuna, quiet. Raises UsageError where it is not installed."""
    try:
        import optuna
    except ImportError:
        raise UsageError(
            f"this sampler needs Optuna: {install_command('tune')} (or use --sampler {', '.join(OWN_SAMPLERS)})"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def sampler_names() -> list[str]:
    """Samplers of the installed Optuna by short name: tpe, cmaes, gp, nsgaii, ..."""
    samplers = optuna_module().samplers
    other = ("GridSampler", "PartialFixedSampler", "BruteForceSampler")
    names = [n for n in samplers.__all__ if n.endswith("Sampler") and not n.startswith("Base") and n not in other]
    return sorted(n.removesuffix("Sampler").lower() for n in names)


def sampler_of(name: str, seed: int) -> Any:
    samplers = optuna_module().samplers
    classes = {n.removesuffix("Sampler").lower(): getattr(samplers, n) for n in samplers.__all__ if "Sampler" in n}
    if name not in sampler_names():
        raise UsageError(f"there is no sampler {name!r}; samplers are {', '.join([*OWN_SAMPLERS, *sampler_names()])}")
    takes = inspect.signature(classes[name]).parameters
    # trials of a batch do not know of each other's result: assume the worst of them, so that they spread
    wishes = {"seed": seed, "constant_liar": True, "warn_independent_sampling": False}
    try:
        with warnings.catch_warnings():
            # that Optuna may change a sampler or an argument is no news to whoever searches
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", optuna_module().exceptions.ExperimentalWarning)
            return classes[name](**{k: v for k, v in wishes.items() if k in takes})
    except ImportError as error:
        raise UsageError(f"the sampler {name} needs another package: {str(error).strip().splitlines()[0]}") from error


def seed_of_batch(sampler: str, seed: int, first: int) -> int:
    """The seed of the batch whose first trial has the number ``first``: of each batch another, so that processes that
    share a study, and one that goes on with it, do not try the same settings again."""
    # points of one sequence, which the study deals out
    if sampler == "qmc" or first == 0:
        return seed
    return int(np.random.SeedSequence([seed, first]).generate_state(1)[0])
