"""The ranking metrics against what the packages and repositories that define them returned."""

from __future__ import annotations

import golden_frontier as golden
import numpy as np
import pytest
from avreplay.core.metrics.error_rates import event_errors, segment_errors
from avreplay.core.metrics.map_tiou import average_precisions, renumbered, without_duplicates
from avreplay.core.metrics.psds import psds, psds_curves
from avreplay.core.metrics.segments import pooled_scores
from avreplay.core.metrics.threshold_counts import Changes, by_collars, by_intersection, precision_recall_f
from avreplay.core.reference_ranking import tiou_precision

DETECTIONS = {name: golden.Detections(arrays) for name, arrays in golden.load("map_tiou").items()}
CLIPS = {name: golden.Clips(arrays) for name, arrays in golden.load("sed_metrics").items()}
CURVES = [
    (case, name) for case, clips in CLIPS.items() for kind in ("seg", "collar", "inter")
    for name in clips.names(kind, "_best_f")
]  # fmt: skip
POINTS = [(case, j) for case in CLIPS for j in range(3)]
PSDS = {
    "psds1": (0.7, 0.7, None, 0.0, 1.0),
    "psds2": (0.1, 0.1, 0.3, 0.5, 1.0),
    "psds1_st0": (0.7, 0.7, None, 0.0, 0.0),
}


@pytest.mark.parametrize("case", DETECTIONS)
def test_unav(case):
    d = DETECTIONS[case]
    a = d.arrays
    present = np.bincount(d.truths.label, minlength=d.truths.labels) > 0
    found = average_precisions(
        renumbered(d.events, present),
        without_duplicates(d.truths),
        np.linspace(0.1, 0.9, 9),
        together=False,
        points_match=True,
    )[0, 0, a["unav_labels"]].T
    np.testing.assert_allclose(found, a["unav_ap"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.mean(axis=1), a["unav_map"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", [c for c in DETECTIONS if c != "ties"])
@pytest.mark.parametrize(("name", "low", "high", "count"), [("anet", 0.1, 0.9, 9), ("anet95", 0.5, 0.95, 10)])
def test_activitynet(case, name, low, high, count):
    d = DETECTIONS[case]
    found = average_precisions(d.events, d.truths, np.linspace(low, high, count), points_match=True)[
        0, 0, d.arrays["unav_labels"]
    ].T
    np.testing.assert_allclose(found, d.arrays[f"{name}_ap"], rtol=0, atol=1e-12)
    assert found.mean() == pytest.approx(float(d.arrays[f"{name}_avg"]), abs=1e-12)


def test_spans_without_length_match_each_other_or_nothing():
    truths = golden.spans(2, 1, [0, 0], [0, 0], [1.0, 2.0], [1.0, 4.0])
    events = golden.spans(2, 1, [0, 0, 1], [0, 0, 0], [3.0, 2.0, 1.0], [3.0, 4.0, 1.0], [0.9, 0.8, 0.7])
    for points_match, ap in ((True, 1.0), (False, 0.25)):
        found = average_precisions(events, truths, [0.5], points_match=points_match)
        assert found.ravel().tolist() == [ap]
    for undefined, ap in ((np.inf, 1.0), (-1.0, 0.25)):
        rows = [(0, 3.0, 3.0, 0.9), (0, 2.0, 4.0, 0.8), (1, 1.0, 1.0, 0.7)]
        assert tiou_precision(rows, [(0, 1.0, 1.0), (0, 2.0, 4.0)], 0.5, undefined=undefined) == ap


def changes_of(clips: golden.Clips, name: str) -> Changes:
    numbers = [float(x) for x in name.lstrip("abcdefghijklmnopqrstuvwxyz").split("_")]
    if name.startswith("seg"):
        return pooled_scores(clips.scores, clips.edges, clips.truths, numbers[0]).changes()
    count = by_collars if name.startswith("collar") else by_intersection
    return count(clips.frames, clips.truths, *numbers)


@pytest.mark.parametrize(("case", "name"), CURVES)
def test_curves_and_best_f_of_sed_scores_eval(case, name):
    clips = CLIPS[case]
    a = {k.removeprefix(f"{name}_"): v for k, v in clips.arrays.items() if k.startswith(f"{name}_")}
    changes = changes_of(clips, name)
    found = changes.summary(np.ones((1, clips.size[0]), np.int64))
    counts, labels = found.counts(best=True)[0, 0], clips.size[1]
    p, r, f = precision_recall_f(counts)
    for mine, theirs in ((p, a["best_p"]), (r, a["best_r"]), (f, a["best_f"])):
        np.testing.assert_allclose(np.append(mine, mine.mean()), theirs[: labels + 1], rtol=0, atol=1e-12)
    micro = counts.sum(axis=0)
    assert 2 * micro[0] / micro.sum() == pytest.approx(a["best_f"][-1], abs=1e-12)
    assert (counts[:, 0] == a["best_tp"]).all()
    assert (counts[:, 1] == a["best_fp"]).all()
    for label in range(labels):
        curve = changes.curve(label)
        best, threshold = curve.best()
        assert threshold == a["best_threshold"][label]
        assert (curve.tp[best], curve.fp[best], curve.truths) == tuple(counts[label])
        for j, cut in enumerate(clips.arrays["thresholds"].tolist()):
            at = curve.at(cut)
            assert (curve.tp[at], curve.fp[at], curve.truths) == tuple(a["at_tp_fp_nref"][j, :, label])
            figures = (curve.f1[at], curve.precision[at], curve.recall[at])
            np.testing.assert_allclose(figures, a["at_fpr"][j, :, label], rtol=0, atol=1e-12)
        if "curve_score" in a:
            rows = slice(*a["curve_ptr"][label : label + 2].tolist())
            at = np.searchsorted(-curve.value, -a["curve_score"][rows], "right") - 1
            assert (curve.tp[at] == a["curve_tp"][rows]).all()
            assert (curve.fp[at] == a["curve_fp"][rows]).all()
        if "ap" in a:
            assert curve.average_precision == pytest.approx(a["ap"][label], abs=1e-12)
    if "ap" in a:
        np.testing.assert_allclose(found.average_precision[0, 0], a["ap"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", CLIPS)
@pytest.mark.parametrize("name", PSDS)
def test_psds_of_sed_scores_eval(case, name):
    clips = CLIPS[case]
    of_event, of_truth, cross, alpha_ct, alpha_st = PSDS[name]
    changes = by_intersection(clips.frames, clips.truths, of_event, of_truth, cross)
    total, of_class = psds(changes, clips.arrays["duration"], alpha_ct=alpha_ct, alpha_st=alpha_st)
    assert total[0, 0] == pytest.approx(float(clips.arrays[name]), abs=1e-12)
    np.testing.assert_allclose(of_class[0, 0], clips.arrays[f"{name}_per_class"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", CLIPS)
@pytest.mark.parametrize("name", PSDS)
def test_curves_behind_psds(case, name):
    clips = CLIPS[case]
    of_event, of_truth, cross, alpha_ct, alpha_st = PSDS[name]
    changes = by_intersection(clips.frames, clips.truths, of_event, of_truth, cross)
    found = psds_curves(changes, clips.arrays["duration"], alpha_ct=alpha_ct, alpha_st=alpha_st)
    for mine, theirs in ((found.efpr, "efpr"), (found.etpr, "etpr")):
        np.testing.assert_allclose(mine, clips.arrays[f"{name}_{theirs}"], rtol=1e-14, atol=1e-12)
    if f"{name}_class_ptr" in clips.arrays:
        for i, theirs in enumerate(("class_efpr", "class_tpr")):
            parts = np.split(clips.arrays[f"{name}_{theirs}"], clips.arrays[f"{name}_class_ptr"][1:-1])
            for mine, want in zip(found.of_class, parts, strict=True):
                np.testing.assert_allclose(mine[i], want, rtol=1e-14, atol=1e-12)


@pytest.mark.parametrize(("case", "j"), POINTS)
def test_error_rates_of_sed_eval(case, j):
    clips = CLIPS[case]
    a, events = clips.arrays, clips.detected(j)
    for name in clips.names("sed_eval_", f"_t{j}_overall"):
        rule = name.removeprefix("sed_eval_").removesuffix("_greedy")
        numbers = [float(x) for x in rule.lstrip("abcdefghijklmnopqrstuvwxyz").split("_")]
        own = rule.startswith("seg")
        if own:
            c = segment_errors(events, clips.truths, a["duration"], *numbers)
        else:
            far = (numbers[0], numbers[1]) if rule.startswith("event") else (-1.0, 0.0)
            c = event_errors(events, clips.truths, numbers[0], *far, greedy=name.endswith("_greedy"))
        subs = 0 if own else c.substitutions  # of events these count as neither wrong nor missed
        n_true, n_found = c.truths.sum(), c.found.sum()
        counts = [c.right, n_found - c.right - subs, n_true - c.right - subs, n_true, n_found, c.substitutions]
        np.testing.assert_array_equal(counts, a[f"{name}_t{j}_overall"][:6], name)
        if own:
            np.testing.assert_array_equal([c.deletions, c.insertions], a[f"{name}_t{j}_overall"][6:], name)
        of_class = np.stack([c.tp, c.fp, c.fn, c.truths, c.found], axis=1)
        np.testing.assert_array_equal(of_class, a[f"{name}_t{j}_class"], name)
        p, r, f = c.precision_recall_f
        rates = [f, p, r, c.error_rate, *c.rates]
        np.testing.assert_allclose(rates, a[f"{name}_t{j}_overall_f_p_r_er_s_d_i"], rtol=0, atol=1e-12)
        means = [np.nanmean(c.class_f), np.nanmean(c.class_error_rate)]
        np.testing.assert_allclose(means, a[f"{name}_t{j}_class_average_f_er"], rtol=0, atol=1e-12)


def test_as_many_events_as_possible_are_matched_before_any_substitutes():
    # the first event could take either truth, the second one the first truth alone; the last is of another class
    truths = golden.spans(1, 2, [0, 0], [0, 0], [1.0, 1.3], [2.0, 2.3])
    events = golden.spans(1, 2, [0, 0, 0], [0, 0, 1], [1.15, 0.85, 1.2], [2.15, 1.85, 2.2])
    for greedy, right, subs in ((False, 2, 0), (True, 1, 1)):
        c = event_errors(events, truths, 0.2, 0.2, 0.0, greedy=greedy)
        assert (c.right, c.substitutions, c.deletions, c.insertions) == (right, subs, 0, 1)


@pytest.mark.parametrize(("case", "j"), POINTS)
def test_events_of_sed_eval(case, j):
    clips = CLIPS[case]
    once = np.ones((1, clips.size[0]), np.int64)
    names = [n for kind in ("event", "onset") for n in clips.names(f"sed_eval_{kind}", f"_t{j}_class")]
    assert names
    for name in names:
        rule = name.removeprefix("sed_eval_").removesuffix("_greedy")
        near = float(rule[5:].split("_")[0])
        offset, share = (-1.0, 0.0) if rule.startswith("onset") else (near, float(rule.split("_")[1]))
        changes = by_collars(
            clips.detected(j), clips.truths, near, offset, share, greedy=name.endswith("_greedy"), decimals=None
        )
        tp, fp, truths = changes.summary(once).counts(best=False)[0, 0].T
        mine = np.stack([tp, fp, truths - tp, truths, tp + fp], axis=1)
        np.testing.assert_array_equal(mine, clips.arrays[f"{name}_t{j}_class"], err_msg=name)
        np.testing.assert_array_equal(mine[:, [0, 3, 4]].sum(axis=0), clips.arrays[f"{name}_t{j}_overall"][[0, 3, 4]])


@pytest.mark.parametrize(("case", "j"), POINTS)
@pytest.mark.parametrize("name", ["psds1", "psds2"])
def test_counts_and_macro_f_of_psds_eval(case, j, name):
    clips = CLIPS[case]
    a, labels = clips.arrays, clips.size[1]
    changes = by_intersection(clips.detected(j), clips.truths, *PSDS[name][:2], 0.3, decimals=None)
    counts = changes.summary(np.ones((1, clips.size[0]), np.int64)).counts(best=False)[0, 0]
    f = np.where(counts[:, 0] > 0, precision_recall_f(counts)[2], np.nan)  # unfound=leave_out
    np.testing.assert_allclose(f, a[f"psds_eval_{name}_class_f{j}"], rtol=0, atol=1e-12)
    macro = np.nanmean(f) if np.isfinite(f).any() else np.nan
    np.testing.assert_allclose(macro, a[f"psds_eval_{name}_macro_f{j}"], rtol=0, atol=1e-12)
    point = a.get(f"psds_eval_{name}_onepoint{j}")
    if point is not None:
        total, _ = psds(changes, a["duration"], alpha_ct=PSDS[name][3], alpha_st=1.0)
        np.testing.assert_allclose(total[0, 0], point, rtol=0, atol=1e-12)
    theirs = a.get(f"psds_eval_{name}_counts{j}")
    if theirs is not None:
        order = [a["psds_eval_classes"].tolist().index(label) for label in a["labels"].tolist()]
        table = theirs[order][:, [*order, -1]]
        assert (table[:, -1] == counts[:, 1]).all()
        mine = np.zeros((labels, labels), np.int64)
        np.add.at(mine, np.repeat(np.arange(labels), np.diff(changes.starts)), changes.crossed)
        mine[np.arange(labels), np.arange(labels)] = counts[:, 0]
        assert (mine == table[:, :-1]).all()
