"""The exact response in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....core.decoders.base import Decoder
from ....core.exact.axes import PLANE
from ....core.params.options import OptionSet
from ..honest.text import with_interval
from ..plot_style import Section
from .pictures import curve_boxes, presets_like, surface_box
from .stage import Exact


def plane_line(e: Exact, fixed: str) -> list[str]:
    """What the plane says, in one sentence; why there is none; nothing for a decoder without these parameters.

    fixed : whose other options are fixed
    """
    if e.plane is None:
        return [f"no exact plane of tau0 and tau_r: {e.note}"] if e.note else []
    p, best = e.plane, e.plane.best
    said = [
        f"exact plane of tau0 and tau_r, the others as {fixed}: best {best.value:.2f} at tau0={best.tau0:.4g}, "
        f"tau_r={best.tau_r:.4g}"
    ]
    if p.left_out is not None:
        said.append(f"leave-one-out {with_interval(p.left_out.value, p.left_out.low, p.left_out.high, digits=2)}")
    if p.resampled is not None:
        of = p.resampled.as_dict()
        ranges = " and ".join(f"{n} {of['options'][n]['low']:.3g} to {of['options'][n]['high']:.3g}" for n in PLANE)
        said.append(f"optimum of {of['resamples']} resamples at {ranges}")
    said.append(f"ceiling {p.ceiling:.2f} with a setting for each video")
    return [", ".join(said)]


def exact_sections(e: Exact, decoder: Decoder[Any], settings: Mapping[str, OptionSet]) -> list[Section]:
    """The sections of a page. ``settings`` are marked, the last one is that whose other options are fixed."""
    places = {name: p.as_dict() for name, p in settings.items()}
    *_, fixed = settings
    sections = []
    if e.plane is not None:
        presets = presets_like(decoder, e.setting)
        others = ", ".join(["the presets", *(name for name in settings if name != fixed)])
        notes = [
            f"Exact: every value is that of a replay, none is interpolated. The other options are those of the {fixed} "
            f"setting. The line encloses the plateau: {100 * e.plane.surface.safe_share:.1f} % of the plane, where the "
            "objective is lower than at the optimum by no more than one standard error of the difference, paired over "
            f"the videos. Other options of {others} may differ: marked is where their tau0 and tau_r lie.",
            *plane_line(e, fixed),
        ]
        if presets:
            where = "; ".join(f"{names} ({x:g}, {y:g})" for names, (x, y) in presets.items())
            notes.append(f"Presets at (tau0, tau_r): {where}.")
        at = {name: (p["tau0"], p["tau_r"]) for name, p in places.items()}
        sections.append(Section("Exact response to tau0 and tau_r", notes, [surface_box(e.plane, at, presets)]))
    elif e.note:
        sections.append(Section("Exact response to tau0 and tau_r", plane_line(e, fixed), []))
    if e.curves:
        names = ", ".join(c.name for c in e.curves)
        bands = "; the band is the 95 % bootstrap interval over the videos" if e.curves[0].low is not None else ""
        marked = {name: places[name] for name in places if name in ("start", fixed)}
        lines = f"{fixed} (orange), start (grey)" if "start" in marked else f"{fixed} (orange)"
        notes = [
            f"Exact over {names}, at {len(e.curves[0].values)} values, the other options those of the {fixed} "
            f"setting{bands}. Lines: {lines}. Percent; one scale for a figure."
        ]
        if e.sampled:
            why = "; ".join(f"{name} ({why})" for name, why in e.sampled.items())
            notes.append(f"Not exact, and sampled in the pictures below: {why}.")
        sections.append(Section("Exact response of every figure", notes, curve_boxes(e.curves, marked)))
    return sections
