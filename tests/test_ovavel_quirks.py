"""One test for each difference between OV-AVEL's released code and its paper (``docs/quirks.md``)."""

from __future__ import annotations

import numpy as np
import pytest
from avreplay.core.bundle import ScoreBundle
from avreplay.core.decoders.ovavel import ovavel_events
from avreplay.core.errors import DataError, UsageError
from avreplay.core.events import Events
from avreplay.core.metrics.ovavel import ovavel_metrics
from avreplay.core.params.ovavel import OvavelParams, make_ovavel_params
from avreplay.core.params.presets import OVAVEL_PRESETS
from pinning import pins

LABELS = ("cat", "dog", "other")
CAT, DOG, OTHER = range(3)


def scores(audio, visual, labels=LABELS, **more) -> ScoreBundle:
    """One video; a row is a label index (the best one), or the cosines themselves."""
    rows = [[np.eye(len(labels))[r] if isinstance(r, int) else r for r in side] for side in (audio, visual)]
    return ScoreBundle.create(
        video_ids=["v"], labels=labels, segments_per_video=[len(audio)], audio_segments=rows[0],
        visual_segments=rows[1], **more,
    )  # fmt: skip


def events(b, *args, **values):
    return [e[:3] for e in ovavel_events(b, make_ovavel_params(*args, values=values)).track(0, 2)]


def metrics(predicted, truth, segments=10, **options):
    made = [Events.from_tracks([[[], [], e]]) for e in (predicted, truth)]
    m = ovavel_metrics(*made, [segments], 3, other=OTHER, **options)
    return [m.correct[0, 0] / segments, *m.f_scores[0, 0].tolist()]


@pins("rule")
def test_one_category_a_video():
    b = scores([DOG, CAT, CAT, DOG], [CAT, CAT, CAT, DOG])
    assert events(b) == [(CAT, 1, 4)]
    assert events(b, None, "paper") == [(CAT, 1, 3), (DOG, 3, 4)]
    assert events(b, strategy="per_segment") == [(CAT, 1, 3), (DOG, 3, 4)]


@pins("keep_special")
def test_agreed_on_other():
    first, later = scores([OTHER, CAT, OTHER], [OTHER, CAT, DOG]), scores([CAT, OTHER, DOG], [CAT, OTHER, CAT])
    assert events(first) == [(OTHER, 0, 2)]
    assert events(later) == [(CAT, 0, 2)]
    assert events(first, agreed_other="background") == [(CAT, 1, 2)]
    assert events(later, agreed_other="background") == [(CAT, 0, 1)]
    assert events(first, None, "paper") == [(CAT, 1, 2)]
    # without the text, only the labels compete
    b = scores([[0.2, 0.1, 0.9]], [[0.3, 0.1, 0.9]])
    assert events(b) == [(OTHER, 0, 1)]
    assert events(b, "training_free_no_other") == [(CAT, 0, 1)]


def test_events_of_other_have_no_class():
    """The table of the released functions: accuracy, segment F, event F."""
    truth = [(CAT, 0, 5)]
    assert metrics([(CAT, 0, 7)], truth) == pytest.approx([0.8, 0.7917, 1.0], abs=1e-4)
    assert metrics([(DOG, 0, 7)], truth) == pytest.approx([0.3, 0.25, 1 / 3], abs=1e-4)
    assert metrics([], truth) == pytest.approx([0.5, 1 / 3, 0.5])
    assert metrics([(OTHER, 0, 5)], truth) == pytest.approx([0.5, 0.5, 0.5])
    assert metrics([], []) == [1, 1, 1]
    assert metrics([(OTHER, 0, 10)], []) == [1, 0, 0]
    assert metrics([(OTHER, 0, 2)], []) == pytest.approx([1, 8 / 9, 1])
    assert metrics([(CAT, 0, 10)], []) == [0, 0, 0]
    scattered = [(CAT, 0, 1), (CAT, 2, 4), (CAT, 5, 8)]
    assert metrics(scattered, [(CAT, 0, 8)]) == pytest.approx([0.8, 0.7619, 0.25], abs=1e-4)
    # in the paper `other` is background
    assert metrics([(OTHER, 0, 10)], [], other_is_background=True) == [1, 1, 1]


def test_iou_equal_to_the_threshold_matches():
    truth, predicted = [(CAT, 0, 4)], [(CAT, 0, 8)]
    assert metrics(predicted, truth)[2] > metrics(predicted, truth, iou=float(np.nextafter(0.5, 1)))[2]


def test_batches():
    made = [Events.from_tracks([[[], [], e] for e in v]) for v in ([[], [], [(CAT, 0, 10)]], [[], [], []])]
    m = ovavel_metrics(*made, [10, 10, 10], 3, other=OTHER)
    assert m.table()[0].tolist() == pytest.approx([200 / 3] * 4)
    assert m.table(batch_size=2)[0].tolist() == pytest.approx([200 / 3, 50, 50, (200 / 3 + 100) / 3])
    with pytest.raises(UsageError, match="batch size is 0"):
        m.table(batch_size=0)


@pins("zero_pairs")
def test_negative_pairs():
    b = scores([[-0.5, 0.1, 0.0]], [[-0.5, 0.1, 0.0]])
    assert events(b, "finetuned") == [(CAT, 0, 1)]
    assert events(b, "finetuned", "paper") == events(b, "finetuned", negative_pairs="zero") == [(DOG, 0, 1)]


@pins("first_if_none")
def test_no_positive_product():
    b = scores([[-0.5, 0.1, -0.2]], [[0.5, -0.1, 0.3]])
    assert events(b, "finetuned") == [(CAT, 0, 1)]
    assert events(b, "finetuned", "paper") == events(b, "finetuned", no_positive="background") == []


@pins("rule")
def test_fusion_rules():
    audio, visual = [[0.9, 0.5, 0.0]], [[0.05, 0.4, 0.0]]
    b = scores(audio, visual, audio_visual_segments=[[0.1, 0.2, 0.3]])
    assert events(b, "finetuned") == [(DOG, 0, 1)]
    assert events(b, "finetuned", fusion="prob_avg") == [(CAT, 0, 1)]
    assert events(b, "finetuned", fusion="fea_avg") == []
    with pytest.raises(DataError, match="no audio_visual_segments, which fusion=fea_avg needs"):
        events(scores(audio, visual), "finetuned", fusion="fea_avg")


def test_ties_go_to_the_first_label():
    b = scores([[0.3, 0.3, 0.3]], [[0.3, 0.3, 0.3]])
    assert events(b) == events(b, "finetuned") == [(CAT, 0, 1)]


@pins("competes", "special")
def test_background_texts():
    b = scores([3], [3], ("cat", "dog", "other", "Background"))
    assert events(b, background="background") == [(3, 0, 1)]
    assert events(b, background="background", strategy="per_segment") == []
    other = scores([2], [2], ("cat", "dog", "other", "Background"))
    assert events(other, background="other", strategy="per_segment") == []
    assert events(b) == [(0, 0, 1)]  # of the labels that compete, all equal
    plain = scores([CAT], [CAT], ("cat", "dog"))
    with pytest.raises(DataError, match="none of the 2 labels is 'other', which background=other needs"):
        events(plain)
    assert events(plain, background="none") == [(CAT, 0, 1)]
    with pytest.raises(DataError, match="no label besides background texts"):
        events(scores([0], [0], ("other",)), background="none")


def test_a_video_without_a_stream_has_no_events():
    for flag in ("has_audio", "has_visual"):
        b = scores([CAT], [CAT], **{flag: [False]})
        assert events(b) == events(b, "finetuned") == []


def test_missing_arrays_are_named():
    b = ScoreBundle.create(video_ids=["v"], labels=LABELS, segments_per_video=[1], visual_segments=[[1, 0, 0]])
    with pytest.raises(DataError, match="no audio_segments, which strategy=first_agreement needs"):
        events(b)
    with pytest.raises(UsageError, match="at least one parameter setting"):
        ovavel_events(b, [])


def test_layers_of_parameters():
    assert make_ovavel_params() == OvavelParams(**OVAVEL_PRESETS["training_free"])
    assert make_ovavel_params(profile="paper").strategy == "per_segment"
    for profile in ("release", "paper"):
        assert make_ovavel_params("finetuned", profile).strategy == "fused_argmax"
    assert make_ovavel_params("finetuned", "paper", {"strategy": "first_agreement"}).strategy == "first_agreement"
    with pytest.raises(UsageError, match="did you mean 'finetuned'"):
        make_ovavel_params("finetune")
    with pytest.raises(UsageError, match="did you mean 'per_segment'"):
        make_ovavel_params(values={"strategy": "per_segmen"})
    with pytest.raises(UsageError, match="did you mean 'strategy'"):
        make_ovavel_params(values={"strateg": "per_segment"})
