"""What an option declares: how it is read, its former names, the arrays it needs, its fields in a record."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest
from avreplay.core.decoders.av2a import replay_scores
from avreplay.core.errors import DataError, UsageError
from avreplay.core.events import TRACKS
from avreplay.core.params import options as declared
from avreplay.core.params.av2a import Params, make_params
from avreplay.core.params.needs import deciding_options, declared_needs, needed_arrays
from avreplay.core.params.options import OptionSet, list_options, option, option_set, present_names
from avreplay.core.params.ovavel import OvavelParams
from avreplay.core.params.records import COLUMNS, PARAM_DTYPE
from avreplay.evaluate.files.params_file import layered_params
from avreplay.evaluate.files.predictions import read_predictions
from avreplay.evaluate.tuning.run import tune
from avreplay.evaluate.tuning.space import parse_space
from avreplay.evaluate.tuning.trials_file import to_parquet
from hypothesis import given, settings
from hypothesis import strategies as st
from test_twin import make_bundle
from tuning_data import settings_for, write_made

ARRAYS = ("audio_clip", "visual_clip", "audio_segments", "visual_segments", "audio_visual_segments", "visual_cosine",
          "window_audio", "window_visual")  # fmt: skip


@pytest.fixture
def notes(caplog):
    """What was said about former names; each thing is said once in a process, so it is forgotten before."""
    declared._note.cache_clear()
    caplog.set_level(logging.WARNING, "avreplay")
    return lambda: [r.getMessage() for r in caplog.records if r.name == "avreplay"]


def values_of(f):
    """Some values that an option takes."""
    if f.metadata["choices"]:
        return f.metadata["choices"]
    return {"bool": (False, True), "str": ("clip", "segment", "2")}.get(str(f.type), (f.default,))


def any_params(of):
    return st.builds(of, **{f.name: st.sampled_from(values_of(f)) for f in fields(of)})


def test_declarations_import_the_standard_library_only():
    code = (
        "import sys, avreplay.core.params.av2a, avreplay.core.params.ovavel, avreplay.core.params.needs;"
        "print([m for m in sys.modules if m.split('.')[0] not in sys.stdlib_module_names | {'avreplay', '__main__'}"
        " and not m.startswith(('_virtualenv', '__editable__', '_distutils', 'sitecustomize'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=os.sep)
    assert done.stdout.strip() == "[]", done.stderr


# --- former names ------------------------------------------------------------------------------------------------


def test_former_names_are_taken_with_one_note(notes, tmp_path):
    file = tmp_path / "p.toml"
    file.write_text('few_labels = "silent"\n')
    assert Params(few_labels="score_all").single_label == "score_all"
    assert make_params(values={"few_labels": "silent"}) == Params()
    assert Params().override({"few_labels": "score_all"}).single_label == "score_all"
    assert Params(single_label="silent") == replace(Params(), single_label="none")
    assert layered_params(file=file, profile="paper").single_label == "none"
    assert layered_params(settings=["few_labels=score_all"]).single_label == "score_all"
    assert notes() == ["few_labels is now single_label", "single_label=silent is now single_label=none"]
    with pytest.raises(UsageError, match="expected one of none, score_all"):
        Params(few_labels="quiet")
    with pytest.raises(TypeError, match="few_label"):
        Params(few_label="none")


def test_of_a_former_and_the_present_name_the_later_layer_wins(tmp_path):
    file = tmp_path / "p.toml"
    file.write_text('few_labels = "silent"\n')
    assert layered_params(None, "paper", file, ["single_label=score_all"]).single_label == "score_all"
    file.write_text('single_label = "score_all"\n')
    assert layered_params(None, "release", file, ["few_labels=silent"]).single_label == "none"
    assert make_params(profile="paper", values={"few_labels": "silent"}).single_label == "none"


def test_the_note_reaches_the_terminal_and_the_output_has_the_present_name(tmp_path):
    store, _ = write_made(tmp_path)
    command = [sys.executable, "-m", "avreplay.cli", "replay", str(store), "--set", "few_labels=silent", "--json",
               "--out", str(tmp_path / "p.json")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "few_labels is now single_label" in done.stderr
    assert json.loads(done.stdout)["params"]["single_label"] == "none"


def test_stored_predictions_are_read_by_present_names(tmp_path):
    stored = {"schema": "avreplay.predictions/1", "labels": ["a"], "videos": {}}
    for params in ({"few_labels": "silent", "alpha": 0.5, "preset": "demo"}, {"single_label": "none", "alpha": 0.5}):
        (tmp_path / "p.json").write_text(json.dumps({**stored, "params": params}))
        got = dict(read_predictions(tmp_path / "p.json").params)
        assert got == {"single_label": "none", "alpha": 0.5} | ({"preset": "demo"} if "preset" in params else {})
    (tmp_path / "p.json").write_text(json.dumps({**stored, "params": {"decoder": "elsewhere", "few_labels": 3}}))
    assert read_predictions(tmp_path / "p.json").params == {"decoder": "elsewhere", "few_labels": 3}


def former(text: str) -> str:
    """A stored text with the names of before."""
    return text.replace("single_label", "few_labels").replace("none", "silent")


def test_a_table_search_of_before_goes_on(tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    store, _ = write_made(files)
    search = ["tau0=0.3:0.7", "few_labels=silent,score_all"]
    begun = tune(str(store), settings_for(files, tmp_path / "out", search=search, trials=6, sampler="sobol"))
    assert begun.names == ("tau0", "single_label")
    for name in ("search.json", "trials.csv"):
        path = tmp_path / "out" / name
        text = former(path.read_text()) if name == "trials.csv" else path.read_text()
        if name == "search.json":
            state = json.loads(text)
            state["identity"] = json.loads(former(json.dumps(state["identity"])))
            del state["sha256"], state["trials_sha256"]  # which came later
            state["bytes"] = len(former((tmp_path / "out" / "trials.csv").read_text()).encode())
            text = json.dumps(state)
        path.write_text(text)
    more = tune(
        str(store), settings_for(files, tmp_path / "out", search=search, trials=12, parquet=True, sampler="sobol")
    )
    assert (more.found.done, more.found.new_trials) == (12, 6)
    once = tune(str(store), settings_for(files, tmp_path / "once", search=search, trials=12, sampler="sobol"))
    assert more.found.best == once.found.best
    assert (tmp_path / "out" / "best.toml").read_bytes() == (tmp_path / "once" / "best.toml").read_bytes()
    third = tune(str(store), settings_for(files, tmp_path / "out", search=search, trials=14, sampler="sobol"))
    assert third.found.new_trials == 2
    to_parquet(tmp_path / "out" / "trials.csv", tmp_path / "t.parquet", {"few_labels": "str"})


def test_a_study_of_before_goes_on(tmp_path):
    optuna = pytest.importorskip("optuna")
    store, _ = write_made(tmp_path)
    search = ["single_label=none,score_all", "tau0=0.3:0.7"]
    out = tmp_path / "out"

    def tuned(trials):
        return tune(str(store), settings_for(tmp_path, out, search=search, trials=trials, sampler="random"))

    first = tuned(3)
    log = out / "study.log"
    new = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(log)))
    study = optuna.load_study(study_name="avreplay", storage=new)
    identity, trials = study.user_attrs["avreplay_identity"], study.get_trials()
    log.unlink()
    (out / "study.json").unlink()  # which came later
    old = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(log)))
    study = optuna.create_study(study_name="avreplay", storage=old, direction="maximize")
    study.set_user_attr("avreplay_identity", json.loads(former(json.dumps(identity))))
    words = optuna.distributions.CategoricalDistribution(("silent", "score_all"))
    for t in trials:
        params = {"few_labels": former(t.params["single_label"]), "tau0": t.params["tau0"]}
        kinds = {"few_labels": words, "tau0": t.distributions["tau0"]}
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions=kinds, value=t.value, user_attrs=t.user_attrs)
        )
    more = tuned(9)
    assert (more.found.done, more.found.new_trials) == (9, 6)
    assert more.found.best_value >= first.found.best_value
    assert {p["single_label"] for p in more.found.video_params} <= {"none", "score_all"}
    assert (out / "trials.csv").read_text().startswith("trial,single_label,tau0,")
    assert "silent" not in (out / "trials.csv").read_text()


def test_a_search_range_by_a_former_name():
    (d,) = parse_space(["few_labels=silent,score_all"], Params(), ())
    assert (d.name, d.choices, d.as_text()) == ("single_label", ("none", "score_all"), "single_label=none,score_all")


def test_any_set_of_options_can_have_former_names(notes):
    @option_set
    class Mine(OptionSet):
        width: int = option(3, "how wide", low=1, aliases=("size", "extent"))
        shape: str = option("round", "which", choices=("round", "flat"), value_aliases={"circle": "round"})

    assert Mine(size=5) == Mine(extent="5") == Mine(width=np.int64(5)) == Mine().override({"size": 5})
    assert Mine("4", "circle") == Mine(4)
    assert present_names(Mine, {"size": 2, "shape": "circle", "other": 1}) == {"width": 2, "shape": "round", "other": 1}
    assert notes() == ["size is now width", "extent is now width", "shape=circle is now shape=round"]
    assert [o.name for o in list_options(Mine)] == ["width", "shape"]


# --- values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("audio_scores", 2, "2"), ("audio_scores", "1", "segment"), ("audio_scores", np.int64(3), "3"),
        ("refine", np.bool_(True), True), ("refine", "off", False), ("alpha", np.float32(0.5), 0.5),
        ("min_length", np.array(3), 3), ("method", np.str_("naive"), "naive"), ("decay", "2", 2.0),
    ],
)  # fmt: skip
def test_values_are_kept_as_plain_ones(name, value, kept):
    got = getattr(Params().override({name: value}), name)
    assert got == kept
    assert type(got) is type(kept)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("audio_scores", "segments", "expected clip, segment or a number of segments"),
        ("audio_scores", "0", "expected clip, segment or a number of segments"),
        ("audio_scores", "²", "expected clip, segment or a number of segments"),
        ("refine", 1, "expected true or false"), ("alpha", True, "expected a number from 0 to 1"),
        ("alpha", np.array([0.1, 0.2]), "expected a number from 0 to 1"), ("min_length", 1.5, "at least 1"),
        ("min_length", "inf", "at least 1"), ("decay", "nan", "at least 0"), ("method", "naiv", "did you mean 'naive'"),
    ],
)  # fmt: skip
def test_values_that_an_option_does_not_take(name, value, words):
    with pytest.raises(UsageError, match=words):
        Params().override({name: value})


# --- needs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", [Params, OvavelParams])
def test_needs_name_options_and_values_that_there_are(of):
    known = {f.name: f for f in fields(of)}
    for _, need in declared_needs(of):
        assert set(need.arrays) <= set(ARRAYS)
        assert set(need.tracks) <= set(TRACKS)
        for name, values in (*need.when.items(), *need.unless.items()):
            for value in values:
                assert getattr(of().override({name: value}), name) == value
            assert name in known


def test_settings_that_agree_in_the_deciding_options_need_the_same():
    @given(any_params(Params), any_params(Params), st.lists(st.sampled_from(TRACKS), min_size=1, unique=True))
    def check(one, other, tracks):
        alike = other.override({name: getattr(one, name) for name in deciding_options(Params)})
        assert needed_arrays(alike, tracks) == needed_arrays(one, tracks)

    check()
    assert set(deciding_options(Params)) == {
        "method", "fusion", "select_classes", "refine", "audio_scores", "av_scores", "cosine_audio"
    }  # fmt: skip
    assert deciding_options(OvavelParams) == ("strategy", "fusion")


EVERYTHING = make_bundle(17, [6, 3, 9, 1], 7)


def given_only(bundle, arrays):
    """The scores without all other arrays."""
    return replace(bundle, **{name: getattr(bundle, name) if name in arrays else None for name in ARRAYS})


@settings(max_examples=80, deadline=None)
@given(any_params(Params), st.lists(st.sampled_from(TRACKS), min_size=1, unique=True))
def test_nothing_is_read_but_what_options_declare(params, tracks):
    """Without the arrays that no need names, the events are the same; without one that a need names alone, it is said
    which and why."""
    params = replace(params, tau0=0.5, tau_f=0.3, tau_r=0.4)
    needs = needed_arrays(params, tracks)
    declared_only = given_only(EVERYTHING, {name for arrays, _ in needs for name in arrays})
    want, got = (replay_scores(b, params, tracks=tracks).events for b in (EVERYTHING, declared_only))
    for name in ("starts", "label", "onset", "offset", "score"):
        assert getattr(got, name).tobytes() == getattr(want, name).tobytes()
    for arrays, because in needs:
        without = given_only(EVERYTHING, set(ARRAYS) - set(arrays))
        with pytest.raises(
            DataError, match=r"the scores hold no \w+, which .* needs; add the array or change"
        ) as error:
            replay_scores(without, params, tracks=tracks)
        first = next(b for a, b in needs if set(a) <= set(arrays))
        assert f"which {first} needs" in str(error.value), because


def test_what_some_settings_need():
    every = ("audio", "visual", "audio_visual")
    naive = Params(method="naive", select_classes=False, refine=False)
    rows = (("audio_clip",), "audio_scores=clip"), (("visual_segments",), "the visual or audio_visual track")
    assert needed_arrays(naive, every) == list(rows)
    assert needed_arrays(naive, ["visual"]) == [rows[1]]
    assert needed_arrays(replace(naive, av_scores="given"), ["audio_visual"]) == [
        (("audio_visual_segments",), "av_scores=given")
    ]
    assert needed_arrays(replace(naive, method="cosine"), ["audio"]) == [rows[0]]
    assert (("visual_cosine",), "method=cosine") in needed_arrays(
        replace(naive, method="cosine", cosine_audio=True), ["audio"]
    )
    assert needed_arrays(replace(naive, audio_scores="2"), ["audio"]) == [
        (("audio_segments", "window_audio"), "audio_scores=2")
    ]


# --- records -----------------------------------------------------------------------------------------------------


def test_every_option_declares_its_record_fields_once():
    names = [column.name for _, column in COLUMNS]
    assert len(set(names)) == len(names)
    assert {option for option, _ in COLUMNS} == {f.name for f in fields(Params)}
    assert PARAM_DTYPE.names == (*names, "clip_row")
