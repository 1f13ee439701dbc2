"""``avreplay doctor``: the check-ups of all floors, one after another, while packages are tried in other processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .core.health import Health, check_up

if TYPE_CHECKING:
    from .cache.doctor.request import DoctorRequest


def health(r: DoctorRequest) -> Health:
    """Look at everything; nothing is fetched, and of the network only the place of a store is asked, if it is a URL.

    Raises: UsageError for a place on which no store can lie; what else is wrong is told in the checks.
    """
    from . import __version__
    from .cache.doctor.imports import Imports
    from .cache.doctor.machine import installation_checks, kernel_checks, variable_checks
    from .cache.doctor.packages import base_checks, modules_to_try
    from .cache.doctor.place import checked_place, place_checks
    from .core.installation import requirements_of
    from .evaluate.doctor import evaluate_checks, evaluate_packages
    from .extract.doctor.decoders import decoder_checks, decoder_tries
    from .extract.doctor.encoders import encoder_checks, torch_checks, torch_tries
    from .extract.doctor.gpu import gpu_checks
    from .extract.doctor.surroundings import processor_checks, weights_checks

    if r.store is not None:
        checked_place(r.store)
    media, media_with_torch = decoder_tries()
    base = modules_to_try([needed.name for needed in requirements_of()])
    others = [m for m in modules_to_try(evaluate_packages()) if m not in base]
    tried = Imports([*base, *media, *others], [*torch_tries(), *media_with_torch])
    return check_up(
        [
            ("installation", lambda: installation_checks(__version__)),
            ("machine", processor_checks),
            ("store", lambda: place_checks(r.store)),
            ("needed packages", lambda: base_checks(tried)),
            ("compiled kernels", lambda: [*kernel_checks(), *variable_checks()]),
            ("extras", lambda: evaluate_checks(tried)),
            ("decoders", lambda: decoder_checks(tried)),
            ("torch", lambda: torch_checks(tried)),
            ("GPU", lambda: gpu_checks(tried)),
            ("encoders", lambda: encoder_checks(tried)),
            ("weights", weights_checks),
        ]
    )
