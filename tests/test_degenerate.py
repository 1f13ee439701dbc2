"""The smallest of all: one label, no video, one segment, none. A figure is defined, or a sentence says why not."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from avreplay.cache import import_bundle
from avreplay.cli import main
from avreplay.core.decoders.av2a import replay_scores
from avreplay.core.decoders.base import Inputs
from avreplay.core.decoders.registry import DECODERS
from avreplay.core.errors import DataError
from avreplay.core.events import Events
from avreplay.core.params.av2a import make_params
from avreplay.core.params.presets import PRESETS
from avreplay.core.params.table import ParamTable
from avreplay.evaluate.datasets.annotations import Annotations
from avreplay.evaluate.datasets.native_json import write_annotations
from click.testing import CliRunner
from test_twin import assert_same, make_bundle

SIZES = {"two": [6, 3], "one video": [4], "one segment": [1], "no segment": [0], "some none": [0, 3, 0], "none": []}
METRICS = ("auto", "ave_accuracy", "ovavel")


def bundle(kind, labels, segments, windows=0.5):
    made = make_bundle(1, segments, labels, kind, windows=windows)
    both = np.ones(made.num_videos, np.bool_)
    return replace(made, has_audio=both, has_visual=both)


def annotated(b, empty):
    tracks = [[[] if empty or not n else [(0, 0, (n + 1) // 2)]] * 3 for n in b.segments_per_video.tolist()]
    of_videos = np.array(b.segments_per_video), Events.from_tracks(tracks)
    return Annotations("json", "test", b.labels, b.video_ids, *of_videos, "made up")


# --- one label ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["release", "paper"])
@pytest.mark.parametrize("preset", PRESETS)
def test_one_label_has_a_defined_score_or_a_sentence(preset, profile):
    """In every preset, profile and normalisation, by every way into the decoder."""
    decoder = DECODERS.get("av2a")
    for kind, norm in product(("similarity", "probability"), ("active", "all", "sigmoid")):
        b = bundle(kind, 1, [6, 3])
        params = make_params(preset, profile, {"score_norm": norm, "tau0": 0.5, "tau_f": 0.2})
        ways = (
            lambda b=b, p=params: decoder.decode_many(Inputs(b), [p]).events,
            lambda b=b, p=params: decoder.decode(Inputs(b), p),
            lambda b=b, p=params: decoder.sweeper(Inputs(b), ParamTable(p, {"alpha": [p.alpha]}))(0, 1),
            lambda b=b, p=params: decoder.explain(Inputs(b), p, 0, "visual", 0),
        )
        for way in ways:
            if kind == "similarity" and norm != "sigmoid":
                with pytest.raises(DataError, match=r"one label, 'Label 000'.*set score_norm=sigmoid"):
                    way()
            else:
                way()
        if kind == "probability" or norm == "sigmoid":
            assert_same(b, params)
            scores = replay_scores(b, params, trace=True).trace.score
            assert np.isfinite(scores[~np.isnan(scores)]).all()


def test_a_sweep_over_the_normalisation_of_one_label_is_refused_before_it_begins():
    table = ParamTable(make_params(), {"score_norm": ["sigmoid", "active"]})
    with pytest.raises(DataError, match="set score_norm=sigmoid"):
        DECODERS.get("av2a").sweeper(Inputs(bundle("similarity", 1, [4])), table)


@pytest.mark.parametrize("segments", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("labels", [1, 2])
@pytest.mark.parametrize("kind", ["similarity", "probability"])
def test_kernel_and_reference_agree_on_the_smallest(kind, labels, segments):
    for profile, method in product(("release", "paper"), ("naive", "cosine", "label_shift_cosine", "decay_only")):
        for fusion in ("score", "late"):
            values = {"method": method, "fusion": fusion, "tau0": 0.3}
            assert_same(bundle(kind, labels, segments), make_params("languagebind", profile, values))


# --- commands ----------------------------------------------------------------------------------------------------


def nothing_undefined(done, what):
    """Zero with figures that are all defined or named as undefined, or one sentence."""
    assert done.exit_code in (0, 1, 2), (what, done.output)
    if done.exit_code:
        assert len(done.stderr.strip().splitlines()) == 1, (what, done.stderr)
        return
    if done.stdout.startswith("{"):
        found = json.loads(done.stdout, parse_constant=lambda name: pytest.fail(f"{what}: {name} in JSON"))
        missing = any(value is None for value in found.get("metrics", {}).values())
        assert not missing or "undefined" in str(found["notes"]), what
    else:
        assert "nan" not in done.stdout.lower() or "undefined, since nothing" in " ".join(done.stdout.split()), what


NOTHING_TO_SEARCH = "score_norm=sigmoid|there is one video to search on|for each of the . settings tried"


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("labels", [1, 2])
@pytest.mark.parametrize("empty", [False, True], ids=["events", "no event"])
def test_commands_on_the_smallest(tmp_path, size, labels, empty):
    def run(*arguments):
        done = CliRunner().invoke(main, [str(a) for a in arguments])
        nothing_undefined(done, " ".join(map(str, arguments)))
        return done

    b = bundle("similarity", labels, SIZES[size])
    store = tmp_path / "s"
    import_bundle(b, store)
    write_annotations(tmp_path / "a.json", annotated(b, empty))
    norm = ["--set", "score_norm=sigmoid"] if labels == 1 else []
    if labels == 1:
        annotations = ["--dataset", "json", "--annotations", tmp_path / "a.json"]
        search = ["tune", store, *annotations, "--split", "test", "--report-split", "", "--out", tmp_path / "t"]
        for command in (["replay", store], search):
            done = run(*command)
            assert done.exit_code == 1
            assert (
                re.search(NOTHING_TO_SEARCH if command is search else "score_norm=sigmoid", done.stderr)
                or size == "none"
            )
    on = ["--dataset", "json", "--annotations", tmp_path / "a.json"]
    for profile in ("release", "paper"):
        file = tmp_path / f"{profile}.json"
        assert run("replay", store, "--profile", profile, *norm, "--out", file, "--json").exit_code == 0
    for metric in METRICS:
        for form in ([], ["--json"]):
            run("evaluate", tmp_path / "paper.json", *on, "--metrics", metric, "--bootstrap", 10, *form)
            run("compare", tmp_path / "release.json", tmp_path / "paper.json", *on, "--metrics", metric, *form)
        run("report", tmp_path / "paper.json", *on, "--metrics", metric, "--out", tmp_path / "r.html")
    done = run("tune", store, *on, "--split", "test", "--trials", 4, "--report-split", "test", *norm, "--resamples", 10,
               "--out", tmp_path / "t")  # fmt: skip
    if size == "none" or done.exit_code:
        assert (done.exit_code, bool(re.search(NOTHING_TO_SEARCH, done.stderr))) == (1, size != "none"), done.stderr


def test_a_video_without_a_segment_has_no_part_in_intervals(tmp_path):
    for name, segments in (("with", [0, 4, 3]), ("without", [4, 3])):
        b = bundle("probability", 2, segments)
        import_bundle(b, tmp_path / name)
        write_annotations(tmp_path / f"{name}.json", annotated(b, False))
        run = CliRunner().invoke(main, ["replay", str(tmp_path / name), "--out", str(tmp_path / f"p_{name}.json")])
        assert run.exit_code == 0
        done = CliRunner().invoke(main, [
            "evaluate", str(tmp_path / f"p_{name}.json"), "--dataset", "json", "--annotations",
            str(tmp_path / f"{name}.json"), "--metrics", "ave_accuracy", "--bootstrap", "20", "--json",
        ])  # fmt: skip
        assert done.exit_code == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["intervals"]["accuracy"]["figure"] == found["metrics"]["accuracy"]
