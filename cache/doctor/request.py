"""The options of ``avreplay doctor``; only the standard library is imported here."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.command_options import setting


@dataclass(frozen=True)
class DoctorRequest:
    """One run of ``avreplay doctor``.

    Attributes
    ----------
    store : path or URL of a store, there or to be made; None: no place is measured
    """

    store: str | None = setting(None, "Measure the place of this store, by a file that is removed.", metavar="STORE")
