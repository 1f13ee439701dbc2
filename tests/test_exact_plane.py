"""Figures over the plane (tau0, tau_r), its maximum and its curves, against sweeps and against the plain form."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from avreplay.core.bundle import ScoreBundle
from avreplay.core.decoders.base import Inputs
from avreplay.core.decoders.ovavel import OvavelDecoder
from avreplay.core.errors import DataError, UsageError
from avreplay.core.exact import reference, response
from avreplay.core.exact.axes import exact_axes
from avreplay.core.exact.curves import tau_f_curves
from avreplay.core.exact.response import Response, exact_response
from avreplay.core.metrics.base import Metric, Scores
from avreplay.core.metrics.llp import LlpMetric
from avreplay.core.metrics.ovavel import OvavelMetric
from avreplay.core.params.ovavel import OvavelParams
from avreplay.core.params.table import ParamTable
from avreplay.core.sweep import sweep
from exact_cases import DECODER, METHODS, golden_bundle, metric_for, preset, target_of
from test_twin import make_bundle

# many kernels, which each further Python would compile anew
pytestmark = pytest.mark.slow

CASES = [
    ("release", "LLP", "languagebind", {}),
    ("paper", "LLP", "languagebind", {}),
    ("release", "LLP", "languagebind", {"fusion": "late"}),
    ("release", "AVE", "languagebind_ave", {}),
    ("paper", "AVE", "languagebind_ave", {}),
]


def respond(bundle: ScoreBundle, params, target=None, **options) -> Response:
    return exact_response(DECODER, Inputs(bundle), params, target or target_of(bundle), **options)


def swept(bundle, params, target, weights, **columns):
    """Figures (P, K) and objectives (P,) of a sweep over some columns."""
    table = ParamTable(params, columns)
    parts = list(sweep(DECODER, Inputs(bundle), table, target, weights, threads=1))
    return np.concatenate([p.figures for p in parts]), np.concatenate([p.objective for p in parts])


def weights_of(target) -> tuple[float, ...]:
    return tuple(0.05 + 0.01 * i for i in range(len(target.names)))


def uneven(metric: Metric | None = None):
    """Videos of 1 to 12 segments, some without a stream, some rows of NaN."""
    bundle = make_bundle(11, [7, 1, 12, 4, 9, 3, 8, 10], 9, "similarity", 2, 0.6, "flat")
    params = preset("release", tau_f=0.4, audio_scores="segment", min_length=1)
    return bundle, params, target_of(bundle, metric, params)


@pytest.mark.parametrize(("profile", "dataset", "name", "values"), CASES)
def test_figures_of_any_setting_are_the_replays(profile, dataset, name, values):
    bundle = golden_bundle(dataset, videos=6, segments=True)
    params = preset(profile, name, **values)
    target = target_of(bundle, metric_for(dataset, profile))
    weights = weights_of(target)
    found = respond(bundle, params, target)
    rng = np.random.default_rng(2)
    tau0, tau_r = rng.random(60), rng.random(60)
    figures, objective = swept(bundle, params, target, weights, tau0=tau0, tau_r=tau_r)
    got = np.array([found.figures(a, b) for a, b in zip(tau0, tau_r, strict=True)])
    np.testing.assert_allclose(got, figures, atol=1e-9, rtol=0)
    plane = found.plane(weights)
    at = [plane.at(a, b) for a, b in zip(tau0, tau_r, strict=True)]
    np.testing.assert_allclose(at, objective, atol=1e-9, rtol=0)


@pytest.mark.parametrize("metric", [LlpMetric(), LlpMetric(0.3, audio_from_visual=True), metric_for("AVE", "release")])
@pytest.mark.parametrize("method", METHODS)
def test_uneven_videos_and_rows_of_nan(metric, method):
    bundle, params, target = uneven(metric)
    params = replace(params, method=method)
    weights = weights_of(target)
    plane = respond(bundle, params, target).plane(weights)
    rng = np.random.default_rng(4)
    tau0, tau_r = np.sort(rng.random(12)), np.sort(rng.random(12))
    _, objective = swept(bundle, params, target, weights, tau0=np.repeat(tau0, 12), tau_r=np.tile(tau_r, 12))
    np.testing.assert_allclose(plane.surface(tau0, tau_r).reshape(-1), objective, atol=1e-9, rtol=0)


@pytest.mark.parametrize(("profile", "dataset", "name", "values"), CASES)
def test_the_optimum_is_above_ten_thousand_random_points(profile, dataset, name, values):
    bundle = golden_bundle(dataset, videos=4, segments=True)
    params = preset(profile, name, **values)
    target = target_of(bundle, metric_for(dataset, profile))
    weights = weights_of(target)
    found = respond(bundle, params, target)
    best = found.plane(weights).optimum()
    rng = np.random.default_rng(0)
    count = 10_000 if profile == "release" else 2_000
    _, objective = swept(bundle, params, target, weights, tau0=rng.random(count), tau_r=rng.random(count))
    assert best.value >= objective.max() - 1e-9
    replayed = found.confirm(best.tau0, best.tau_r) @ np.array(weights)
    assert replayed == pytest.approx(best.value, abs=1e-9)
    for low, high in (best.tau0_range, best.tau_r_range):
        assert high - low >= 1e-9
    # anywhere in the ranges, one parameter at a time, the value is the same
    plane = found.plane(weights)
    low, high = best.tau0_range
    for share in (0.001, 0.5, 0.999):
        assert plane.at(low + share * (high - low), best.tau_r) == best.value
    low, high = best.tau_r_range
    for share in (0.001, 0.999):
        assert plane.at(best.tau0, low + share * (high - low)) == best.value


def test_a_box_of_the_plane():
    bundle, params = golden_bundle(), preset("release")
    target = target_of(bundle)
    weights = weights_of(target)
    found = respond(bundle, params, target)
    box = found.plane(weights, (0.3, 0.5), (0.7, 0.9))
    best = box.optimum()
    assert 0.3 <= best.tau0 <= 0.5
    assert 0.7 <= best.tau_r <= 0.9
    grid = np.linspace(0.3, 0.5, 41), np.linspace(0.7, 0.9, 41)
    surface = box.surface(*grid)
    assert best.value >= surface.max() - 1e-12
    assert np.array_equal(surface, found.plane(weights).surface(*grid))
    with pytest.raises(UsageError, match="must rise within"):
        box.surface([0.2], [0.8])
    with pytest.raises(UsageError, match="tau_r runs from"):
        found.plane(weights, (0, 1), (0.5, 0.5))


def test_multiplicities_are_other_sets_of_videos():
    bundle, params, target = uneven()
    weights = weights_of(target)
    plane = respond(bundle, params, target).plane(weights)
    for left_out in range(3):
        kept = [v for v in range(bundle.num_videos) if v != left_out]
        times = np.ones(bundle.num_videos, int)
        times[left_out] = 0
        truth = replace(target, truth=target.truth.select(kept))
        alone = respond(bundle.select_videos(kept), params, truth).plane(weights)
        assert plane.optimum(times).value == pytest.approx(alone.optimum().value, abs=1e-9)
        grid = np.linspace(0, 1, 21)
        np.testing.assert_allclose(plane.surface(grid, grid, times), alone.surface(grid, grid), atol=1e-9, rtol=0)
    rng = np.random.default_rng(1)
    for _ in range(5):
        times = rng.multinomial(bundle.num_videos, np.full(bundle.num_videos, 1 / bundle.num_videos))
        best = plane.optimum(times)
        assert best.value == plane.at(best.tau0, best.tau_r, times)
        assert best.value >= plane.surface(np.linspace(0, 1, 101), np.linspace(0, 1, 101), times).max()
    for bad in (np.zeros(bundle.num_videos), [1, 2], -np.ones(bundle.num_videos)):
        with pytest.raises(UsageError, match="multiplicities"):
            plane.optimum(bad)
    with pytest.raises(UsageError, match="may sum up to"):
        plane.optimum(np.full(bundle.num_videos, 10**6))


def test_the_ceiling_is_every_videos_own_optimum():
    bundle, params, target = uneven()
    plane = respond(bundle, params, target).plane(weights_of(target))
    own = [plane.optimum(row).value for row in np.eye(bundle.num_videos, dtype=int)]
    np.testing.assert_allclose(plane.ceiling(), own, atol=1e-12, rtol=0)


@pytest.mark.parametrize("metric", [LlpMetric(), metric_for("AVE", "release")])
def test_curves_are_sweeps_of_every_figure(metric):
    bundle, params, target = uneven(metric)
    found = respond(bundle, params, target)
    values = np.sort(np.random.default_rng(8).random(50))
    times = np.arange(bundle.num_videos) % 3
    curves = {name: found.curves(name) for name in ("tau0", "tau_r")}
    curves["tau_f"] = tau_f_curves(DECODER, Inputs(bundle), params, target, threads=1)
    threaded = tau_f_curves(DECODER, Inputs(bundle), params, target, threads=3)
    assert all(np.array_equal(getattr(threaded, n), v) for n, v in vars(curves["tau_f"]).items() if n != "names")
    kept = np.repeat(np.arange(bundle.num_videos), times)
    for name, curve in curves.items():
        figures, _ = swept(bundle, params, target, weights_of(target), **{name: values})
        np.testing.assert_allclose(curve.at(values), figures, atol=1e-9, rtol=0)
        edges, held = curve.curve()
        assert edges[0] == 0
        assert (np.diff(edges) > 0).all()
        inside = np.searchsorted(edges, np.float32(values) if curve.single else values, "right") - 1
        np.testing.assert_allclose(held[inside], figures, atol=1e-9, rtol=0)
        weighted = curve.at(values[:3], times)
        lone = target.truth.select(kept)
        for i in range(3):
            setting = params.override({name: float(values[i])})
            events = DECODER.decode_many(Inputs(bundle), [setting], threads=1).events.select(kept)
            want = replace(target, truth=lone).score(events).values[0]
            np.testing.assert_allclose(weighted[i], want, atol=1e-9, rtol=0)


@pytest.mark.parametrize("seed", range(4))
def test_kernels_equal_the_plain_form(seed):
    """Random regions of whole numbers: steps, surface, maximum."""
    from avreplay.core.exact.kernels.overlay import TrackRegions, overlay
    from avreplay.core.exact.plane import Plane
    from avreplay.core.exact.regions import JointRegions

    rng = np.random.default_rng(seed)
    tracks, plain = [], []
    for _ in range(3):
        regions, cells, firsts, pieces, lists = [], [], [0], [], []
        ends = [0]
        for _ in range(4):
            region = []
            for tau0 in [0.0, *np.sort(rng.choice(40, rng.integers(0, 5), False) / 40 + 0.01).tolist()]:
                levels = [0.0, *np.sort(rng.choice(40, rng.integers(0, 4), False) / 40 + 0.01).tolist()]
                row = [(level, int(rng.integers(0, 3))) for level in levels]
                region.append((tau0, row))
                cells.append(tau0)
                pieces += [level for level, _ in row]
                lists += [value for _, value in row]
                ends.append(len(pieces))
            firsts.append(len(cells))
            regions.append(region)
        none = np.zeros(4, np.int64), np.zeros((0, 3), np.int32), np.zeros(0)
        arrays = (np.array(a) for a in (firsts, cells, ends, pieces, lists))
        tracks.append(TrackRegions(*arrays, *none))
        plain.append(regions)
    joint = JointRegions(*overlay(*tracks))
    value = rng.integers(-5, 10, (3, 3, 3))
    joined = [reference.joint(parts) for parts in zip(*plain, strict=True)]
    number = [[(a, [(b, int(value[t])) for b, t in row]) for a, row in region] for region in joined]
    of_lists = value[tuple(joint.lists.T)].astype(float)
    plane = Plane.of(np.zeros(4), [of_lists], [joint], np.ones(4), (0, 1), (0, 1), False)
    times = np.array([1, 2, 0, 3])
    grid = np.linspace(0, 1, 17)
    want = reference.surface(number, times.tolist(), grid.tolist(), grid.tolist())
    np.testing.assert_allclose(plane.surface(grid, grid, times) * times.sum(), want, atol=1e-9)
    best, tau0, _ = reference.best_region(number, times.tolist(), 1e-9)
    got = plane.optimum(times)
    assert got.value * times.sum() == pytest.approx(best, abs=1e-9)
    assert got.tau0_range[0] <= tau0 < got.tau0_range[1]
    assert sum(n * reference.value_at(r, got.tau0, got.tau_r) for n, r in zip(times, number, strict=True)) == best
    heights = sorted((round(a, 9), round(b, 9), h) for r in number for a, b, h in reference.steps(r))
    made = zip(plane.position, plane.levels[plane.rank], plane.height / plane.scale, strict=True)
    assert sorted((round(a, 9), round(b, 9), round(h)) for a, b, h in made) == heights


def test_threads_and_blocks_change_nothing(monkeypatch):
    bundle, params, target = uneven()
    want = respond(bundle, params, target, threads=1)
    monkeypatch.setattr(response, "_WORK_PER_BLOCK", 1500)
    for threads in (1, 3):
        got = respond(bundle, params, target, threads=threads)
        weights = weights_of(target)
        for a, b in zip(want.groups, got.groups, strict=True):
            assert np.array_equal(a.values, b.values)
            assert np.array_equal(a.regions.piece_start, b.regions.piece_start)
            assert np.array_equal(a.regions.piece_combination, b.regions.piece_combination)
        assert got.plane(weights).optimum() == want.plane(weights).optimum()


class Longest(Metric):
    """A metric of a plug-in: the share of a video that its longest visual event covers; no groups of tracks."""

    name: ClassVar[str] = "longest"

    def names(self, truth):
        return ("longest", "events")

    def score(self, predicted, truth):
        n = predicted.num_videos
        out = np.zeros((predicted.num_settings, n, 2))
        for p in range(predicted.num_settings):
            for v in range(n):
                lengths = [e[2] - e[1] for e in predicted.track(v, "visual", p)]
                out[p, v] = 100 * max(lengths, default=0) / max(1, truth.segments[v]), len(lengths)
        return Scores(self.names(truth), out.mean(axis=1), out)


class Median(Longest):
    """Says that it is a mean over videos, and is none."""

    name: ClassVar[str] = "median"

    def score(self, predicted, truth):
        found = super().score(predicted, truth)
        return replace(found, values=np.median(found.per_video, axis=1))


class Pooled(Longest):
    name: ClassVar[str] = "pooled"
    mean_over_videos: ClassVar[bool] = False


class Undefined(Longest):
    """Undefined for a video without a visual event."""

    name: ClassVar[str] = "undefined"

    def score(self, predicted, truth):
        found = super().score(predicted, truth)
        return replace(found, per_video=np.where(found.per_video > 0, found.per_video, np.nan))


def test_a_metric_of_a_plug_in():
    bundle, params = golden_bundle(videos=5), preset("release")
    target = target_of(bundle, Longest())
    best = respond(bundle, params, target).plane((1.0, -2.0)).optimum()
    rng = np.random.default_rng(0)
    _, objective = swept(bundle, params, target, (1.0, -2.0), tau0=rng.random(300), tau_r=rng.random(300))
    assert best.value >= objective.max() - 1e-9


def test_what_is_not_exact_says_so():
    bundle, params = golden_bundle(videos=3), preset("release")
    axes = exact_axes(DECODER, params, LlpMetric())
    assert {name for name, axis in axes.items() if axis.exact} == {"tau0", "tau_r", "tau_f"}
    assert all(axis.why for axis in axes.values())
    assert not exact_axes(DECODER, params, Pooled())["tau_r"].exact
    assert not exact_axes(DECODER, replace(params, ridge_weight=1e-6))["tau0"].exact
    assert exact_axes(OvavelDecoder(), OvavelParams()) == {}
    for metric, kind, message in [
        (Pooled(), UsageError, "no mean over videos"),
        (Median(), DataError, "as the mean of the videos' parts"),
        (Undefined(), DataError, "undefined for video"),
    ]:
        with pytest.raises(kind, match=message):
            respond(bundle, params, target_of(bundle, metric))
    with pytest.raises(UsageError, match="the decoder ovavel has no exact response"):
        exact_response(OvavelDecoder(), Inputs(bundle), OvavelParams(), target_of(bundle))
    with pytest.raises(DataError, match="no video"):
        respond(bundle.select_videos([]), params)
    # accuracy is over all segments, which is no mean over videos of different lengths
    uneven_bundle, uneven_params, _ = uneven()
    with pytest.raises(DataError, match="as the mean of the videos' parts"):
        respond(uneven_bundle, uneven_params, target_of(uneven_bundle, OvavelMetric(), uneven_params))
    with pytest.raises(UsageError, match="2 weights were given"):
        respond(bundle, params).plane((1.0, 2.0))
    with pytest.raises(UsageError, match="curves over tau0 and tau_r"):
        respond(bundle, params).curves("alpha")


def test_an_objective_that_is_constant():
    bundle, params = golden_bundle(videos=3), preset("release", select_classes=True, tau_f=1.0)
    best = respond(bundle, params).plane(weights_of(target_of(bundle))).optimum()
    assert best.tau0_range == best.tau_r_range == (0.0, 1.0)
    assert best.tau0 == best.tau_r == 0.5


def test_the_first_cells_may_score_nothing():
    """Nothing there is no step: the region before the first step counts too."""
    bundle, params = golden_bundle(videos=3), preset("release")
    plane = respond(bundle, params).plane([-w for w in weights_of(target_of(bundle))])
    grid = np.linspace(0, 1, 301)
    assert plane.optimum().value >= plane.surface(grid, grid).max() - 1e-12
    none = replace(plane, position=plane.position[-3:], rank=plane.rank[-3:], owner=plane.owner[-3:],
                   height=-np.abs(plane.height[-3:]))  # fmt: skip
    assert none.optimum().tau0_range[0] == 0.0
