"""Score bundles: what is accepted, what is refused and in which words, and the way through an .npz file and a store."""

from __future__ import annotations

import golden_av2a as golden
import numpy as np
import pytest
from avreplay.cache import import_bundle, import_file, open_store, read_bundle, verify_store, write_bundle
from avreplay.core.bundle import ScoreBundle
from avreplay.core.decoders.av2a import replay_scores
from avreplay.core.errors import DataError, UsageError
from avreplay.core.params.av2a import Params


def arrays(**changes):
    """A small valid bundle as keyword arguments, with some of them changed."""
    rng = np.random.default_rng(0)
    good = {
        "video_ids": ["a", "b"],
        "labels": ["x", "y", "z"],
        "segments_per_video": [2, 3],
        "visual_segments": rng.random((5, 3)),
        "visual_features": rng.random((5, 4)),
        "audio_segments": rng.random((5, 3)),
        "audio_clip": rng.random((2, 3)),
        "visual_clip": rng.random((2, 1, 3)),
        "window_video": [1, 0],
        "window_start": [0, 0],
        "window_end": [3, 2],
        "window_audio": rng.random((2, 3)),
        "window_visual": rng.random((2, 1, 3)),
    }
    return {k: v for k, v in {**good, **changes}.items() if v is not None}


BAD = [
    ({"video_ids": ["a", "a"]}, "video id 'a' is duplicated"),
    ({"labels": ["x", "x", "z"]}, "label 'x' is duplicated"),
    ({"labels": []}, "no labels"),
    ({"kind": "logits"}, "kind is 'logits'"),
    ({"segments_per_video": [2, -1]}, "negative count"),
    ({"segments_per_video": [2.5, 2.5]}, "expected integers"),
    ({"segments_per_video": [2, 3, 4]}, "segments_per_video has shape"),
    ({"visual_segments": np.zeros((4, 3))}, "visual_segments has shape (4, 3); expected (5, 3)"),
    ({"audio_clip": np.zeros((2, 4))}, "audio_clip has shape (2, 4)"),
    ({"visual_clip": np.zeros((2, 3))}, "visual_clip has shape"),
    ({"visual_clip": np.zeros((2, 8, 3))}, "visual_clip has 8 rows a score and window_visual 1"),
    ({"audio_segments": np.array([["a"] * 3] * 5)}, "audio_segments has dtype"),
    ({"window_end": None}, "go together"),
    ({"window_end": [4, 2]}, "window [0, 4) of video 'b' does not lie within its 3 segments"),
    ({"window_video": [2, 0]}, "points to video 2"),
    (
        {"window_video": [0, 0], "window_end": [2, 2], "window_start": [0, 0]},
        "window [0, 2) of video 'a' is duplicated",
    ),
    ({"audio_clip": np.array([[0, 1, 2], [0, np.nan, 1.0]])}, "audio_clip of video 'b' holds nan"),
    ({"visual_features": np.full((5, 4), np.inf)}, "visual_features of video 'a' holds inf"),
    ({"kind": "probability", "visual_segments": np.full((5, 3), 1.5)}, "must lie in [0, 1]"),
]


@pytest.mark.parametrize(("changes", "words"), BAD, ids=[w[:40] for _, w in BAD])
def test_what_is_refused(changes, words):
    with pytest.raises(DataError) as error:
        ScoreBundle.create(**arrays(**changes))
    assert words in str(error.value)


def test_an_unknown_array_is_named():
    with pytest.raises(UsageError, match="audio_segment'"):
        ScoreBundle.create(**arrays(audio_segment=np.zeros((5, 3))))


def test_nan_is_allowed_where_the_stream_is_said_to_be_missing():
    clip = np.array([[0, 1, 2], [np.nan] * 3])
    bundle = ScoreBundle.create(**arrays(audio_clip=clip, has_audio=[True, False]))
    events = replay_scores(bundle, Params(select_classes=False, tau0=0.1)).events
    assert events.track(1, "audio") == []
    assert events.track(1, "audio_visual") == []
    assert events.track(1, "visual") != []


NEEDS = [
    ("audio_clip", {}, "no audio_clip, which select_classes=true needs"),
    ("audio_segments", {"audio_scores": "segment"}, "no audio_segments, which audio_scores=segment needs"),
    ("visual_segments", {}, "no visual_segments"),
    ("visual_features", {}, "no visual_features, which method=label_shift_cosine needs"),
    ("audio_visual_segments", {"av_scores": "given"}, "no audio_visual_segments, which av_scores=given needs"),
]


@pytest.mark.parametrize(("array", "options", "words"), NEEDS, ids=[n[0] for n in NEEDS])
def test_a_missing_array_is_named_with_the_option_that_needs_it(array, options, words):
    bundle = ScoreBundle.create(**arrays(**{array: None}))
    with pytest.raises(DataError) as error:
        replay_scores(bundle, Params(**options))
    assert words in str(error.value)


def test_windows_that_are_not_cached_are_pooled_and_counted():
    bundle = ScoreBundle.create(**arrays(window_video=None, window_start=None, window_end=None, window_audio=None,
                                         window_visual=None))  # fmt: skip
    done = replay_scores(bundle, Params(select_classes=False, tau0=0.1, lone_candidate="check"))
    assert done.windows_asked == done.windows_pooled > 0


@pytest.mark.parametrize(("dataset", "backbone"), [("LLP", "lb"), ("LLP", "cc"), ("AVE", "cc")])
def test_npz_and_store_give_the_same_replay(tmp_path, dataset, backbone):
    bundle = golden.bundle(dataset, backbone)
    write_bundle(bundle, tmp_path / "b.npz")
    import_file(tmp_path / "b.npz", tmp_path / "s")
    import_file(tmp_path / "b.npz", tmp_path / "s")
    again = open_store(tmp_path / "s").bundle()
    want, got = replay_scores(bundle, Params()).events, replay_scores(again, Params()).events
    for name in ("starts", "label", "onset", "offset", "score"):
        assert getattr(want, name).tobytes() == getattr(got, name).tobytes()
    assert verify_store(tmp_path / "s") == []


def test_a_second_import_of_something_else_is_refused(tmp_path):
    import_bundle(ScoreBundle.create(**arrays()), tmp_path / "s", {"source": "one"})
    with pytest.raises(DataError, match="import into another path"):
        import_bundle(ScoreBundle.create(**arrays()), tmp_path / "s", {"source": "two"})
    assert open_store(tmp_path / "s").bundle().num_videos == 2


def test_an_interrupted_import_is_done_again(tmp_path):
    bundle = ScoreBundle.create(**arrays())
    import_bundle(bundle, tmp_path / "s")
    marker = tmp_path / "s" / "vocabularies" / "imported" / "scores" / "zarr.json"
    marker.unlink()
    with pytest.raises(DataError, match="run `avreplay import` again"):
        open_store(tmp_path / "s").bundle()
    import_bundle(bundle, tmp_path / "s")
    assert open_store(tmp_path / "s").bundle().num_videos == 2


def test_an_import_without_its_labels_is_done_again(tmp_path):
    """Earlier versions wrote the labels after the scores: a kill between them left scores without labels."""
    bundle = ScoreBundle.create(**arrays())
    import_bundle(bundle, tmp_path / "s")
    (tmp_path / "s" / "vocabularies" / "imported" / "zarr.json").unlink()
    import_bundle(bundle, tmp_path / "s")
    assert open_store(tmp_path / "s").labels == bundle.labels
    assert open_store(tmp_path / "s").bundle().num_videos == 2


def test_bad_files(tmp_path):
    file = tmp_path / "b.npz"
    with pytest.raises(DataError, match="there is no score bundle"):
        read_bundle(file)
    file.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(DataError, match="not a readable"):
        read_bundle(file)
    file.write_bytes(b"plain text")
    with pytest.raises(DataError, match=r"pickled|readable|damaged"):
        read_bundle(file)
    np.savez(file, video_ids=np.array(["a"]), labels=np.array(["x"]))
    with pytest.raises(DataError, match="has no array segments_per_video"):
        read_bundle(file)
    np.savez(file, video_ids=np.array(["a"], object), labels=np.array(["x"]), segments_per_video=[1])
    with pytest.raises(DataError, match="pickled objects"):
        read_bundle(file)
    np.savez(file, video_ids=np.array([1]), labels=np.array(["x"]), segments_per_video=[1])
    with pytest.raises(DataError, match="expected a list of strings"):
        read_bundle(file)
    given = {("audio_segment" if name == "audio_segments" else name): value for name, value in arrays().items()}
    np.savez(file, **given)
    with pytest.raises(DataError, match=r"has an array 'audio_segment', .* rename it to audio_segments"):
        read_bundle(file)
    np.save(tmp_path / "b.npy", np.zeros(3))
    with pytest.raises(DataError, match="single array"):
        read_bundle(tmp_path / "b.npy")


def test_videos_can_be_selected():
    bundle = golden.bundle("LLP", "cc")
    part = bundle.select_videos([5, 2])
    whole = replay_scores(bundle, Params()).events
    events = replay_scores(part, Params()).events
    for k in range(3):
        assert [str(e) for e in events.track(0, k)] == [str(e) for e in whole.track(5, k)]
        assert [str(e) for e in events.track(1, k)] == [str(e) for e in whole.track(2, k)]
