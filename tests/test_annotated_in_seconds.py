"""Datasets annotated in seconds: made files in the published forms, the rule for segments, ways to be wrong."""

from __future__ import annotations

import json
import re
import tempfile
from fractions import Fraction
from pathlib import Path

import annotated_in_seconds as made
import numpy as np
import pytest
from avreplay.core.errors import AvreplayError, DataError, UsageError
from avreplay.core.events import Events
from avreplay.core.metrics.registry import METRICS
from avreplay.evaluate.datasets.in_seconds import covered_segments, in_segments_of, segments_of
from avreplay.evaluate.datasets.registry import DATASETS, dataset_labels, load_annotations, metric_of
from avreplay.evaluate.files.predictions import Predictions
from avreplay.evaluate.scoring import evaluate_predictions
from fuzz.mutants import bytes_of, json_text, table_of, tree_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.once


def predicted(truth, events: Events, seconds: float = 1.0) -> Predictions:
    counts = segments_of(truth.durations, seconds)
    return Predictions(truth.labels, {}, truth.video_ids, counts, events, segment_seconds=seconds)


# --- the rule


def plain_segments(onset: Fraction, offset: Fraction, segments: int, length: Fraction) -> range:
    """The segments of an event, one by one."""
    ends = [(t * length, (t + 1) * length) for t in range(segments + 2)]
    cover = [max(Fraction(0), min(offset, b) - max(onset, a)) for a, b in ends]
    half = [t for t, c in enumerate(cover) if c >= length / 2]
    found = half or [cover.index(max(cover))]
    inside = [t for t in found if t < segments] or [segments - 1]
    return range(inside[0], inside[-1] + 1)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 20_000), st.integers(1, 4000), st.sampled_from(["1", "0.5", "0.1", "0.04", "2"]), st.integers(1, 60)
)
def test_a_segment_belongs_to_an_event_that_covers_half_of_it(onset, length, segment, segments):
    width = Fraction(segment)
    begin = Fraction(onset, 1000) % ((segments + 1) * width)
    end = min(begin + Fraction(length, 1000), (segments + 2) * width)
    first, stop = covered_segments([float(begin)], [float(end)], [segments], float(width))
    want = plain_segments(begin, end, segments, width)
    assert (int(first[0]), int(stop[0])) == (want.start, want.stop)


def test_segments_are_those_of_extraction():
    from avreplay.extract.encoding.sampling import num_segments

    durations = [0.2, 0.5, 1.2, 1.5, 9.6, 38.499, 38.5, 47.68, 3600.2]
    for seconds in (1.0, 0.5, 0.32):
        assert segments_of(durations, seconds).tolist() == [num_segments(d, seconds) for d in durations]


# --- each dataset


def tracks(found, video: str, track: str) -> list[tuple[str, int, int, float, float]]:
    v = found.video_ids.index(video)
    rows = found.events.rows(v, track)
    spans = found.events.seconds[rows].tolist()
    return [
        (found.labels[c], a, b, *span)
        for (c, a, b, _), span in zip(found.events.track(v, track), spans, strict=True)
    ]  # fmt: skip


def test_unav(tmp_path):
    file = made.unav(tmp_path)
    found = load_annotations("unav", tmp_path)
    assert found.video_ids == ("-8WSesSOfBrE", "_Rjmgv0O_p0", "only speech")
    assert found.labels == ("man speaking", "sailing", "skateboarding"), "those of the whole file, by id"
    assert found.segments_per_video.tolist() == [39, 46, 13]
    assert tracks(found, "-8WSesSOfBrE", "audio_visual") == [
        ("sailing", 0, 39, 0.0, 39.0), ("man speaking", 12, 13, 12.6, 12.9), ("sailing", 0, 39, 0.0, 39.0)
    ]  # fmt: skip
    assert found.events.of_each_track() == [0, 0, 4]
    (note,) = found.notes
    assert note.startswith(f"1 events are duplicated, {file}: video '-8WSesSOfBrE', annotation 3 for one; all are kept")
    assert tracks(load_annotations("unav", file, "val"), "TOEwQXeyNe8", "audio_visual")[0][1:3] == (3, 33)
    assert found.group == ()
    assert metric_of(found).name == "map_tiou"
    assert len(set(dataset_labels("unav"))) == 100
    with pytest.raises(UsageError, match=r"no split 'all'; splits are train, val, test, and with seen\.txt"):
        load_annotations("unav", tmp_path, "all")


def test_ov_davel_lists_give_groups(tmp_path):
    made.unav(tmp_path)
    with pytest.raises(DataError, match=r"holds neither seen\.txt nor unseen\.txt, which say what test_seen is"):
        load_annotations("unav", tmp_path, "test_seen")
    (tmp_path / "unseen.txt").write_text("\ufeffsailing\r\n")
    whole = load_annotations("unav", tmp_path)
    assert whole.group == ("both", "", "seen")
    unseen = load_annotations("unav", tmp_path, "test_unseen")
    assert unseen.labels == ("sailing",)
    assert unseen.video_ids == whole.video_ids
    assert [e[0] for e in tracks(unseen, "-8WSesSOfBrE", "audio_visual")] == ["sailing", "sailing"]
    seen = load_annotations("unav", tmp_path, "test_seen")
    assert seen.labels == ("man speaking", "skateboarding")
    # what is predicted of the other group counts as none
    events = Events.from_tracks([[[], [], [(0, 12, 13), (1, 0, 39)]], [[], [], []], [[], [], [(0, 4, 12)]]])
    given = Predictions(("man speaking", "sailing"), {}, whole.video_ids, whole.segments_per_video, events)
    assert evaluate_predictions(given, seen, metrics="llp").metrics["av_seg"] > 90
    (tmp_path / "seen.txt").write_text("man speaking\n")
    with pytest.raises(DataError, match=r"the class 'skateboarding' is in neither of .*seen\.txt and .*unseen\.txt"):
        load_annotations("unav", tmp_path)
    (tmp_path / "seen.txt").write_text("man speaking\nskateboarding\nsailing\n")
    with pytest.raises(DataError, match=r"the class 'sailing' is in both of"):
        load_annotations("unav", tmp_path)
    (tmp_path / "seen.txt").write_text("man speaking\nskatebording\n")
    with pytest.raises(DataError, match=r"seen\.txt, line 2: the label 'skatebording' .* nearest is 'skateboarding'"):
        load_annotations("unav", tmp_path)


def test_ave_pm(tmp_path):
    file = made.ave_pm(tmp_path)
    found = load_annotations("avepm", tmp_path)
    assert found.video_ids == ("3", "8", "28")
    assert len(found.labels) == 86
    assert tracks(found, "3", "audio_visual") == [
        ("moving with forklift", 2, 9, 1.98, 8.98), ("moving with forklift", 9, 10, 9.2, 9.9)
    ]  # fmt: skip
    assert tracks(found, "28", "audio_visual") == [("freeskating", 4, 10, 4.19, 10.0)]
    assert found.segments_per_video.tolist() == [10, 10, 10]
    with pytest.raises(UsageError, match="is the split test, not 'val'"):
        load_annotations("avepm", file, "val")
    (tmp_path / "class_name_mapping.csv").write_text("class_id,class_name\n1,dog\n0,cat \n")
    file.write_text("sample_id,onset,offset,label\na,0,2,1\nb,0,2,cat\n")
    found = load_annotations("avepm", tmp_path)
    assert [e[0] for v in "ab" for e in tracks(found, v, "audio_visual")] == ["dog", "cat"]


def test_vggsound_avel(tmp_path):
    file = made.vggsound_avel(tmp_path)
    found = load_annotations("vggsound_avel", tmp_path)
    assert found.labels == ("dog", "goose")
    assert found.events.track(0, 2)[0][:3] == (1, 0, 10)
    assert [e[:3] for e in found.events.track(1, 2)] == [(0, 0, 2), (0, 5, 6)]
    assert found.category.tolist() == [1, 0]
    assert load_annotations("vggsound_avel", file, "val").events.track(0, 2) == []
    (tmp_path / "categories.txt").write_text("goose\ndog\ncat\n")
    assert load_annotations("vggsound_avel", tmp_path).labels == ("goose", "dog", "cat")
    file.write_text('video_id,split,category,label\na,valid,cat,1100000000\nb,val,dog,"[0, 0, 0,0,0,0,0,0,0,1]"\n')
    own = load_annotations("vggsound_avel", tmp_path, "val")
    assert [e[:3] for v in range(2) for e in own.events.track(v, 2)] == [(2, 0, 2), (1, 9, 10)]
    exact = Predictions(own.labels, {}, own.video_ids, own.segments_per_video, own.events)
    assert evaluate_predictions(exact, own).metrics["total_acc"] == 100


def test_desed(tmp_path):
    file = made.desed(tmp_path)
    found = load_annotations("desed", tmp_path, "validation")
    assert found.video_ids == ("Y00pbt6aJV8Y_350.000_360.000", "Y0eh_N-cmcuI_350.000_360.000", "silent")
    assert tracks(found, "Y0eh_N-cmcuI_350.000_360.000", "audio") == [
        ("Alarm_bell_ringing", 0, 1, 0.467, 0.717), ("Speech", 5, 6, 5.418, 5.863), ("Speech", 8, 10, 7.79, 10.0)
    ]  # fmt: skip
    assert found.events.of_each_track() == [4, 0, 0]
    (tmp_path / "validation_durations.tsv").write_text(
        "filename\tduration\nY00pbt6aJV8Y_350.000_360.000.wav\t9.98\nY0eh_N-cmcuI_350.000_360.000.wav\t10\n"
        "silent.flac\t4.4\nquiet.wav\t7\n"
    )
    longer = load_annotations("desed", file, "validation")
    assert longer.video_ids[-1] == "quiet"
    assert longer.durations.tolist() == [9.98, 10.0, 4.4, 7.0]
    assert longer.segments_per_video.tolist() == [10, 10, 4, 7]
    (tmp_path / "validation_durations.tsv").write_text("filename\tduration\nsilent.flac\t4.4\n")
    with pytest.raises(DataError, match=r"has none of 'Y00pbt6aJV8Y_350\.000_360\.000\.wav'"):
        load_annotations("desed", file, "validation")


def test_audioset_strong(tmp_path):
    made.audioset_strong(tmp_path)
    found = load_annotations("audioset_strong", tmp_path, "eval")
    assert found.labels == ("Speech", "Male speech, man speaking", "Speech (/t/dd00125)")
    assert tracks(found, "b0RFKhbpFJA_30000", "audio") == [
        ("Speech", 0, 10, 0.0, 10.0), ("Male speech, man speaking", 5, 6, 4.753, 5.72)
    ]  # fmt: skip
    assert (
        load_annotations("audioset_strong", tmp_path / "audioset_eval_strong.tsv", "eval").video_ids == found.video_ids
    )
    with pytest.raises(UsageError, match="is the split eval, not 'train'; ask for the split eval"):
        load_annotations("audioset_strong", tmp_path / "audioset_eval_strong.tsv", "train")
    with pytest.raises(UsageError, match="no split 'test'; splits are train, eval"):
        load_annotations("audioset_strong", tmp_path)
    (tmp_path / "mid_to_display_name.tsv").write_text("/m/09x0r\tSpeech\n")
    with pytest.raises(DataError, match=r"strong\.tsv, line 3: the label '/m/05zppz' has no name in mid_to_display"):
        load_annotations("audioset_strong", tmp_path, "eval")
    (tmp_path / "mid_to_display_name.tsv").write_text('/m/09x0r\tSpeech\n"\tSpeech\n')
    with pytest.raises(DataError, match=r"name\.tsv, line 2: the name 'Speech \(\"\)' is another label's but for"):
        load_annotations("audioset_strong", tmp_path, "eval")


def test_tables_of_sound_events_with_any_labels(tmp_path):
    file = made.strong_tsv(tmp_path)
    found = load_annotations("strong_tsv", tmp_path)
    assert (found.dataset, found.labels, found.video_ids) == ("strong_tsv", ("Speech", "door knock"), ("a", "b"))
    assert tracks(found, "a", "audio") == [("door knock", 0, 3, 0.5, 3.25), ("Speech", 4, 10, 4.0, 9.5)]
    (tmp_path / "labels.txt").write_text("bell\n\nspeech\nDoor_knock\n")
    assert load_annotations("strong_tsv", file).labels == ("bell", "speech", "Door_knock")
    for text, words in (("bell\n", r"test\.tsv, line 2: .*nearest"), ("a\nA\n", "line 2: 'a' and 'A' are one label"),
                        ("\n", r"labels\.txt holds no label")):  # fmt: skip
        (tmp_path / "labels.txt").write_text(text)
        with pytest.raises(DataError, match=words):
            load_annotations("strong_tsv", file)
    with pytest.raises(DataError, match=r"no table of sound events .*val\.tsv"):
        load_annotations("strong_tsv", tmp_path, "val")


def test_what_a_folder_has_and_which_track_to_ask_for_is_said(tmp_path):
    made.strong_tsv(tmp_path)
    (tmp_path / "train_durations.tsv").write_text("filename\tduration\n")
    with pytest.raises(DataError, match=r"val\.tsv; check the path and the split; its folder has .*test\.tsv") as told:
        load_annotations("strong_tsv", tmp_path, "val")
    assert "durations" not in str(told.value)
    truth = load_annotations("strong_tsv", tmp_path)
    mend = "all annotated events are of the track audio: give --metrics as NAME(track=audio)"
    asked = {"collar_f1": True, "collar_f1,intersection_f1(track=audio)": True, "collar_f1(track=audio)": False}
    for metrics, said in asked.items():
        found = evaluate_predictions(predicted(truth, truth.events), truth, metrics=metrics)
        assert any(mend in note for note in found.notes) is said, metrics


@pytest.mark.parametrize(("dataset", "split"), [("desed", "validation"), ("audioset_strong", "eval")])
def test_tables_of_sound_events_are_those_of_their_data_set(tmp_path, dataset, split):
    made.FORMS[dataset][0](tmp_path)
    own, found = load_annotations(dataset, tmp_path, split), load_annotations("strong_tsv", tmp_path, split)
    assert (found.labels, found.video_ids, found.metric) == (own.labels, own.video_ids, own.metric)
    assert all(np.array_equal(getattr(found.events, k), getattr(own.events, k)) for k in ("starts", "label", "seconds"))
    (tmp_path / "mid_to_display_name.tsv").unlink(missing_ok=True)
    assert sorted(load_annotations("strong_tsv", tmp_path, split).events.label) == sorted(own.events.label)


@pytest.mark.parametrize("dataset", list(made.FORMS))
def test_the_default_metric_finds_the_truth_perfect(tmp_path, dataset):
    write, split = made.FORMS[dataset]
    write(tmp_path)
    truth = load_annotations(dataset, tmp_path, split)
    ones = np.ones(len(truth.events.label))
    exact = Events(
        1, len(truth.video_ids), *(getattr(truth.events, k) for k in ("starts", "label", "onset", "offset", "score")),
        confidence=ones, seconds=truth.events.seconds,
    )  # fmt: skip
    found = evaluate_predictions(
        Predictions(truth.labels, {}, truth.video_ids, truth.segments_per_video, exact), truth
    )  # fmt: skip
    best = [v for k, v in found.metrics.items() if not np.isnan(v) and not k.startswith("unseen")]
    assert best
    assert min(best) > 99.99
    assert DATASETS.get(dataset).metric in METRICS.names()


# --- segments of another length


def test_truth_in_seconds_takes_the_segments_of_the_predictions(tmp_path):
    """The rule is applied anew to the seconds; what is annotated by the segment stays refused."""
    made.unav(tmp_path)
    truth = load_annotations("unav", tmp_path)
    half = in_segments_of(truth, 0.5)
    assert half.segments_per_video.tolist() == [78, 92, 25]
    assert [e[:3] for e in half.events.track(0, 2)] == [(1, 0, 78), (0, 25, 26), (1, 0, 78)]
    assert np.array_equal(half.events.seconds, truth.events.seconds)
    found = evaluate_predictions(predicted(truth, half.events, 0.5), truth, metrics="llp")
    assert found.metrics["av_seg"] == 100
    assert found.aligned.length_mismatches == 0
    folder = tmp_path / "clips"
    folder.mkdir()
    made.vggsound_avel(folder)
    clips = load_annotations("vggsound_avel", folder)
    given = Predictions(clips.labels, {}, clips.video_ids, np.array([20, 20]), clips.events, segment_seconds=0.5)
    with pytest.raises(DataError, match=r"is predicted in segments of 0\.5 s and annotated in segments of 1 s"):
        evaluate_predictions(given, clips)


# --- malformed files


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[13.01, 15.78316]", "[-1, 15.7]", "annotation 1: the event from -1 to 15.7 s begins before the video"),
        ("[13.01, 15.78316]", "[15, 13]", "annotation 1: the event from 15 to 13 s ends before it begins"),
        ("[13.01, 15.78316]", "[15, 1e9]", "from 15 to 1e[+]09 s is not within the 47.68 s of its video"),
        ("[13.01, 15.78316]", "[15]", "video_ids|'72f67ednp7w', 'annotations', number 1, 'segment'"),
        ('"duration": 47.68', '"duration": 0', "the duration of '72f67ednp7w' is 0 s; expected more than 0"),
        ('"duration": 47.68', '"duration": 1e300', "the duration of '72f67ednp7w' is 1e[+]300 s"),
        ('"subset": "train"', '"subset": "dev"', "video '72f67ednp7w': the subset is 'dev'; expected train, valid"),
        ('"skateboarding", "label_id": 2}, {', '"skateboarding", "label_id": 3}, {', "has the id 2 here and 3 before"),
        ('"label_id": 2', '"label_id": 1', "'sailing' both have the id 1|'skateboarding' and 'sailing' both"),
        ("13.01", "NaN", "NaN is not a JSON number"),
        ('"72f67ednp7w"', '"-8WSesSOfBrE"', "'-8WSesSOfBrE' is duplicated in the same object"),
        ('"database"', '"data"', "missing required field database"),
    ],
)
def test_unav_says_what_is_wrong_and_where(tmp_path, old, new, words):
    file = made.unav(tmp_path)
    text = file.read_text()
    assert old in text
    count = -1 if old == '"label_id": 2' else 1
    file.write_text(text.replace(old, new, count))
    with pytest.raises(DataError, match=words) as error:
        load_annotations("unav", file, "train")
    assert str(file) in str(error.value)


@pytest.mark.parametrize(
    ("dataset", "old", "new", "words"),
    [
        ("avepm", "1.98,8.98,22", "1.98,8.98,86", "line 2: '86' is not a class number from 0 to 85"),
        ("avepm", "1.98,8.98,22", "1.98,8.98,ski", "line 2: the label 'ski' is not one of the 86 labels"),
        ("avepm", "1.98,8.98", "1.98,11.5", "line 2: the event from 1.98 to 11.5 s is not within the 10 s"),
        ("desed", "0.467\t0.717", "0.467\tnan", "line 3: 'nan' is not a time in seconds"),
        ("desed", "Vacuum_cleaner", "Vacuum_cleanr", "line 2: .* the nearest is 'Vacuum_cleaner'"),
        ("desed", "0.467\t0.717", "0.467\t0.4", "line 3: the event from 0.467 to 0.4 s ends before it begins"),
        ("desed", "silent.flac", "Y00pbt6aJV8Y_350.000_360.000.flac", "and 'Y00pbt6aJV8Y.*' are the same clip"),
        ("audioset_strong", "segment_id", "id", "has no column 'segment_id'"),
        ("audioset_strong", "2.627", "-2.627", "line 4: the event from -2.627 to 7.237 s begins before"),
        ("vggsound_avel", "-0kb_1", "--0PQM4-hqg_30_40", "line 3: the clip '--0PQM4-hqg_30_40' is duplicated"),
        ("vggsound_avel", "-0kb_1", "other", "line 3: the clip 'other' has no labels in .*_annos.json"),
        ("vggsound_avel", ",val", ",dev", "line 5: the split is 'dev'; expected train, val, test"),
    ],
)
def test_tables_say_what_is_wrong_and_where(tmp_path, dataset, old, new, words):
    write, split = made.FORMS[dataset]
    file = write(tmp_path)
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=words) as error:
        load_annotations(dataset, tmp_path, split)
    assert str(file) in str(error.value)


def test_events_without_length_and_late_ones_are_noted(tmp_path):
    file = made.desed(tmp_path)
    text = file.read_text().replace("0.467\t0.717", "0.467\t0.467").replace("7.790\t10.000", "7.790\t10.9")
    file.write_text("\ufeff" + text.replace("\n", "\r\n"))
    found = load_annotations("desed", file, "validation")
    assert [re.sub(r".*line", "line", n) for n in found.notes] == [
        "line 3: Alarm_bell_ringing of Y0eh_N-cmcuI_350.000_360.000 at 0.467 s has no length and marks nothing",
        "line 5 for one; their segments end with the video",
    ]
    assert tracks(found, "Y0eh_N-cmcuI_350.000_360.000", "audio")[-1] == ("Speech", 8, 10, 7.79, 10.9)


def check_annotations(found) -> None:
    """What every reader of annotations may rely on."""
    n = len(found.video_ids)
    assert n == len(set(found.video_ids)) == len(found.segments_per_video) > 0
    events = found.events
    last = np.repeat(np.repeat(found.segments_per_video, 3), np.diff(events.starts))
    assert ((events.onset >= 0) & (events.onset < events.offset) & (events.offset <= last)).all()
    assert ((events.label >= 0) & (events.label < len(found.labels))).all()
    if events.seconds is not None:
        assert np.isfinite(events.seconds).all()
        assert (events.seconds[:, 0] < events.seconds[:, 1]).all()


@pytest.mark.parametrize("dataset", list(made.FORMS))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_file_is_read_or_refused_in_one_sentence(dataset, data):
    """Bytes, cells, rows and values changed at random: annotations that hold, or one sentence that names the file."""
    write, split = made.FORMS[dataset]
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        file = data.draw(st.sampled_from(sorted(Path(folder).iterdir())))
        content = file.read_bytes()
        if data.draw(st.integers(0, 3)) == 0:
            file.write_bytes(data.draw(bytes_of(content)))
        elif file.suffix == ".json":
            file.write_bytes(json_text(data.draw(tree_of(json.loads(content)))))
        else:
            separator = "\t" if file.suffix == ".tsv" else ","
            rows = [line.split(separator) for line in content.decode().splitlines()]
            file.write_bytes(data.draw(table_of(rows, separator)))
        try:
            found = load_annotations(dataset, Path(folder), split)
        except AvreplayError as error:
            text = str(error)
            assert "\n" not in text
            assert text.isprintable()
            assert folder in text
        else:
            check_annotations(found)


def test_the_published_classes_are_each_there_once():
    assert len(dataset_labels("avepm")) == 86
    assert list(dataset_labels("unav")) == sorted(dataset_labels("unav"))
    assert len(dataset_labels("desed")) == 10
