"""The exact response in `tune`, on its page, and as `avreplay response`."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from avreplay.core.decoders.replayed import replayed
from avreplay.core.errors import UsageError
from avreplay.core.exact.response import exact_response
from avreplay.core.params.av2a import Params
from avreplay.core.params.table import ParamTable
from avreplay.evaluate.tune_options import ResponseRequest
from avreplay.evaluate.tuning import tune
from avreplay.evaluate.tuning.exact import resampled, stage
from avreplay.evaluate.tuning.exact.command import response as response_of
from avreplay.evaluate.tuning.exact.pictures import outline, presets_like
from avreplay.evaluate.tuning.exact.resampled import leave_one_out, optimum_of_resamples
from avreplay.evaluate.tuning.exact.stage import exact_stage, plane_of
from avreplay.evaluate.tuning.exact.surface import surface_of
from avreplay.evaluate.tuning.exact.text import plane_line
from avreplay.evaluate.tuning.honest.subsets import of_each_video
from avreplay.evaluate.tuning.objective import parse_objective
from avreplay.evaluate.tuning.problem import make_problem
from avreplay.evaluate.tuning.space import parse_space
from avreplay.evaluate.tuning.text import tune_text
from tuning_data import START, made, settings_for, write_made

# many kernels, which each further Python would compile anew
pytestmark = pytest.mark.slow

BOX = {"tau0": (0.2, 0.9), "tau_r": (0.1, 0.8)}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    write_made(folder)
    return folder


@pytest.fixture(scope="module")
def given():
    problem = make_problem(*made(3))
    objective = parse_objective(None, problem.target.names, problem.target.metric)
    return problem, objective, exact_response(problem.decoder, problem.inputs, START, problem.target, threads=1)


def objective_at(problem, objective, params, **columns):
    """(P, N) of settings, from the replay."""
    return of_each_video(problem, ParamTable(params, columns), objective, threads=1)


def test_the_plateau_is_within_one_standard_error_paired_over_videos(given):
    problem, objective, response = given
    plane = response.plane(objective.weights)
    best = plane.optimum()
    surface = surface_of(plane, best, 9)
    x, y = (a.ravel() for a in np.meshgrid(surface.tau0, surface.tau_r, indexing="ij"))
    parts = objective_at(problem, objective, START, tau0=np.append(best.tau0, x), tau_r=np.append(best.tau_r, y))
    difference = parts[0] - parts[1:]
    lost, error = difference.mean(axis=1), difference.std(axis=1, ddof=1) / np.sqrt(problem.num_videos)
    assert np.allclose(surface.objective.ravel(), parts[1:].mean(axis=1))
    assert np.array_equal(surface.safe.ravel(), lost <= error + 1e-9)
    assert 0 < surface.safe_share < 1
    found = plane.losses(surface.tau0, surface.tau_r, (best.tau0, best.tau_r))
    assert np.allclose([a.ravel() for a in found], [lost, error], atol=1e-7)


def test_leaving_a_video_out_is_a_search_without_it(given):
    problem, objective, response = given
    plane = response.plane(objective.weights, **BOX)
    found = leave_one_out(plane, 20, 0, threads=1)
    held_out = []
    for v in range(problem.num_videos):
        others = problem.select(np.delete(np.arange(problem.num_videos), v))
        without = exact_response(others.decoder, others.inputs, START, others.target, threads=1)
        best = without.plane(objective.weights, **BOX).optimum()
        one = problem.select([v])
        events = replayed(one.decoder, one.inputs, [START.override({"tau0": best.tau0, "tau_r": best.tau_r})]).events
        held_out.append(float(objective.of(one.target.score(events).values[0])))
    assert found.value == pytest.approx(np.mean(held_out))
    assert found.low < found.value < found.high
    assert leave_one_out(plane, 0, 0).low is None


def test_resamples_are_those_of_the_choice_among_settings_tried(given):
    problem, objective, response = given
    plane = response.plane(objective.weights, **BOX)
    found = optimum_of_resamples(plane, 12, 5, threads=1)
    again = optimum_of_resamples(plane, 12, 5, threads=4)
    assert found == again
    n = problem.num_videos
    for draw, best in zip(np.random.default_rng(5).integers(0, n, (12, n)), found.optima, strict=True):
        drawn = problem.select(draw)
        at = objective_at(drawn, objective, START, tau0=np.array([best.tau0]), tau_r=np.array([best.tau_r]))
        assert best.value == pytest.approx(at.mean())
        assert BOX["tau0"][0] <= best.tau0 <= BOX["tau0"][1]
    said = found.as_dict()
    assert said["options"]["tau0"]["low"] <= said["options"]["tau0"]["median"] <= said["options"]["tau0"]["high"]


def test_what_would_take_too_long_is_left_out(given, monkeypatch):
    problem, objective, response = given
    plane = response.plane(objective.weights)
    monkeypatch.setattr(resampled, "MOST_STEPS", len(plane.position) * 5)
    assert leave_one_out(plane, 20, 0) is None
    assert len(optimum_of_resamples(plane, 5, 0).optima) == 5
    assert optimum_of_resamples(plane, 100, 0) is None
    monkeypatch.setattr(stage, "MOST_SECONDS", 0.0)
    found = exact_stage(problem, START, (), objective, folds=5, resamples=10, seed=0)
    assert found.plane is None
    assert found.curves == ()
    assert "search on fewer" in plane_line(found, "recommended")[0]


def test_what_is_not_exact_says_why(given):
    problem, objective, _ = given
    ridge = START.override({"ridge_weight": 1e-5})
    found = exact_stage(problem, ridge, (), objective, folds=0, resamples=0, seed=0)
    assert "ridge_weight" in found.note
    assert found.plane is None
    assert [c.name for c in found.curves] == ["tau_f"]
    other = replace(problem, target=replace(problem.target, metric=NoMean(problem.target.metric)))
    found = exact_stage(other, START, (), objective, folds=0, resamples=0, seed=0)
    assert "no mean over videos" in found.note
    assert not found.curves


class NoMean:
    mean_over_videos = False

    def __init__(self, metric):
        self.name = metric.name


def test_no_folds_and_no_resamples_leave_only_the_pictures(given):
    problem, objective, _ = given
    space = parse_space(["tau0=0.2:0.9"], START, ())
    found = exact_stage(problem, START, space, objective, folds=0, resamples=0, seed=0)
    assert found.plane.left_out is None
    assert found.plane.resampled is None
    assert found.plane.box == {"tau0": (0.2, 0.9), "tau_r": (0.0, 1.0)}
    assert all(c.low is None for c in found.curves)
    assert set(found.sampled) == {"alpha", "decay"}


@pytest.mark.parametrize("name", ["tau0", "tau_r", "tau_f"])
def test_curves_and_bands_are_those_of_the_replay(given, name):
    problem, objective, _ = given
    found = exact_stage(problem, START, (), objective, folds=0, resamples=30, seed=2)
    curve = next(c for c in found.curves if c.name == name)
    at = curve.values[::20]
    parts = objective_at(problem, objective, START, **{name: at})
    assert np.allclose(curve.figures[::20, 0], parts.mean(axis=1))
    assert (curve.low <= curve.high).all()
    assert ((curve.low <= curve.figures + 1e-9) & (curve.figures <= curve.high + 1e-9)).mean() > 0.9


def test_an_outline_encloses_its_cells():
    inside = np.zeros((4, 3), np.bool_)
    inside[1:3, 1] = True
    xs, ys = outline(inside, np.arange(4.0), np.arange(3.0))
    pieces = {tuple(zip(xs[i : i + 2], ys[i : i + 2], strict=True)) for i in range(0, len(xs), 3)}
    assert pieces == {
        ((0.5, 0.5), (0.5, 1.5)), ((2.5, 0.5), (2.5, 1.5)), ((0.5, 0.5), (2.5, 0.5)), ((0.5, 1.5), (2.5, 1.5)),
    }  # fmt: skip
    rng = np.random.default_rng(0)
    xs, ys = outline(rng.random((5, 6)) < 0.5, np.arange(5.0), np.arange(6.0))
    assert len(xs) == len(ys)
    assert all(x is None for x in xs[2::3])


def test_presets_of_one_place_are_one_mark(given):
    problem, _, _ = given
    found = presets_like(problem.decoder, Params())
    assert found["clip_clap, languagebind, clip_clap_ave, languagebind_ave"] == (0.75, 0.75)
    assert not any("jomold" in names for names in found)
    assert any("jomold" in names for names in presets_like(problem.decoder, Params(refine=False)))


def test_a_search_has_it_in_all_it_leaves(files, tmp_path):
    given = settings_for(files, tmp_path / "a", search=["tau0=0.3:0.7", "tau_r=0.2:0.9"], trials=32, folds=2, threads=1)
    found = tune(str(files / "val.store"), given)
    tune(str(files / "val.store"), replace(given, out=str(tmp_path / "b"), threads=3))
    page = (tmp_path / "a" / "search.html").read_bytes()
    assert page == (tmp_path / "b" / "search.html").read_bytes()
    summary = json.loads((tmp_path / "a" / "summary.json").read_text())
    other = json.loads((tmp_path / "b" / "summary.json").read_text())
    for key in ("plane", "plane_note", "bootstrap", "cross_validated"):
        assert summary[key] == other[key], key
    plane = summary["plane"]
    assert plane["tau0"] == [0.3, 0.7]
    assert plane["optimum"]["value"] >= found.recommended_value - 1e-9
    assert plane["ceiling"] >= plane["optimum"]["value"]
    assert summary["cross_validated"]["leave_one_out"]["plane"]["value"] <= plane["optimum"]["value"] + 1e-9
    assert summary["bootstrap"]["plane"]["resamples"] == 20
    assert "exact plane of tau0 and tau_r, the others as recommended: best" in " ".join(tune_text(found).split())
    figures = dict(re.findall(r'id="(exact[^"]+)-data">(.*?)</script>', page.decode(), flags=re.S))
    surface = json.loads(figures["exact-plane"])
    z = np.array(surface["data"][0]["z"])
    assert z.shape == (201, 201)
    assert z[40:181, 60:141].max() <= plane["optimum"]["value"] + 1e-3  # within the ranges of the search
    names = [trace.get("name") for trace in surface["data"]]
    assert {"sharp", "recommended", "presets", "optimum of the plane", "within one standard error"} <= set(names)
    assert len(surface["layout"]["shapes"]) == 1
    curve = json.loads(figures["exact-curve-0"])
    assert {a: curve["layout"][a]["title"]["text"] for a in ("xaxis", "xaxis2", "xaxis3")} == {
        "xaxis": "tau0", "xaxis2": "tau_r", "xaxis3": "tau_f"
    }  # fmt: skip
    assert b"alpha (scores and ratios are rational functions" in page


def request(files, **options):
    given = {"store": str(files / "val.store"), "dataset": "json", "annotations": str(files / "val.json"),
             "split": "val", "settings": ["audio_scores=segment"], "resamples": 10,
             "points": 21, "threads": 1}  # fmt: skip
    return ResponseRequest(**{**given, **options})


def test_the_response_of_two_numbers(files, tmp_path):
    for name in ("r.json", "r.csv", "r.html"):
        found = response_of(request(files, out=str(tmp_path / name)))
    content = json.loads((tmp_path / "r.json").read_text())
    assert np.shape(content["surface"]["objective"]) == (21, 21)
    assert content["optimum"]["value"] >= content["value"]
    with open(tmp_path / "r.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(r["objective"]) for r in rows] == np.ravel(content["surface"]["objective"]).tolist()
    assert 'id="exact-plane"' in (tmp_path / "r.html").read_text()
    assert "leave-one-out" in found.text()


@pytest.mark.parametrize("over", ["tau0", "tau_r", "tau_f"])
def test_the_response_of_one_number_has_every_step(files, tmp_path, over):
    for name in ("r.json", "r.csv", "r.html"):
        found = response_of(request(files, over=over, out=str(tmp_path / name)))
    content = json.loads((tmp_path / "r.json").read_text())
    with open(tmp_path / "r.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(r[f"{over}_from"]) for r in rows] == content["exact"]["from"]
    assert len(rows) == found.as_dict()["steps"] + 1
    best = max(float(r["objective"]) for r in rows)
    assert content["optimum"]["value"] == pytest.approx(best)
    assert best >= content["value"] - 1e-9
    assert 'id="exact-curve-0"' in (tmp_path / "r.html").read_text()
    assert f"exact over {over}" in found.text()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"points": 1}, "1 points"), ({"resamples": -1}, "resamples"), ({"out": "r.txt"}, "ends with none of"),
        ({"over": "alpha"}, "over"), ({"settings": ["ridge_weight=0.00001"]}, "ridge_weight"),
        ({"objective": "nothing"}, "nothing"),
        ({"params_file": "ovavel.toml", "settings": []}, "ovavel has no exact response"),
    ],
)  # fmt: skip
def test_what_has_no_response(files, options, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ovavel.toml").write_text('decoder = "ovavel"')
    with pytest.raises(UsageError, match=says):
        response_of(request(files, **options))


def test_a_plane_of_some_points(given):
    _, objective, response = given
    found = plane_of(response, objective, BOX, folds=0, resamples=0, seed=0, points=11)
    assert found.surface.objective.shape == (11, 11)
    assert found.as_dict({"alpha": 0.5})["fixed"] == {"alpha": 0.5}
