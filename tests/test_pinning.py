"""Every option has a test that fails when a kernel ignores it: each field that a kernel reads is held at one value."""

from __future__ import annotations

import inspect
from dataclasses import fields, replace

import numpy as np
import pytest
import test_ovavel_quirks
import test_quirks
from avreplay.core.decoders import av2a, ovavel, replay_blocks
from avreplay.core.decoders.av2a import replay_scores
from avreplay.core.params.av2a import NEVER_NEGATIVE, ONLY_DECIDED, Params
from avreplay.core.params.records import PARAM_DTYPE
from hypothesis import given, settings
from hypothesis import strategies as st
from pinning import PINS, pins
from test_quirks import PLAIN, bundle, events, tau
from test_twin import make_bundle

AUDIO_VISUAL = 2
OVAVEL_FIELDS = ("competes", "special", "rule", "keep_special", "zero_pairs", "first_if_none")
"""Arguments of OV-AVEL's kernel that stand for options."""


# --- pins of options that are no quirks --------------------------------------------------------------------------


@pins("alpha", "beta")
def test_alpha():
    b = bundle([[0.9, 0.2]], audio=[[0.3, 0.7]])
    a, v = b.audio_segments[0].astype(float), b.visual_segments[0].astype(float)
    for alpha in (0.2, 0.75):
        p = PLAIN.override({"alpha": alpha, "audio_scores": "segment", "precision": "float64"})
        _, trace = tau(b, p)
        np.testing.assert_allclose(trace.score[AUDIO_VISUAL, 0], alpha * a + (1 - alpha) * v, atol=1e-12)


@pins("tau0")
def test_tau0():
    b = bundle([[0.6]])
    assert events(b, PLAIN.override({"tau0": 0.5})) == [(0, 0, 1)]
    assert events(b, PLAIN.override({"tau0": 0.7})) == []


@pins("tau_f", "select")
def test_class_selection():
    b = bundle([[0.9, 0.6]])
    p = PLAIN.override({"select_classes": True})
    assert events(b, p.override({"tau_f": 0.5})) == [(0, 0, 1), (1, 0, 1)]
    assert events(b, p.override({"tau_f": 0.7})) == [(0, 0, 1)]
    assert events(b, p.override({"tau_f": 0.7, "select_classes": False})) == [(0, 0, 1), (1, 0, 1)]


@pins("tau_r", "refine")
def test_refinement():
    b = bundle([[0.9, 0.9]], windows={(0, 1): [0.4, 0.6]})
    p = PLAIN.override({"refine": True, "all_rejected": "keep_none"})
    assert events(b, p.override({"tau_r": 0.5})) == [(1, 0, 1)]
    assert events(b, p.override({"tau_r": 0.7})) == []
    assert events(b, p.override({"tau_r": 0.7, "refine": False})) == [(0, 0, 1), (1, 0, 1)]


@pins("decay")
def test_decay():
    b = bundle([[0.9, 0.1]] * 2)
    for decay in (0.5, 2.0):
        thresholds, _ = tau(b, PLAIN.override({"method": "decay_only", "decay": decay}))
        np.testing.assert_allclose(thresholds[1], [0.5 - 0.5 * np.exp(-decay), 0.0], atol=1e-12)


@pins("moving", "label_shift", "cosine")
def test_methods():
    """One label, a cosine of 0.6, one decision: the threshold goes down by tau0 e^-1 times factor and ratio."""
    b = bundle([[0.8], [0.7]], features=[[1, 0], [0.6, 0.8]])
    step = 0.5 * np.exp(-1)
    P, nxt = b.visual_segments[:, 0].astype(float)
    ratio = P * nxt / (P * P + 1) * nxt
    for method, shift in {
        "naive": 0.0, "decay_only": 1.0, "cosine": 0.6, "label_shift": ratio, "label_shift_cosine": 0.6 * ratio,
    }.items():  # fmt: skip
        thresholds, _ = tau(b, PLAIN.override({"method": method, "decay": 1.0}))
        np.testing.assert_allclose(thresholds[1, 0], 0.5 - step * shift, atol=1e-7)


ALL_PARTS = Params(method="decay_only", ratio="pinv", median=9, hysteresis_drop=0.1)
"""In a call with it, the kernel has all its parts and room for any median here: one form serves many tests."""


def with_all_parts(b, *settings):
    """The visual events of some settings of a video."""
    found = replay_scores(b, [*settings, ALL_PARTS], tracks=["visual"], threads=1).events
    return [[e[:3] for e in found.track(0, "visual", i)] for i in range(len(settings))]


@pytest.mark.slow
@pins("median", "median_edge")
def test_median():
    b = bundle([[0.9], [0.1], [0.1], [0.1], [0.9], [0.1], [0.9]])
    p = PLAIN.override({"median": 3})
    off, nearest, zeros = with_all_parts(
        b, PLAIN, p.override({"median_edge": "nearest"}), p.override({"median_edge": "zeros"})
    )
    assert off == [(0, 0, 1), (0, 4, 5), (0, 6, 7)]
    assert nearest == [(0, 0, 1), (0, 5, 7)]
    assert zeros == [(0, 5, 6)]


@pytest.mark.slow
@pins("hysteresis_drop")
def test_hysteresis_drop():
    b = bundle([[0.4], [0.6], [0.45], [0.1], [0.4]])
    off, low, lower = with_all_parts(b, *(PLAIN.override({"hysteresis_drop": x}) for x in (0.0, 0.08, 0.2)))
    assert (off, low, lower) == ([(0, 1, 2)], [(0, 1, 3)], [(0, 0, 3)])


@pins("late")
def test_fusion():
    b = bundle([[0.9]] * 3, audio=[[0.0], [0.6], [0.6]])
    p = PLAIN.override({"audio_scores": "segment", "alpha": 0.2})
    assert events(b, p.override({"fusion": "score"}), "audio_visual") == [(0, 0, 3)]
    assert events(b, p.override({"fusion": "late"}), "audio_visual") == [(0, 1, 3)]


@pins("clip_row")
def test_settings_of_one_call_select_on_their_own_clip_scores():
    b = bundle([[0.1, 0.2, 0.9]], kind="similarity")
    p = PLAIN.override({"select_classes": True, "tau_f": 0.73, "tau0": 0.0, "single_label": "score_all"})
    found = replay_scores(b, [p, p.override({"score_norm": "sigmoid"})], tracks=["visual"]).events
    assert [len(found.track(0, "visual", i)) for i in (0, 1)] == [1, 0]


# --- the kernel skips thresholds where the decisions of the first segment are those of all ----------------------


def assert_skipping_changes_nothing(b, params):
    """A trace computes every threshold; without one the kernel leaves out what cannot change a decision."""
    computed, skipped = (replay_scores(b, params, trace=trace, threads=1).events for trace in (True, False))
    for name in ("starts", "label", "onset", "offset"):
        assert getattr(computed, name).tobytes() == getattr(skipped, name).tobytes(), params


EQUAL_SEGMENTS = make_bundle(5, [8] * 25, 6)
NEARLY_SINGULAR = make_bundle(6, [70] * 10, 12, kind="probability", windows=0.0)
"""Longer than what is followed by classes of labels, whose ratio is never singular where all segments are equal."""
FEW_LABELS = make_bundle(8, [12] * 10, 3)


@pins("only_decided")
def test_methods_that_move_other_thresholds_are_computed():
    """In the audio track of the release, all segments being equal, every method but label shift changes decisions."""
    p = PLAIN.override({"tau0": 0.6, "decay": 0.5})
    changed = set()
    for method in ("label_shift", "label_shift_cosine", "cosine", "decay_only"):
        assert_skipping_changes_nothing(EQUAL_SEGMENTS, p.override({"method": method}))
        both = [p.override({"method": method}), p]
        moved, naive = (replay_scores(EQUAL_SEGMENTS, x, tracks=["audio"]).events for x in both)
        if moved.label.tobytes() != naive.label.tobytes() or moved.onset.tobytes() != naive.onset.tobytes():
            changed.add(method)
    assert changed == {"cosine", "decay_only"}


@pytest.mark.slow
@pins("never_negative")
def test_ratios_that_can_be_negative_are_computed():
    """Without a cutoff the inverse of a singular matrix divides rounding errors by one another, of either sign."""
    p = PLAIN.override({"method": "label_shift", "pinv_cutoff": 0.0, "decay": 0.0, "tau0": 0.4})
    for ratio in ("ridge", "pinv"):
        assert_skipping_changes_nothing(NEARLY_SINGULAR, p.override({"ratio": ratio}))


def values_of(f):
    """Values of an option for a search of settings in which skipping changes something."""
    if f.metadata["choices"]:
        return st.sampled_from(f.metadata["choices"])
    if str(f.type) == "bool":
        return st.booleans()
    if f.name in ("tau0", "tau_f", "tau_r", "decay"):
        return st.sampled_from([0.0, 0.3, 0.5, 0.6, 0.75])
    if f.name == "pinv_cutoff":
        return st.sampled_from([0.0, 1e-12])
    return st.just(f.default)


@settings(max_examples=200, deadline=None)
@given(st.builds(Params, **{f.name: values_of(f) for f in fields(Params)}), st.sampled_from(["a", "b", "c"]))
def test_skipping_changes_no_decision_whatever_the_options(params, which):
    """A new option that moves thresholds in another way fails here, unless it says so by its record fields."""
    params = replace(params, audio_scores="clip", select_classes=False, refine=False)
    assert_skipping_changes_nothing({"a": EQUAL_SEGMENTS, "b": NEARLY_SINGULAR, "c": FEW_LABELS}[which], params)


def test_what_may_be_skipped_is_declared():
    shown = {f.name: f.metadata["choices"] for f in fields(Params)}
    assert set(ONLY_DECIDED) < set(shown["method"])
    assert set(NEVER_NEGATIVE) < set(shown["ratio"])


# --- the test of the tests ---------------------------------------------------------------------------------------


def record_calls(monkeypatch, change):
    """Every call of AV²A's kernels goes through ``change``, which gets and returns the records."""
    for module, name in ((replay_blocks, "replay_block"), (av2a, "clip_scores")):
        kernel = getattr(module, name)

        def called(*args, _kernel=kernel):
            return _kernel(*(change(a) if getattr(getattr(a, "dtype", None), "names", None) else a for a in args))

        monkeypatch.setattr(module, name, called)


def held(field, value):
    def change(records):
        copy = records.copy()
        copy[field] = value
        copy.flags.writeable = records.flags.writeable  # as the kernel was compiled for
        return copy

    return change


def seen_values(monkeypatch, field, check):
    """The values of a field of the records in the calls of a test."""
    seen = set()

    def change(records):
        seen.update(records[field].tolist())
        return records

    with monkeypatch.context() as patch:
        record_calls(patch, change)
        check()
    return seen


def fails(check):
    try:
        check()
    except AssertionError:
        return True
    return False


def read_only(array):
    array.setflags(write=False)
    return array


SAFE = {("only_decided", 0), ("never_negative", 0)}
"""With these the kernel computes what it could skip: nothing may change."""


@pytest.mark.parametrize("field", PARAM_DTYPE.names)
def test_pins_fail_where_a_field_of_the_records_is_ignored(field, monkeypatch):
    assert PINS[field], f"no test pins {field}; mark one with @pins({field!r})"
    for name, check in PINS[field].items():
        seen = seen_values(monkeypatch, field, check)
        assert len(seen) > 1, f"{name} never changes {field}"
        for value in seen:
            with monkeypatch.context() as patch:
                record_calls(patch, held(field, value))
                assert fails(check) != ((field, value) in SAFE), f"{name} with {field} held at {value}"


@pytest.mark.parametrize("field", OVAVEL_FIELDS)
def test_pins_fail_where_an_argument_of_ovavels_kernel_is_ignored(field, monkeypatch):
    assert PINS[field], f"no test pins {field}; mark one with @pins({field!r})"
    kernel = ovavel.decode_block
    position = list(inspect.signature(kernel).parameters).index(field)

    def calls_through(patch, change):
        def called(*args):
            labels = max(x.shape[1] for x in args[1:4])
            new = change(args[position])
            if field == "competes":  # a mask of fewer labels would be read beyond its end: all others compete
                new = np.concatenate([new, np.ones(labels, np.bool_)])[:labels]
            args = [*args[:position], new, *args[position + 1 :]]
            # nor would scores that the rule asked for has no use for: where another rule is held they are all zero
            segments = max(len(x) for x in args[1:4])
            args[1:4] = [x if len(x) else read_only(np.zeros((segments, labels), x.dtype)) for x in args[1:4]]
            return kernel(*args)

        patch.setattr(ovavel, "decode_block", called)

    for name, check in PINS[field].items():
        seen = []

        def remember(value, seen=seen):
            if not any(np.array_equal(value, x) for x in seen):
                seen.append(value)
            return value

        with monkeypatch.context() as patch:
            calls_through(patch, remember)
            check()
        assert len(seen) > 1, f"{name} never changes {field}"
        for value in seen:
            with monkeypatch.context() as patch:
                calls_through(patch, lambda _, value=value: value)
                assert fails(check), f"{name} passes with {field} held at {value}"


def test_every_pin_is_of_a_field_that_there_is():
    assert set(PINS) == {*PARAM_DTYPE.names, *OVAVEL_FIELDS}
    marked = {name for tests in PINS.values() for name in tests}
    assert marked <= {*vars(test_quirks), *vars(test_ovavel_quirks), *globals()}
