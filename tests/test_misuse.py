"""What does not fit together is refused or said: presets and encoders, traces and predictions, the toy encoder."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from avreplay.cache import import_bundle, open_store
from avreplay.cli import main
from avreplay.core.bundle import ScoreBundle
from avreplay.core.decoders.base import Inputs
from avreplay.core.decoders.registry import DECODERS
from avreplay.core.decoders.replayed import replayed
from avreplay.core.errors import DataError, UsageError
from avreplay.evaluate.datasets.native_json import write_annotations
from avreplay.evaluate.datasets.registry import load_annotations
from avreplay.evaluate.files.params_file import layered_params
from avreplay.evaluate.files.predictions import read_predictions, write_predictions
from avreplay.evaluate.made_from import own_preset, toy_note
from avreplay.evaluate.replay import replay
from avreplay.evaluate.report.build import read_trace, report_data
from avreplay.evaluate.scoring import evaluate_predictions
from avreplay.extract import command_options
from avreplay.extract.command import extract_to_store
from avreplay.extract.demo.toy import toy_lines
from avreplay.extract.demo.world import LABELS, write_demo_world
from click.testing import CliRunner
from joined_data import write_videos
from tuning_data import made


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A store of the demo encoder with its annotations."""
    folder = tmp_path_factory.mktemp("misuse")
    write_demo_world(folder / "videos", "val", videos=3)
    request = command_options.ExtractRequest((str(folder / "videos"),), str(folder / "store"), calibration=False)
    extract_to_store(request, report=lambda _: None)
    return folder


def run(*arguments):
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    assert done.exit_code == 0, done.output
    return done


# --- presets -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DECODERS.names())
def test_no_decoder_runs_on_no_thread(name):
    inputs = Inputs(made(videos=3)[0])
    decoder = DECODERS.get(name)
    for threads in (0, -1):
        with pytest.raises(UsageError, match=f"threads is {threads}; it must be at least 1"):
            replayed(decoder, inputs, [decoder.make_params()], threads=threads)


def test_no_response_runs_on_no_thread(tmp_path):
    given = ["response", tmp_path, "--dataset", "json", "--annotations", tmp_path, "--threads", 0]
    done = CliRunner().invoke(main, [str(a) for a in given])
    assert done.exit_code == 2
    assert "threads is 0" in done.output


@pytest.mark.parametrize("name", ["av2a", "ovavel"])
def test_every_preset_says_what_it_is_for(name):
    decoder = DECODERS.get(name)
    assert set(decoder.made_for) == set(decoder.presets)
    for backbone in ("demo", "clip_clap", "languagebind", "imagebind"):
        own = own_preset(decoder, backbone)
        assert own is None or backbone in decoder.made_for[own].backbones
    assert own_preset(decoder, "of somebody") is None
    assert own_preset(decoder, None) is None


def test_without_a_preset_it_is_the_encoders_own(demo, tmp_path):
    done = run("replay", demo / "store", "--out", tmp_path / "a.json")
    assert done.stderr.startswith("no --preset was given: it is demo, that of the encoder of ")
    run("replay", demo / "store", "--preset", "demo", "--out", tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    # options of the command still win
    run("replay", demo / "store", "--set", "tau0=0.5", "--out", tmp_path / "c.json")
    assert json.loads((tmp_path / "c.json").read_text())["params"]["tau0"] == 0.5


@pytest.mark.parametrize("first", [0, 1])
def test_several_stores_have_one_start_where_only_one_is_of_a_known_encoder(first, demo, tmp_path):
    bundle, truth = made(videos=4)
    import_bundle(bundle, tmp_path / "scores")
    write_annotations(tmp_path / "truth.json", truth)
    data = [(tmp_path / "scores", tmp_path / "truth.json"), (demo / "store", demo / "videos")]
    order = data[first:] + data[:first]
    of_each = [word for _, annotations in order for word in ("--annotations", annotations)]
    run("tune", *(store for store, _ in order), "--dataset", "json", *of_each, "--report-split", "", "--videos", 0,
        "--trials", 8, "--folds", 2, "--resamples", 0, "--out", tmp_path / "x")  # fmt: skip
    found = json.loads((tmp_path / "x" / "summary.json").read_text())
    assert found["start"] == {name: layered_params("demo").as_dict()[name] for name in found["start"]}
    assert found["start_value"] == pytest.approx(found["cross_validated"]["start"]["value"])


def test_a_store_that_is_not_finished_says_so_where_it_is_replayed(tmp_path):
    words = "s is not finished: it has 2 of 3 shards, whose videos are read"
    for last, said in ((2, True), (None, False)):
        write_videos(str(tmp_path / "s"), [f"v{i}" for i in range(6)], shard_videos=2, last=last)
        done = run("replay", tmp_path / "s", "--set", "tau0=0.5", "--out", tmp_path / "p.json")
        assert (words in done.stderr) == said


@pytest.mark.parametrize("preset", sorted(DECODERS.get("av2a").presets))
def test_a_preset_of_another_encoder_or_kind_is_said(demo, tmp_path, preset):
    made_for = DECODERS.get("av2a").made_for[preset]
    done = run("replay", demo / "store", "--preset", preset, "--out", tmp_path / "p.json")
    if made_for.kind != "similarity":
        assert f"the preset {preset} is for scores of kind probability, and those of" in done.stderr
    elif "demo" not in made_for.backbones:
        assert f"the preset {preset} is for scores of {made_for.backbones[0]}, and" in done.stderr
    else:
        assert "preset" not in done.stderr
        return
    assert "choose --preset demo" in done.stderr


def test_scores_from_elsewhere_are_of_their_kind_alone(tmp_path):
    scores, _ = made()
    import_bundle(scores, tmp_path / "s")
    said = run("replay", tmp_path / "s", "--preset", "languagebind", "--out", tmp_path / "p.json").stderr
    assert "for scores of kind similarity, and those of" in said
    assert "choose one of mgn_ma, jomold" in said
    assert "preset" not in run("replay", tmp_path / "s", "--preset", "jomold", "--out", tmp_path / "p.json").stderr


@pytest.mark.parametrize("kind", ["similarity", "probability"])
def test_defaults_on_scores_from_elsewhere_are_said_once(tmp_path, kind):
    import_bundle(replace(made()[0], kind=kind), tmp_path / "s")
    said = run("replay", tmp_path / "s", "--out", tmp_path / "p.json").stderr
    assert said.count("\n") == 1
    assert "nothing says which encoder the scores of" in said
    assert "find settings with `avreplay tune`" in said
    (tmp_path / "p.toml").write_text("[params]\ntau0 = 0.5\n")
    for given in (["--set", "tau0=0.5"], ["--params", tmp_path / "p.toml"]):
        assert "nothing says" not in run("replay", tmp_path / "s", *given, "--out", tmp_path / "p.json").stderr


def test_what_was_tuned_on_another_encoder_is_said(demo, tmp_path):
    file = tmp_path / "best.toml"
    file.write_text('[params]\ntuned_on = "languagebind"\ntau0 = 0.5\n')
    done = run("replay", demo / "store", "--params", file, "--out", tmp_path / "p.json")
    assert "the parameter file was tuned on scores of languagebind, and" in done.stderr
    file.write_text('[params]\ntuned_on = "demo"\ntau0 = 0.5\n')
    assert run("replay", demo / "store", "--params", file, "--out", tmp_path / "p.json").stderr == ""


# --- traces ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def traced(demo):
    """Predictions and traces of two settings, and annotations."""
    for name, tau in (("a", 0.8), ("b", 0.7)):
        run("replay", demo / "store", "--preset", "demo", "--set", f"tau0={tau}", "--out", demo / f"{name}.json",
            "--trace", demo / f"{name}.npz")  # fmt: skip
    return load_annotations("json", demo / "videos", "val")


@pytest.mark.parametrize(("of", "trace"), [("a", "a"), ("b", "b"), ("a", "b"), ("b", "a")])
def test_a_trace_of_another_run_is_refused(demo, traced, of, trace):
    def build():
        return report_data([("x", read_predictions(demo / f"{of}.json"))], traced,
                           traces={"x": read_trace(demo / f"{trace}.npz")})  # fmt: skip

    if of == trace:
        assert build().runs[0].trace is not None
    else:
        with pytest.raises(DataError, match=r"are not of one `replay`: the hash of the settings is \w{16} there and"):
            build()


def test_what_says_nothing_gets_one_note(demo, traced, tmp_path, caplog):
    predictions = replace(read_predictions(demo / "a.json"), made_from=None)
    write_predictions(tmp_path / "p.json", predictions)
    assert read_predictions(tmp_path / "p.json").made_from is None
    report_data([("x", read_predictions(tmp_path / "p.json"))], traced, traces={"x": read_trace(demo / "a.npz")})
    (said,) = [r.getMessage() for r in caplog.records]
    assert "the predictions do not say what they were made from, so that only videos, segments and labels" in said
    assert "a.npz" in said


def test_predictions_say_what_they_were_made_from(demo, traced):
    store, found = open_store(demo / "store"), read_predictions(demo / "a.json").made_from
    assert (found["store"], found["backbone"], found["scores"]) == (store.content_hash, "demo", None)
    other = read_predictions(demo / "b.json").made_from
    assert found["settings"] != other["settings"]
    assert replay(ScoreBundle.create(**bundle_arrays()), DECODERS.get("av2a").make_params()).made_from is None


def bundle_arrays():
    ones = np.ones((2, 2), np.float32)
    return {"video_ids": ["a"], "labels": ["x", "y"], "segments_per_video": [2], "visual_segments": ones,
            "visual_features": np.ones((2, 3), np.float32), "audio_segments": ones, "audio_clip": ones[:1],
            "visual_clip": ones[:1, None]}  # fmt: skip


@pytest.mark.parametrize("value", ["no JSON", '["a"]', '{"store": 3}', "[" * 5000])
def test_a_damaged_origin_of_a_trace_is_named(demo, traced, tmp_path, value):
    with np.load(demo / "a.npz") as npz:
        arrays = dict(npz)
    np.savez(tmp_path / "t.npz", **{**arrays, "made_from": np.array(value)})
    with pytest.raises(DataError, match=r"made_from in .*t\.npz"):
        read_trace(tmp_path / "t.npz")


# --- the toy -----------------------------------------------------------------------------------------------------


def test_the_toy_says_what_it_does_not_know():
    assert toy_lines("demo", LABELS, ["demo_val_000"]) == []
    assert toy_lines("languagebind", ["dog"], ["x"]) == []
    (of_labels,) = toy_lines("demo", ["dog", "siren", "cat"], ["demo_val_000"])
    assert "it does not know dog, cat, and what it finds" in of_labels
    (of_videos,) = toy_lines("demo", [], ["demo_val_000", "x"])
    assert "and x is none of them" in of_videos


def test_figures_of_the_toy_on_other_videos_say_so(demo, traced):
    predictions = read_predictions(demo / "a.json")
    assert not any("toy" in note for note in evaluate_predictions(predictions, traced).notes)
    ids = tuple(f"real {i}" for i in range(len(predictions.video_ids)))
    moved, truth = replace(predictions, video_ids=ids), replace(traced, video_ids=ids)
    assert "figures on other videos mean nothing" in (toy_note(moved.made_from, ids) or "")
    assert any("toy" in note for note in evaluate_predictions(moved, truth).notes)
    assert any("toy" in note for note in report_data([("x", moved)], truth).notes)


# --- labels --------------------------------------------------------------------------------------------------------


def test_labels_of_a_store_change_where_others_are_given_and_then_it_is_said(demo, tmp_path):
    (tmp_path / "one.txt").write_text("siren\n")
    store = tmp_path / "store"
    of_video = ("extract", demo / "videos/demo_val_000.mp4", "--store", store, "--no-calibration")
    said = "gets other labels, as --labels says: siren (1) in the place of siren, church bell, drum, ... (12)"
    assert "labels" not in run(*of_video).stderr
    assert "labels" not in run(*of_video).stderr
    assert len(open_store(store).labels) == len(LABELS)
    assert said not in run(*of_video[:-1], "--labels", tmp_path / "one.txt", "--estimate", "--fill").stderr
    assert said in " ".join(run(*of_video, "--labels", tmp_path / "one.txt").stderr.split())
    assert "other labels" not in run(*of_video, "--labels", tmp_path / "one.txt").stderr
    assert open_store(store).labels == ("siren",)


# --- ids ---------------------------------------------------------------------------------------------------------


def test_ids_of_a_store_and_of_a_dataset(demo):
    of_store = run("ids", demo / "store").stdout.split()
    assert of_store == [v.id for v in open_store(demo / "store").videos]
    of_dataset = run("ids", "json", "--annotations", demo / "videos", "--split", "val").stdout.split()
    assert of_dataset == list(load_annotations("json", demo / "videos", "val").video_ids)
    done = CliRunner().invoke(main, ["ids", str(demo / "store"), "--status", "missing"])
    assert (done.exit_code, done.stdout) == (UsageError.exit_code, "")
    assert "statuses there: " in done.stderr
