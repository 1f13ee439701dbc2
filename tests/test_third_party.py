"""Scores of third-party models: every format gives the same bundle, the presets do what the models' own evaluation
does, each mistake is one sentence, and the mappings of the guide read. (Its commands are run by `test_docs.py`.)"""

from __future__ import annotations

import csv
import re
import shlex
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from avreplay.cache import import_scores, open_store, read_third_party, write_bundle
from avreplay.cache.imports import third_party
from avreplay.cli import main
from avreplay.core.bundle import ScoreBundle
from avreplay.core.decoders.av2a import replay_scores
from avreplay.core.errors import DataError, UsageError
from avreplay.core.params.av2a import make_params
from avreplay.core.params.presets import PRESETS
from avreplay.core.reference import runs_of
from click.testing import CliRunner
from store_files import tree
from test_twin import assert_same

GUIDE = Path(__file__).parents[1] / "docs" / "third_party_scores.md"
IDS = ["a_0_10", "b_5_15", "c_1_11"]
LABELS = ["Dog", "Car", "Cat", "background"]
ARRAYS = """
[arrays]
audio_segments = { name = "frame_prob", axes = "NTMC", pick = { M = 0 } }
visual_segments = { name = "frame_prob", axes = "NTMC", pick = { M = 1 } }
audio_clip = "a_prob"
visual_clip = "v_prob"
visual_features = "features"
"""
NAMES = '[ids]\narray = "ids"\n[labels]\nnames = ["Dog", "Car", "Cat", "background"]\n'


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def made(videos=3, segments=4, labels=4, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "ids": np.array(IDS[:videos] if videos <= 3 else [f"v{i}" for i in range(videos)]),
        "frame_prob": rng.random((videos, segments, 2, labels)).astype(np.float32),
        "a_prob": rng.random((videos, labels)).astype(np.float32),
        "v_prob": rng.random((videos, labels)).astype(np.float32),
        "features": rng.normal(size=(videos, segments, 5)).astype(np.float32),
    }


def write(folder, mapping, arrays, name="s.npz"):
    (folder / "m.toml").write_text(mapping)
    file = folder / name
    if name.endswith(".npz"):
        np.savez(file, **arrays)
    else:
        with h5py.File(file, "w") as handle:
            for key, value in arrays.items():
                handle[key] = value.astype(h5py.string_dtype()) if value.dtype.kind == "U" else value
    return file


def read(folder, mapping, arrays, name="s.npz") -> ScoreBundle:
    return read_third_party(write(folder, mapping, arrays, name), folder / "m.toml")[0]


def same(one: ScoreBundle, other: ScoreBundle) -> None:
    assert (one.video_ids, one.labels, one.kind) == (other.video_ids, other.labels, other.kind)
    for name, value in vars(one).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, getattr(other, name), name)


# --- what is read ------------------------------------------------------------------------------------------------


def test_axes_picks_and_names(tmp_path):
    x = made()
    b = read(tmp_path, NAMES + 'ignore = ["background"]\nrename = { Cat = "Kitten" }\norder = ["Kitten", "Dog", "Car"]'
             + ARRAYS, x)  # fmt: skip
    assert b.video_ids == tuple(IDS)
    assert b.labels == ("Kitten", "Dog", "Car")
    assert b.kind == "probability"
    assert b.segments_per_video.tolist() == [4, 4, 4]
    np.testing.assert_array_equal(b.audio_segments, x["frame_prob"][:, :, 0, [2, 0, 1]].reshape(12, 3))
    np.testing.assert_array_equal(b.visual_segments, x["frame_prob"][:, :, 1, [2, 0, 1]].reshape(12, 3))
    np.testing.assert_array_equal(b.visual_clip, x["v_prob"][:, None, [2, 0, 1]])
    np.testing.assert_array_equal(b.visual_features, x["features"].reshape(12, 5))


def test_axes_in_any_order_and_logits(tmp_path):
    x = made()
    want = read(tmp_path, NAMES + ARRAYS, x)
    p = x["frame_prob"].astype(np.float64)
    moved = {**x, "frame_prob": np.log(p / (1 - p)).transpose(3, 2, 0, 1)}
    text = ARRAYS.replace('axes = "NTMC"', 'axes = "CMNT", values = "logits"')
    got = read(tmp_path, NAMES + text, moved)
    np.testing.assert_allclose(got.audio_segments, want.audio_segments, atol=1e-6)
    np.testing.assert_array_equal(got.audio_clip, want.audio_clip)  # its own values: still probabilities


def test_hdf5_is_the_same_as_npz(tmp_path):
    x = made()
    same(read(tmp_path, NAMES + ARRAYS, x, "s.h5"), read(tmp_path, NAMES + ARRAYS, x))


def test_layout_of_the_ave_files(tmp_path):
    """One dataset in the order of a list with a header; the rows of a split in another file; a background column."""
    x = np.random.default_rng(1).normal(size=(5, 10, 3)).astype(np.float32)
    lines = [f"Church bell&vid{i}&good&0&10" for i in range(5)]
    (tmp_path / "Annotations.txt").write_text("Category&VideoID&Quality&StartTime&EndTime\n" + "\n".join(lines))
    (tmp_path / "labels.txt").write_text("bell\ncat\nbackground\n")
    with h5py.File(tmp_path / "test_order.h5", "w") as handle:
        handle["order"] = np.array([3, 0])
    block = re.search(r"```toml\n# ave.toml\n(.*?)```", GUIDE.read_text(), re.DOTALL).group(1)
    whole = read(tmp_path, block, {"avadataset": x}, "s.h5")
    assert (whole.video_ids, whole.labels) == (("vid3", "vid0"), ("bell", "cat"))
    want = 1 / (1 + np.exp(-x[[3, 0], :, :2].astype(np.float64)))
    np.testing.assert_allclose(whole.audio_visual_segments, want.reshape(20, 2), atol=1e-7)
    same(read(tmp_path, block, {"avadataset": x[[3, 0]]}, "s.h5"), whole)
    (tmp_path / "keep.txt").write_text("vid0\n")
    for arrays in ({"avadataset": x}, {"avadataset": x[[3, 0]]}):
        kept = read(tmp_path, block.replace("[labels]", 'keep = { file = "keep.txt" }\n[labels]'), arrays, "s.h5")
        same(kept, whole.select_videos([1]))
    assert run("import", tmp_path / "s.h5", tmp_path / "s", "--mapping", tmp_path / "m.toml").exit_code == 0
    options = re.search(r"Such scores are replayed with `(.*?)`", GUIDE.read_text()).group(1)
    done = run("replay", tmp_path / "s", *shlex.split(options))
    assert done.exit_code == 0, done.output


def test_the_real_ave_file(tmp_path, shared_data):
    """`labels_noisy.h5` as AVE distributes it: [178, 29] in a dataset `avadataset`."""
    file = shared_data / "data" / "ave" / "labels_noisy.h5"
    with h5py.File(file) as handle:
        truth = handle["avadataset"][...]
    (tmp_path / "ids.txt").write_text("\n".join(f"n{i}" for i in range(178)))
    labels = ", ".join(f'"c{i}"' for i in range(29))
    (tmp_path / "m.toml").write_text(
        f'[ids]\nfile = "ids.txt"\n[labels]\nnames = [{labels}]\n[arrays]\n'
        'audio_segments = { name = "avadataset", axes = "SC" }\naudio_clip = "avadataset"\n'
        'segments_per_video = { name = "n", file = "n.npz" }\n'
    )
    np.savez(tmp_path / "n.npz", n=np.ones(178, np.int64))
    bundle, files = read_third_party(file, tmp_path / "m.toml")
    np.testing.assert_array_equal(bundle.audio_clip, truth)
    assert {f.name for f in files} == {"m.toml", "ids.txt", "labels_noisy.h5", "n.npz"}


def test_ids_are_listed_renamed_and_kept(tmp_path):
    x = made()
    (tmp_path / "list.csv").write_text("filename\tevent_labels\n" + "\n".join(f"feat_{v}.npy\tDog" for v in IDS))
    (tmp_path / "keep.txt").write_text("LLP/c_1_11\n\nLLP/z\n")
    names = """
[ids]
file = "list.csv"
column = "filename"
separator = "\\t"
remove_prefix = "feat_"
remove_suffix = ".npy"
add_prefix = "LLP/"
rename = { a_0_10 = "z" }
[labels]
names = ["Dog", "Car", "Cat", "background"]
"""
    whole = read(tmp_path, names + ARRAYS, x)
    assert whole.video_ids == ("LLP/z", "LLP/b_5_15", "LLP/c_1_11")
    kept = read(tmp_path, names.replace("[labels]", 'keep = { file = "keep.txt" }\n[labels]') + ARRAYS, x)
    same(kept, whole.select_videos([2, 0]))


def test_llp_lists_give_the_ids(tmp_path, shared_data):
    block = re.search(r"```toml\n# llp.toml\n(.*?)```", GUIDE.read_text(), re.DOTALL).group(1)
    folder = shared_data / "data" / "llp"
    block = block.replace("AVVP_test_pd.csv", str(folder / "AVVP_test_pd.csv"))
    x = {"p": np.zeros((1200, 10, 1), np.float32)}
    got = read(tmp_path, block + '[labels]\nnames = ["Dog"]\n[arrays]\naudio_segments = "p"\n', x)
    assert got.num_videos == 1200
    assert got.video_ids[0] == "4YdbENYcIyE_23_33"


def test_ragged_videos_four_ways(tmp_path):
    """Padded, flat, one array per video: the same bundle; windows follow their videos."""
    rng = np.random.default_rng(2)
    counts, x = np.array([2, 4, 1]), rng.random((3, 4, 2)).astype(np.float32)
    flat = np.concatenate([x[i, :n] for i, n in enumerate(counts)])
    base = '[labels]\nnames = ["p", "q"]\n[ids]\narray = "ids"\n'
    windows = 'window_video = "w"\nwindow_start = "s"\nwindow_end = "e"\nwindow_audio = "wa"\n'
    more = {"ids": np.array(IDS), "n": counts, "w": np.array([0, 2, 1]), "s": np.array([0, 0, 1]),
            "e": np.array([2, 1, 4]), "wa": rng.random((3, 2)).astype(np.float32)}  # fmt: skip
    count = 'segments_per_video = "n"\n'
    padded = read(tmp_path, base + '[arrays]\naudio_segments = "x"\n' + count + windows, {**more, "x": x})
    assert padded.segments_per_video.tolist() == [2, 4, 1]
    np.testing.assert_array_equal(padded.audio_segments, flat)
    text = '[arrays]\naudio_segments = { name = "x", axes = "CS" }\n'
    same(read(tmp_path, base + text + count + windows, {**more, "x": flat.T}), padded)
    each = {f"audio/{v}": x[i, : counts[i]] for i, v in enumerate(IDS)}
    text = '[arrays]\naudio_segments = "audio/{id}"\n'
    for name in ("s.npz", "s.h5"):
        same(read(tmp_path, base + text + windows, {**more, **each}, name), padded)
    (tmp_path / "keep.txt").write_text(f"{IDS[2]}\n{IDS[1]}\n")
    for text in (
        '[arrays]\naudio_segments = { name = "x", axes = "CS" }\n' + count,
        '[arrays]\naudio_segments = "audio/{id}"\n',
    ):
        arrays = {**more, "x": flat.T, **each}
        kept = read(tmp_path, base + 'keep = { file = "keep.txt" }\n' + text + windows, arrays)
        same(kept, padded.select_videos([2, 1]))
    np.testing.assert_array_equal(kept.window_audio, more["wa"][[1, 2]])


def test_rows_of_a_missing_stream_are_not_looked_at(tmp_path):
    x = made()
    x["frame_prob"][1, :, 0] = np.nan
    x["a_prob"][1] = 7
    x["audible"] = np.array([True, False, True])
    b = read(tmp_path, NAMES + ARRAYS + 'has_audio = "audible"\n', x)
    assert b.has_audio.tolist() == [True, False, True]
    np.testing.assert_array_equal(b.audio_clip[[0, 2]], x["a_prob"][[0, 2]])


def tidy(path, x, first=0, drop=None):
    """The csv of a row per video, segment and label; rows for the clip have no segment."""
    with path.open("w", newline="") as handle:
        w = csv.writer(handle)
        w.writerow(["video_id", "segment", "label", "audio", "visual"])
        for v, name in enumerate(IDS):
            for c, label in enumerate(LABELS):
                w.writerow([name, "", label, x["a_prob"][v, c], x["v_prob"][v, c]])
                for t in range(4):
                    if (name, t, label) != drop:
                        w.writerow([name, t + first, label, *x["frame_prob"][v, t, :, c]])


CSV = """
[arrays]
audio_segments = "audio"
visual_segments = "visual"
audio_clip = "audio"
visual_clip = "visual"
"""


def test_csv_of_both_shapes_is_the_same_as_npz(tmp_path):
    x = made()
    want = read(tmp_path, NAMES + ARRAYS.replace('visual_features = "features"\n', ""), x)
    tidy(tmp_path / "t.csv", x, first=1)
    (tmp_path / "m.toml").write_text("[csv]\nfirst_segment = 1\n" + CSV)
    same(read_third_party(tmp_path / "t.csv", tmp_path / "m.toml")[0], want)
    with (tmp_path / "w.tsv").open("w", newline="") as handle:
        w = csv.writer(handle, delimiter="\t")
        w.writerow(["video_id", "segment", *(f"{m}:{c}" for m in "av" for c in LABELS)])
        for v, name in enumerate(IDS):
            w.writerow([name, "", *x["a_prob"][v], *x["v_prob"][v]])
            for t in reversed(range(4)):
                w.writerow([name, t, *x["frame_prob"][v, t].reshape(-1)])
    text = CSV.replace('"audio"', '"a:{label}"').replace('"visual"', '"v:{label}"')
    (tmp_path / "m.toml").write_text('[csv]\nseparator = "\\t"\n' + text)
    same(read_third_party(tmp_path / "w.tsv", tmp_path / "m.toml")[0], want)
    (tmp_path / "f.toml").write_text('[csv]\nfirst_segment = 1\n' + CSV + 'visual_features = { name = "features", '
                                     'file = "s.npz" }\n')  # fmt: skip
    mixed = read_third_party(tmp_path / "t.csv", tmp_path / "f.toml")[0]
    np.testing.assert_array_equal(mixed.visual_features, x["features"].reshape(12, 5))


# --- what is done with it ----------------------------------------------------------------------------------------

THRESHOLDS = {"mgn_ma": (0.5, 0.5), "jomold": (0.5, 0.5), "cmpae": (0.45, 0.25)}
"""Clip and segment threshold in the models' own evaluation."""


@pytest.mark.parametrize("model", THRESHOLDS)
def test_static_presets_are_the_models_own_evaluation(tmp_path, model):
    """Decisions times the clip's decisions, audio-visual where both hold; and the same with fused scores (Table 6)."""
    x = made(videos=40, segments=10, seed=3)
    bundle = read(tmp_path, NAMES + ARRAYS, x)
    clip, segment = THRESHOLDS[model]
    audio, visual = x["frame_prob"][:, :, 0], x["frame_prob"][:, :, 1]
    a = (audio > segment) & (x["a_prob"] > clip)[:, None]
    v = (visual > segment) & (x["v_prob"] > clip)[:, None]
    alpha = PRESETS[model]["alpha"]
    fused = (1 - alpha) * visual + alpha * audio > segment
    fused &= ((1 - alpha) * x["v_prob"] + alpha * x["a_prob"] > clip)[:, None]
    for kind, both in (("static", a & v), ("fused", fused)):
        events = replay_scores(bundle, make_params(f"{kind}_{model}")).events
        for video in range(40):
            for track, mask in enumerate((a, v, both)):
                want = {(c, *r) for c in range(4) for r in runs_of(mask[video, :, c])}
                assert {e[:3] for e in events.track(video, track)} == want


@pytest.mark.parametrize("preset", [n for n in PRESETS if n.endswith(("mgn_ma", "jomold", "cmpae"))])
def test_presets_equal_the_reference(tmp_path, preset):
    bundle = read(tmp_path, NAMES + ARRAYS, made(videos=40, segments=10, seed=4))
    assert assert_same(bundle, make_params(preset)) <= 2


@pytest.mark.parametrize(("model", "values"), [("mgn_ma", (0.3, 0.55)), ("jomold", (0.4, 0.5)), ("cmpae", (0.45, 0.5))])
def test_dynamic_presets_hold_table_1(model, values):
    p = make_params(model)
    assert (p.alpha, p.tau0, p.decay) == (*values, 0.5)
    assert (p.method, p.fusion, p.refine, p.audio_scores) == ("label_shift_cosine", "score", False, "segment")


def test_what_a_preset_needs_and_the_scores_lack_is_named(tmp_path):
    x = made()
    mapping = NAMES + '[arrays]\naudio_segments = { name = "frame_prob", axes = "NTMC", pick = { M = 0 } }\n'
    bundle = read(tmp_path, mapping + 'visual_segments = { name = "frame_prob", axes = "NTMC", pick = { M = 1 } }', x)
    with pytest.raises(DataError, match="no audio_clip, which select_classes=true needs"):
        replay_scores(bundle, make_params("jomold"))
    with pytest.raises(DataError, match="no visual_features, which method=label_shift_cosine needs"):
        replay_scores(bundle, make_params("jomold", values={"select_classes": False}))
    replay_scores(bundle, make_params("jomold", values={"select_classes": False, "method": "label_shift"}))


# --- what goes wrong ---------------------------------------------------------------------------------------------


def changed(**arrays):
    return {**made(), **arrays}


def spoilt(name, value):
    x = made()
    x[name].reshape(-1)[2] = value
    return x


SIMPLE = '[arrays]\naudio_segments = { name = "frame_prob", axes = "NTMC", pick = { M = 0 } }\n'
BAD = {
    "unknown array": (NAMES + SIMPLE.replace("audio_segments", "audio_segment"), made(),
                      "did you mean 'audio_segments'"),
    "missing array": (NAMES + SIMPLE.replace("frame_prob", "frames"), made(),
                      "no array 'frames'; it holds ids, frame_prob"),
    "axes": (NAMES + SIMPLE.replace("NTMC", "NTC"), made(), "axes 'NTC' do not fit"),
    "number of axes": (NAMES + '[arrays]\naudio_segments = "frame_prob"\n', made(), r"shape \(3, 4, 2, 4\)"),
    "pick": (NAMES + SIMPLE.replace("M = 0", "M = 2"), made(), "pick M = 2"),
    "number of labels": (NAMES.replace(', "background"', "") + SIMPLE, made(), "4 labels on its axis C"),
    "number of ids": (NAMES + SIMPLE, changed(ids=np.array(IDS[:2])), "holds 3 videos, and the id list names 2"),
    "duplicate id": (NAMES + SIMPLE, changed(ids=np.array(["a", "b", "a"])), "'a' is duplicated"),
    "no ids": (NAMES.replace('[ids]\narray = "ids"\n', "") + SIMPLE, made(), "names no video ids"),
    "ids are numbers": (NAMES + SIMPLE, changed(ids=np.arange(3)), "expected a list of strings"),
    "no id": (NAMES + SIMPLE, changed(ids=np.zeros(0, str)), "the id list is empty"),
    "no labels": ('[ids]\narray = "ids"\n' + SIMPLE, made(), "names no labels"),
    "unknown label": (NAMES + 'rename = { Dgo = "Hound" }\n' + SIMPLE, made(), "'Dgo', .* nearest is 'Dog'"),
    "unknown ignored": (NAMES + 'ignore = ["backgroud"]\n' + SIMPLE, made(), "nearest is 'background'"),
    "label not in order": (NAMES + 'order = ["Dog", "Car"]\n' + SIMPLE, made(), "order lacks the label 'Cat'"),
    "order too long": (NAMES + 'order = ["Dog", "Car", "Cat", "background", "Emu"]\n' + SIMPLE, made(), "'Emu'"),
    "labels alike": (NAMES + 'rename = { Car = "Dog" }\n' + SIMPLE, made(), "unique after rename"),
    "unknown id": (NAMES.replace("[labels]", 'rename = { q = "r" }\n[labels]') + SIMPLE, made(), "video id 'q'"),
    "missing id": (NAMES.replace("[labels]", 'keep = { file = "keep.txt" }\n[labels]') + SIMPLE, made(),
                   "keep.txt lists the video id 'nobody'"),
    "no list": (NAMES.replace('array = "ids"', 'file = "none.txt"') + SIMPLE, made(),
                "there is no list of names .*none.txt"),
    "no column": (NAMES.replace('array = "ids"', 'file = "keep.txt"\ncolumn = "x"') + SIMPLE, made(), "no column 'x'"),
    "nan": (NAMES + SIMPLE, spoilt("frame_prob", np.nan), "audio_segments of video 'a_0_10' holds nan"),
    "outside": (NAMES + ARRAYS, spoilt("a_prob", 1.5),
                "audio_clip of video 'a_0_10' holds 1.5, which is no probability"),
    "negative": (NAMES + ARRAYS, spoilt("v_prob", -0.1), 'set values = "logits"'),
    "strings": (NAMES + '[arrays]\naudio_segments = { name = "ids", axes = "NTC" }', made(), "expected numbers"),
    "mask": (NAMES + SIMPLE, changed(frame_prob=made()["frame_prob"] > 0.5), "dtype bool; expected numbers"),
    "other lengths": (NAMES + SIMPLE + 'visual_segments = { name = "frame_prob", axes = "NMTC", pick = { M = 0 } }',
                      made(), "has 2 segments of 'a_0_10', expected 4"),
    "padding": (NAMES + SIMPLE + 'visual_segments = "more"', changed(more=np.ones((3, 9, 4))), "9 segments .* padding"),
    "no counts": (NAMES + '[arrays]\naudio_segments = { name = "frame_prob", axes = "SMC", pick = { M = 0 } }',
                  changed(frame_prob=np.ones((12, 2, 4))), "name segments_per_video"),
    "bad counts": (NAMES + SIMPLE + 'segments_per_video = "a_prob"', made(), "segments_per_video: a_prob has shape"),
    "only clips": (NAMES + '[arrays]\naudio_clip = "a_prob"\n', made(), "maps no segment scores"),
    "nothing mapped": (NAMES, made(), "maps no scores"),
    "half a window": (NAMES + SIMPLE + 'window_audio = "a_prob"', made(), "no window_video"),
    "unknown key": ("value = 1\n" + NAMES + SIMPLE, made(), "no key 'value'; did you mean 'values'"),
    "wrong kind": ("segment_seconds = true\n" + NAMES + SIMPLE, made(), "expected float, got bool"),
    "no choice": ('values = "scores"\n' + NAMES + SIMPLE, made(), "one of probabilities, logits"),
    "not toml": ("[", made(), "not readable TOML"),
    "id in name": (NAMES + SIMPLE + 'has_audio = "{id}/audible"', made(), "cannot be one array per video"),
}  # fmt: skip

BY_FORMAT = ("missing array", "number of axes", "ids are numbers", "no id")


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_is_one_sentence_that_names_it(tmp_path, case):
    mapping, arrays, words = BAD[case]
    (tmp_path / "keep.txt").write_text("a_0_10\nnobody\n")
    # HDF5 is read by a process, which takes its time: where the format makes no difference, npz stands for both
    for name in ("s.npz", "s.h5") if case in BY_FORMAT else ("s.npz",):
        file = write(tmp_path, mapping, arrays, name)
        with pytest.raises(DataError, match=words.replace("it holds ids, frame_prob", "it holds")) as caught:
            read_third_party(file, tmp_path / "m.toml")
        assert "\n" not in str(caught.value)
        assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a_0_10,0,Dog,0.5,0.5", "line 62: 'Dog' of 'a_0_10', segment 0, is duplicated"),
        ("d,0,Dog,0.5,0.5", "no audio of 'Car' for 'd', segment 0; add the row"),
        ("d,,Dog,0.5,0.5", "no segments of the video 'd'"),
        ("a_0_10,x,Dog,0.5,0.5", "the segment: 'x' is not a whole number from 0 to 999999"),
        ("a_0_10,0,Dgo,0.5,0.5", "the label 'Dgo' is not one of the 4 labels"),
        ("a_0_10,4,Dog,high,0.5", "'high' is not a number"),
        ("a_0_10,0,Dog,0.5", "4 columns, expected 5"),
        (",0,Dog,0.5,0.5", "the row has no video_id"),
    ],
)
def test_mistakes_in_csv_name_the_line(tmp_path, line, words):
    tidy(tmp_path / "t.csv", made())
    with (tmp_path / "t.csv").open("a") as handle:
        handle.write(line + "\n")
    (tmp_path / "m.toml").write_text('[labels]\nnames = ["Dog", "Car", "Cat", "background"]\n' + CSV)
    with pytest.raises(DataError, match=re.escape(words)) as caught:
        read_third_party(tmp_path / "t.csv", tmp_path / "m.toml")
    assert "t.csv" in str(caught.value)


def test_missing_scores_and_columns_in_csv(tmp_path):
    tidy(tmp_path / "t.csv", made(), drop=("b_5_15", 2, "Cat"))
    (tmp_path / "m.toml").write_text(CSV)
    with pytest.raises(DataError, match="no audio of 'Cat' for 'b_5_15', segment 2"):
        read_third_party(tmp_path / "t.csv", tmp_path / "m.toml")
    tidy(tmp_path / "t.csv", made())
    (tmp_path / "m.toml").write_text(CSV.replace('"visual"', '"sight"'))
    with pytest.raises(DataError, match="no column 'sight'; it has 'video_id', 'segment'"):
        read_third_party(tmp_path / "t.csv", tmp_path / "m.toml")
    (tmp_path / "m.toml").write_text(CSV + 'visual_features = "audio"\n')
    with pytest.raises(DataError, match="visual_features cannot come from csv"):
        read_third_party(tmp_path / "t.csv", tmp_path / "m.toml")


def test_rounding_of_pooled_probabilities_is_clipped(tmp_path):
    x = spoilt("a_prob", np.float32(1.0000002))
    assert read(tmp_path, NAMES + ARRAYS, x).audio_clip.reshape(-1)[2] == 1
    with pytest.raises(DataError, match=r"holds 1\.0001"):
        read(tmp_path, NAMES + ARRAYS, spoilt("a_prob", 1.0001))


def test_damaged_files_are_named(tmp_path):
    file = write(tmp_path, NAMES + ARRAYS, made())
    np.savez_compressed(file, **made(videos=3, segments=400))
    whole = file.read_bytes()
    middle = whole.index(b"frame_prob") + 200
    file.write_bytes(whole[:middle] + bytes(99) + whole[middle + 99 :])
    with pytest.raises(DataError, match=r"frame_prob in .* is damaged"):
        read_third_party(file, tmp_path / "m.toml")
    for content in (b"", whole[:50], b"no zip"):
        file.write_bytes(content)
        with pytest.raises(DataError, match=r"not a readable \.npz"):
            read_third_party(file, tmp_path / "m.toml")


def test_hdf5_without_h5py_names_the_extra(tmp_path, monkeypatch):
    file = write(tmp_path, NAMES + ARRAYS, made(), "s.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UsageError, match=r'pip install .*\[hdf5\]"'):
        read_third_party(file, tmp_path / "m.toml")


def test_pickles_are_never_loaded(tmp_path):
    with pytest.raises(DataError, match="pickled"):
        read(tmp_path, NAMES + SIMPLE, changed(frame_prob=np.array([{"a": 1}], object)))


def test_the_command(tmp_path):
    file = write(tmp_path, NAMES + ARRAYS, made())
    done = run("import", file, tmp_path / "s", "--mapping", tmp_path / "m.toml", "--json")
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == '{"videos": 3, "labels": 4, "segments": 12}'
    store = open_store(tmp_path / "s")
    assert [name for name, _ in store.config["files"]] == ["m.toml", "s.npz"]
    same(store.bundle(), read_third_party(file, tmp_path / "m.toml")[0])
    again = run("import", file, tmp_path / "s", "--mapping", tmp_path / "m.toml")
    assert again.exit_code == 0
    (tmp_path / "m.toml").write_text(NAMES + SIMPLE)
    assert "import into another path" in run("import", file, tmp_path / "s", "--mapping", tmp_path / "m.toml").stderr
    file.rename(tmp_path / "s.bin")
    told = run("import", tmp_path / "s.bin", tmp_path / "t", "--mapping", tmp_path / "m.toml")
    assert told.exit_code == 2
    assert "give --format" in told.stderr
    given = run("import", tmp_path / "s.bin", tmp_path / "t", "--mapping", tmp_path / "m.toml", "--format", "npz")
    assert given.exit_code == 0
    assert run("import", tmp_path / "s.bin", tmp_path / "u", "--format", "npz").exit_code == 2
    wrong = run("import", tmp_path / "s.bin", tmp_path / "u", "--mapping", tmp_path / "m.toml", "--format", "hdf5")
    assert wrong.exit_code == 1
    assert "not a readable HDF5 file" in wrong.stderr
    assert run("import", tmp_path / "none.npz", tmp_path / "u", "--mapping", tmp_path / "m.toml").exit_code == 1


def test_the_guides_csv_mapping_reads(tmp_path):
    tidy(tmp_path / "t.csv", made())
    block = re.search(r"```toml\n# table.toml\n(.*?)```", GUIDE.read_text(), re.DOTALL).group(1)
    (tmp_path / "m.toml").write_text(block)
    assert read_third_party(tmp_path / "t.csv", tmp_path / "m.toml")[0].labels == tuple(LABELS)


@pytest.mark.parametrize("logits", [False, True])
def test_many_rows_become_probabilities_as_few_do(tmp_path, logits, monkeypatch):
    arrays = {"ids": np.array(["a", "b", "c"]), "names": np.array(["x", "y"]), "counts": np.array([4, 2, 5])}
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(11, 2)) if logits else rng.random((11, 2))
    np.savez(tmp_path / "s.npz", **arrays, v=scores, has=np.array([True, False, True]))
    kind = "logits" if logits else "probabilities"
    (tmp_path / "m.toml").write_text(
        'ids.array = "ids"\nlabels.array = "names"\narrays.segments_per_video = "counts"\narrays.has_visual = "has"\n'
        f'arrays.visual_segments = {{ name = "v", axes = "SC", values = "{kind}" }}\n'
        f'arrays.audio_segments = {{ name = "v", axes = "SC", values = "{kind}" }}\n'
    )
    want, _ = read_third_party(tmp_path / "s.npz", tmp_path / "m.toml")
    monkeypatch.setattr(third_party, "_ROWS", 3)
    found, _ = read_third_party(tmp_path / "s.npz", tmp_path / "m.toml")
    assert np.array_equal(found.visual_segments, want.visual_segments)
    assert np.array_equal(found.audio_segments, want.audio_segments)
    assert len(np.unique(found.visual_segments[4:6])) == 1  # never read
    scores[10, 1] = 3
    np.savez(tmp_path / "s.npz", **arrays, v=scores, has=np.array([True, False, True]))
    if not logits:
        with pytest.raises(DataError, match="_segments of video 'c' holds 3, which is no probability"):
            read_third_party(tmp_path / "s.npz", tmp_path / "m.toml")


def test_the_memory_of_an_import_is_that_of_a_bundle(tmp_path):
    rng = np.random.default_rng(0)
    bundle = ScoreBundle.create(
        video_ids=[f"v{i}" for i in range(9)], labels=["x", "y"], segments_per_video=[3] * 9, kind="probability",
        visual_segments=rng.random((27, 2)), audio_segments=rng.random((27, 2)),
    )  # fmt: skip
    write_bundle(bundle, tmp_path / "b.npz")
    runner = CliRunner()
    for name, memory in (("whole", ()), ("blocks", ("--memory", "200B"))):
        done = runner.invoke(main, ["import", str(tmp_path / "b.npz"), str(tmp_path / name), *memory])
        assert (done.exit_code, done.output) == (0, f"9 videos, 2 labels, 27 segments in {tmp_path / name}\n")
    assert tree(tmp_path / "whole") == tree(tmp_path / "blocks")
    assert len(import_scores(tmp_path / "b.npz", tmp_path / "blocks", memory="200B")) > 2
    for words, told in (
        (("--memory", "lots"), "--memory 'lots' is no size"),
        (("--memory", "1GB", "--mapping", "m.toml"), "memory is set for score bundles"),
    ):
        done = runner.invoke(main, ["import", str(tmp_path / "b.npz"), str(tmp_path / "new"), *words])
        assert (done.exit_code, told in done.output) == (2, True), done.output
    with pytest.raises(UsageError, match="memory is set for score bundles"):
        import_scores(tmp_path / "b.npz", tmp_path / "new", "m.toml", memory=1)
    assert not (tmp_path / "new").exists()
