"""`avreplay leaderboard`: what it tunes and reports is what `tune` and `compare` give, it goes on to the same bytes,
and what a decoder cannot do is said in its row."""

from __future__ import annotations

import json
import os
import random
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from avreplay.cache import import_bundle, open_store
from avreplay.cli import main
from avreplay.core.decoders.base import Decoder
from avreplay.core.decoders.registry import DECODERS
from avreplay.core.errors import DataError, Interrupted, NoAnswer, NodesLost, UsageError
from avreplay.core.events import Events
from avreplay.core.metrics.base import Metric, Scores
from avreplay.core.metrics.registry import METRICS
from avreplay.core.params.options import OptionSet, option, option_set
from avreplay.core.registry import is_name
from avreplay.evaluate.datasets.native_json import write_annotations
from avreplay.evaluate.datasets.registry import load_annotations
from avreplay.evaluate.files.params_file import decoder_params
from avreplay.evaluate.intervals import compare, intervals
from avreplay.evaluate.leaderboard import LeaderboardSettings, leaderboard, stores
from avreplay.evaluate.leaderboard import figures as board_figures
from avreplay.evaluate.leaderboard import rows as board_rows
from avreplay.evaluate.leaderboard.board_state import FILES
from avreplay.evaluate.leaderboard.result import ranks
from avreplay.evaluate.leaderboard.stores import store_names
from avreplay.evaluate.leaderboard.text import leaderboard_text
from avreplay.evaluate.replay import replay
from avreplay.evaluate.scoring import evaluate_predictions
from avreplay.evaluate.tuning import TuneSettings, search, tune
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from ovavebench_made import Sizes, made_targets, write_made_annotations, write_made_store
from tuning_data import made, write_made

pytestmark = pytest.mark.once


@option_set
class Level(OptionSet):
    level: float = option(0.5, "Score from which a segment is an event.", low=0.0, high=1.0)


class OneLevel(Decoder[Level]):
    """A threshold in plain NumPy: what a plug-in is."""

    name = "board_level"
    params = Level
    presets: ClassVar = {"low": {"level": 0.3}}

    def search_space(self):
        return ("level=0.2:0.8:0.05",)

    def decode(self, inputs, params):
        b = inputs.scores
        tracks = []
        for v in range(b.num_videos):
            rows = slice(*b.segment_starts[v : v + 2].tolist())
            found = [[(int(c), int(t), int(t) + 1) for t, c in np.argwhere(of[rows] > params.level)]
                     for of in (b.audio_segments, b.visual_segments)]  # fmt: skip
            tracks.append([*found, sorted(set(found[0]) & set(found[1]))])
        return Events.from_tracks(tracks)


class NothingToSearch(OneLevel):
    name = "board_fixed"

    def search_space(self):
        return ()


class NeedsMore(OneLevel):
    """Runs on no store here, but under one preset."""

    name = "board_needs"
    presets: ClassVar = {"none": {"level": 0.7}, "here": {"level": 0.6}}

    def require(self, scores, params, tracks=("audio", "visual", "audio_visual")):
        if params.level != 0.6:
            raise DataError(f"level {params.level} needs an array that is not here")

    def search_space(self):
        return ("level=0.6",)


class Fails(OneLevel):
    name = "board_fails"
    presets: ClassVar = {}

    def decode(self, inputs, params):
        raise ValueError("out of order")


class FailsLater(OneLevel):
    name = "board_fails_later"

    def decode(self, inputs, params):
        if params.level != 0.5:
            raise ValueError("only half")
        return super().decode(inputs, params)


class Never(OneLevel):
    """All settings give the same."""

    name = "board_never"

    def decode(self, inputs, params):
        return super().decode(inputs, Level())


OWN = (OneLevel, NothingToSearch, NeedsMore, Fails, FailsLater, Never)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Stores and annotations of two splits, and a second encoder's, which lacks a video of each."""
    folder = tmp_path_factory.mktemp("board")
    for seed, videos, split in ((0, 12, "val"), (1, 9, "test")):
        write_made(folder, seed, videos, split)
        bundle, _ = made(seed, videos, split=split)
        noise = np.random.default_rng(seed).uniform(-0.2, 0.2, bundle.visual_segments.shape).astype(np.float32)
        other = replace(bundle, visual_segments=(bundle.visual_segments + noise).clip(0, 1))
        import_bundle(other.select_videos(range(1, videos)), folder / f"other-{split}.store")
    return folder


@pytest.fixture
def plugins():
    for decoder in OWN:
        DECODERS.register(decoder(), decoder.name)
    yield
    for decoder in OWN:
        DECODERS.unregister(decoder.name)


def asked(files, out, **options) -> LeaderboardSettings:
    """A quick leaderboard of the made stores."""
    options = {
        "dataset": "json", "annotations": str(files / "val.json"), "report_annotations": str(files / "test.json"),
        "report_store": (str(files / "test.store"),), "decoders": "av2a,board_level,av2a:naive_demo", "budget": 24,
        "resamples": 50, "out": str(out), **options,
    }  # fmt: skip
    return LeaderboardSettings(**options)


TRIED = {"av2a": 24, "board_level": 13}
"""Settings that a search tries: the budget, or all there are."""


def made_board(files, out, **options):
    return leaderboard([str(files / "val.store")], asked(files, out, **options))


def content_of(out: Path) -> dict[str, bytes]:
    """The bytes of every file but those of seconds."""
    return {
        str(p.relative_to(out)): p.read_bytes()
        for p in sorted(out.rglob("*"))
        if p.is_file() and not p.name.startswith("timing.")
    }


# --- what it gives is what tune, evaluate and compare give ---------------------------------------------------------


def test_a_row_is_a_search_of_tune_reported_and_compared_as_by_hand(files, tmp_path, plugins):
    board = made_board(files, tmp_path / "b")
    assert [one.row.name for one in board.standings] == ["av2a", "board_level", "av2a:naive_demo"]
    truth = load_annotations("json", files / "test.json", "test")
    predictions = {}
    for one in board.standings:
        row = one.row
        predictions[row.name] = replay(open_store(files / "test.store"), row.params, decoder=row.decoder).predictions()
        e = evaluate_predictions(predictions[row.name], truth)
        spread = intervals(e, resamples=50)
        for name, value in e.metrics.items():
            assert one.figure(name) == spread[name]
            assert one.figure(name).figure == pytest.approx(value)
        means = [e.metrics[f"{of}_{level}"] for of in ("type_av", "event_av") for level in ("seg", "event")]
        assert one.figure("objective").figure == pytest.approx(np.mean(means))
        assert one.figure("objective").low <= one.figure("objective").figure <= one.figure("objective").high
        assert (one.baseline is None) == (row.name == "av2a")
    for one in board.standings[1:]:
        want = compare(predictions["av2a"], predictions[one.row.name], truth, resamples=50).differences
        assert {name: d for name, d in one.differences.items() if name != "objective"} == want
        gain = one.differences["objective"]
        assert gain.figure == pytest.approx(
            one.figure("objective").figure - board.standings[0].figure("objective").figure
        )
    reached = [one.figure(board.rank_by).figure for one in board.ranked]
    assert reached == sorted(reached, reverse=True)
    assert board.lead.first == board.ranked[0].key
    assert board.lead.ahead.figure == pytest.approx(reached[0] - reached[1])
    assert board.lead.separated == (board.lead.ahead.low > 0)
    for name in ("av2a", "board_level"):
        alone = TuneSettings(
            dataset="json", annotations=str(files / "val.json"), decoder=name, trials=24, resamples=50, folds=0,
            report_store=str(files / "test.store"), report_annotations=str(files / "test.json"),
            out=str(tmp_path / name),
        )  # fmt: skip
        found = tune(str(files / "val.store"), alone)
        for file in ("trials.csv", "best.toml", "search.json"):
            assert (tmp_path / name / file).read_bytes() == (tmp_path / "b" / "val" / name / file).read_bytes(), file
        row = next(one.row for one in board.standings if one.row.name == name)
        assert (row.params, row.value, row.tried) == (found.kept, found.recommended_value, TRIED[name])
        assert decoder_params(file=str(tmp_path / "b" / "val" / name / "best.toml"))[1] == row.params
    assert not (tmp_path / "b" / "val" / "av2a-naive_demo").exists()
    columns = board.columns()
    assert columns["rank"] == [one.rank for one in board.standings]
    assert columns["objective_low"][0] == board.standings[0].figure("objective").low
    assert columns["difference"][0] is None
    assert len(board.to_pandas()) == 3


def test_a_store_is_opened_once_and_read_once_a_split(files, tmp_path, plugins, monkeypatch):
    opened, read = [], []
    open_one, blocks_of = stores.open_stores, stores.input_blocks
    monkeypatch.setattr(stores, "open_stores", lambda given: opened.append(given) or open_one(given))

    def counted(store, reads, *more, **options):
        blocks = blocks_of(store, reads, *more, **options)
        return replace(blocks, source=lambda videos: read.append(store.url) or blocks.source(videos))

    monkeypatch.setattr(stores, "input_blocks", counted)
    made_board(files, tmp_path / "b", decoders="av2a,board_level,board_fixed,av2a:naive_demo,board_never")
    assert opened == [str(files / "val.store"), str(files / "test.store")]
    assert sorted(Path(url).name for url in read) == ["test.store", "val.store"]


def test_decoders_by_encoders_on_the_videos_of_all(files, tmp_path, plugins):
    given = [str(files / "val.store"), str(files / "other-val.store")]
    reported = (str(files / "test.store"), str(files / "other-test.store"))
    s = asked(files, tmp_path / "b", report_store=reported, decoders="av2a,board_level", baseline="val/av2a")
    board = leaderboard(given, s)
    assert board.stores == ("val", "other-val")
    assert [one.key for one in board.standings] == [f"{b}/{d}" for b in board.stores for d in ("av2a", "board_level")]
    assert sorted(one.rank for one in board.standings) == [1, 2, 3, 4]
    assert {one.reached.evaluation.videos_scored for one in board.standings} == {8}
    assert [one.baseline for one in board.standings] == [None, "val/av2a", "val/av2a", "val/av2a"]
    content = json.loads((tmp_path / "b" / FILES["json"]).read_text())
    assert content["tune"]["videos"] == 11
    assert content["report"] == {**content["report"], "videos": 8, "expected": 11}
    assert any("1 videos of val in test are left out" in note for note in content["notes"])
    shown = leaderboard_text(board)
    assert "other-val" in shown.split("decoder", 2)[1]
    each = leaderboard(given, replace(s, baseline="av2a"))
    assert [one.baseline for one in each.standings] == [None, "val/av2a", None, "other-val/av2a"]
    a, b = (one.reached.predictions for one in each.standings[2:])
    want = compare(a, b, load_annotations("json", files / "test.json", "test"), resamples=50)
    assert each.standings[3].differences["type_av_seg"] == want.differences["type_av_seg"]


def test_blocks_of_a_large_store_give_the_same_bytes(files, tmp_path, plugins, monkeypatch):
    want = made_board(files, tmp_path / "b", decoders="board_level,av2a:naive_demo")
    kept = content_of(tmp_path / "b")
    shutil.rmtree(tmp_path / "b")
    largest = max(int(stores.input_blocks(open_store(files / f"{s}.store"), stores.Reads()).sizes.max())
                  for s in ("val", "test"))  # fmt: skip
    seen = []
    report_inputs = stores.StoreScores.report_inputs
    monkeypatch.setattr(stores.StoreScores, "report_inputs", lambda *a: seen.append(report_inputs(*a)) or seen[-1])
    made_board(files, tmp_path / "b", decoders=",".join(want.names), memory=str(8 * largest), threads=1)
    assert {type(one).__name__ for one in seen} == {"InputBlocks"}
    assert content_of(tmp_path / "b") == kept


def test_the_made_benchmark_of_ovavel(tmp_path):
    sizes = Sizes(share=0.01, seen=6, unseen=4, dim=48, signal=0.3)
    targets = made_targets(sizes)
    write_made_store(str(tmp_path / "ov"), targets, sizes)
    write_made_annotations(tmp_path / "truth", targets)
    s = LeaderboardSettings(
        dataset="json", annotations=str(tmp_path / "truth"), metrics="ovavel", budget=64, resamples=200,
        decoders="av2a,ovavel,ovavel:training_free", out=str(tmp_path / "b"),
    )  # fmt: skip
    board = leaderboard([str(tmp_path / "ov")], s)
    assert board.rank_by == "total_avg"
    assert board.shown == ("total_avg", "total_acc")
    assert not [one.row.problem for one in board.standings if one.row.problem]
    free = next(one for one in board.standings if one.row.name == "ovavel:training_free")
    tuned = next(one for one in board.standings if one.row.name == "ovavel")
    assert tuned.row.value >= free.row.value
    assert board.lead.first == "ov/av2a"
    assert board.lead.separated
    assert "gives audio_visual events only".replace("_", "-") in tuned.row.notes


# --- what a decoder cannot do --------------------------------------------------------------------------------------


def test_what_a_decoder_cannot_do_is_said_in_its_row(files, tmp_path, plugins, monkeypatch):
    names = "board_fails,board_level,board_fixed,board_needs,board_fails_later,board_never,ovavel,board_level:low"
    board = made_board(files, tmp_path / "b", decoders=names)
    row = {one.row.name: one for one in board.standings}
    assert row["board_fails"].rank is None
    assert row["board_fails"].row.problem.startswith("the decoder 'board_fails' failed (ValueError: out of order)")
    assert board.baseline == "board_level"
    fixed = row["board_fixed"].row
    assert (fixed.tuned, fixed.tried, fixed.params) == (False, 1, Level())
    assert any("declares nothing to search" in note for note in fixed.notes)
    needs = row["board_needs"].row
    assert needs.params == Level(level=0.6)
    told = "starts from its preset here, since its usual start does not run here: level 0.5 needs"
    assert any(told in note for note in needs.notes)
    assert any("the space has one setting only" in note for note in needs.notes)
    later = row["board_fails_later"].row
    assert (later.tuned, later.params) == (False, Level())
    assert any("its start is reported: the decoder 'board_fails_later' failed" in note for note in later.notes)
    never = row["board_never"].row
    assert (never.tuned, never.tried, never.params) == (False, 13, Level())
    assert any("each of the 13 settings reaches the same objective" in note for note in never.notes)
    low = row["board_level:low"]
    assert (low.row.tuned, low.row.params) == (False, Level(level=0.3))
    assert any("starts from its preset training_free_no_other" in note for note in row["ovavel"].row.notes)
    shown = leaderboard_text(board)
    assert "board_fails: does not run: the decoder 'board_fails' failed" in " ".join(shown.split())
    rows = json.loads((tmp_path / "b" / FILES["json"]).read_text())["rows"]
    assert [one["decoder"] for one in rows if one["problem"] is None] == names.split(",")[1:]


@pytest.mark.parametrize("kind", [NoAnswer, NodesLost, OSError])
@pytest.mark.parametrize("place", ["rows.tuned", "rows.settings_for", "figures.reached", "rows.task_on"])
def test_what_is_no_fault_of_the_decoder_is_not_said_in_its_row(files, tmp_path, plugins, monkeypatch, kind, place):
    """A disk that is full, a server or a cluster that is gone: every row would fail."""

    def fails(*_, **__):
        if kind is not OSError:
            raise kind("gone")
        raise DataError("the disk is full") from OSError(28, "No space left on device")

    module, name = place.split(".")
    monkeypatch.setattr({"rows": board_rows, "figures": board_figures}[module], name, fails)
    with pytest.raises(DataError, match=r"gone|the disk is full"):
        made_board(files, tmp_path / "b", decoders="board_level")
    assert not (tmp_path / "b" / FILES["json"]).exists()


def test_a_plug_in_that_lacks_a_file_is_its_own_fault(files, tmp_path, plugins, monkeypatch):
    def fails(self, inputs, params):
        raise FileNotFoundError(2, "No such file", "weights.npy")

    monkeypatch.setattr(Fails, "decode", fails)
    board = made_board(files, tmp_path / "b", decoders="board_fails,board_level")
    assert board.standings[0].row.problem.startswith("the decoder 'board_fails' failed (FileNotFoundError: ")
    assert board.standings[1].rank == 1


def test_none_that_runs_is_an_error(files, tmp_path, plugins):
    with pytest.raises(DataError, match=r"no decoder runs on these scores \(val/board_fails: the decoder"):
        made_board(files, tmp_path / "b", decoders="board_fails")


def test_every_registered_decoder_has_a_row(files, tmp_path, plugins, monkeypatch):
    """Decoders that come later appear by themselves, and a broken plug-in is a row with its reason."""
    get, own = DECODERS.get, {name: DECODERS._own[name] for name in ("av2a", "threshold")}
    monkeypatch.setattr(DECODERS, "_own", own)  # some search long

    def broken(name):
        if name == "board_fails":
            raise UsageError("the decoder 'board_fails' cannot be used; fix or uninstall it")
        return get(name)

    monkeypatch.setattr(DECODERS, "get", broken)
    board = made_board(files, tmp_path / "b", decoders=None, budget=8, resamples=0)
    assert board.names == tuple(DECODERS)
    row = {one.row.name: one.row for one in board.standings}
    assert row["board_fails"].problem == "the decoder 'board_fails' cannot be used; fix or uninstall it"
    assert {name for name, one in row.items() if one.problem} == {"board_fails"}
    assert board.lead.separated is None
    text = leaderboard_text(board)
    assert "[" not in text.split("settings", 2)[2].split("wrote")[0].split("board_fails:")[0].split("\n\n")[0]


def test_presets_of_all_decoders_of_the_package_run_or_say_why(files, tmp_path):
    named = [f"{name}:{preset}" for name in DECODERS for preset in list(DECODERS.get(name).presets)[-1:]]
    board = made_board(files, tmp_path / "b", decoders=",".join(named), resamples=0)
    assert len(named) == len({name for name in DECODERS if DECODERS.get(name).presets}) > 1
    assert all((one.rank is None) == bool(one.row.problem) for one in board.standings)
    assert "av2a:naive_demo" in {one.row.name for one in board.ranked}
    assert not any(path.is_dir() for path in (tmp_path / "b").iterdir())


# --- stopped and continued -----------------------------------------------------------------------------------------


def test_whatever_stops_it_the_same_bytes_come_of_it(files, tmp_path, plugins, monkeypatch):
    names = "board_level,av2a:naive_demo"
    made_board(files, tmp_path / "b", decoders=names)
    want = content_of(tmp_path / "b")
    shutil.rmtree(tmp_path / "b")
    sweep, write = search.swept, os.replace
    rng, state = random.Random(3), {"left": 0, "on": True}

    def step():
        state["left"] -= 1
        if state["on"] and state["left"] < 0:
            raise KeyboardInterrupt

    def stopping(*a, **k):
        for part in sweep(*a, **k):
            step()
            yield part

    def replaced(*a, **k):
        step()
        write(*a, **k)

    monkeypatch.setattr(search, "swept", stopping)
    monkeypatch.setattr(os, "replace", replaced)
    stops, told = 0, []
    for turn in range(200):
        state["left"] = rng.randrange(2 + turn // 2)
        try:
            made_board(files, tmp_path / "b", decoders=names)
            break
        except (Interrupted, KeyboardInterrupt) as error:
            stops += 1
            told.append(str(error))
    assert stops > 5
    assert any("rows; run the same command, without --overwrite, to go on" in text for text in told)
    state["on"] = False
    assert content_of(tmp_path / "b") == want
    before = (tmp_path / "b" / "val" / "board_level" / "trials.csv").stat().st_mtime_ns
    made_board(files, tmp_path / "b", decoders=names)
    assert content_of(tmp_path / "b") == want
    assert (tmp_path / "b" / "val" / "board_level" / "trials.csv").stat().st_mtime_ns == before
    timing = json.loads((tmp_path / "b" / FILES["timing"]).read_text())
    assert set(timing["rows"]) == {"val/board_level", "val/av2a:naive_demo"}
    assert all(row["decoding_us_per_video"] > 0 for row in timing["rows"].values())


def test_rows_are_added_and_other_settings_are_refused(files, tmp_path, plugins):
    first = made_board(files, tmp_path / "b", decoders="board_level")
    more = made_board(files, tmp_path / "b", decoders="board_level,av2a", baseline="av2a")
    assert more.standings[0].row.params == first.standings[0].row.params
    assert more.standings[0].baseline == "val/av2a"
    for name, value, told in (
        ("budget", 25, "another budget (24, now 25)"), ("seed", 1, "another seed"), ("resamples", 51, "resamples"),
        ("objective", "type_av_seg", "another objective"), ("videos", 10, "number of search videos (200, now 10)"),
        ("sharp", True, "another sharp (False, now True)"),
    ):  # fmt: skip
        with pytest.raises(UsageError) as error:
            made_board(files, tmp_path / "b", decoders="board_level", **{name: value})
        assert told in str(error.value)
        assert "holds a leaderboard with" in str(error.value)
    other = made_board(files, tmp_path / "b", budget=5, overwrite=True, decoders="board_level")
    assert other.standings[0].row.tried == 5
    with pytest.raises(UsageError, match="holds a search with other"):
        leaderboard(
            [_another_of_the_name(files, tmp_path)], asked(files, tmp_path / "b", budget=5, decoders="board_level")
        )


def _another_of_the_name(files, tmp_path) -> str:
    """Another store under the name of the first."""
    (tmp_path / "x").mkdir()
    shutil.copytree(files / "other-val.store", tmp_path / "x" / "val.store")
    return str(tmp_path / "x" / "val.store")


@pytest.mark.parametrize("name", ["board.json", "val/board_level/row.json", "val/board_level/search.json"])
def test_a_changed_file_is_found(files, tmp_path, plugins, name):
    made_board(files, tmp_path / "b", decoders="board_level", resamples=13)
    path = tmp_path / "b" / name
    if path.name == "search.json":
        (path.parent / "row.json").unlink()  # the search of a finished row is not looked at again
    whole = path.read_text()
    for text in (whole[:-40], whole.replace("13", "12", 1), "[]"):
        assert text != whole
        path.write_text(text)
        with pytest.raises(DataError, match=r"damaged|not readable"):
            made_board(files, tmp_path / "b", decoders="board_level", resamples=13)
    path.write_text(whole)
    assert made_board(files, tmp_path / "b", decoders="board_level", resamples=13).lead is None


def test_a_half_written_row_goes_on(files, tmp_path, plugins):
    made_board(files, tmp_path / "b", decoders="board_level")
    want = content_of(tmp_path / "b")
    for name in ("row.json", "best.toml", "search.json"):
        (tmp_path / "b" / "val" / "board_level" / name).unlink()
        if name == "search.json":
            (tmp_path / "b" / "val" / "board_level" / "trials.csv").unlink()
            for other in ("row.json", "best.toml", "per_video_best.csv", "summary.json", "timing.json", "search.html"):
                (tmp_path / "b" / "val" / "board_level" / other).unlink()
        made_board(files, tmp_path / "b", decoders="board_level")
        assert content_of(tmp_path / "b") == want


# --- what is asked for ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--decoders", "av2b"], "there is no decoder 'av2b'; did you mean 'av2a'?"),
        (["--decoders", "av2a:dem"], "did you mean 'demo'"),
        (["--decoders", "av2a,,ovavel"], "has an empty name"),
        (["--decoders", "av2a,av2a"], "names av2a twice"),
        (["--decoders", "no_such_module:Class"], "the decoder 'no_such_module:Class' cannot be used"),
        (["--baseline", "naive"], "the baseline 'naive' is no row of this leaderboard; rows are av2a, ovavel"),
        (["--baseline", "avea"], "did you mean 'av2a'?"),
        (["--tune-split", "dev"], "dev"),
        (["--report-split", "val", "--report-store", "{val}", "--report-annotations", "{val_json}"],
         "--tune-split and --report-split are both val"),
        (["--report-store", "{val}"], "has no video of the split test"),
        (["{test}"], "--report-store is given 1 times for 2 stores"),
        (["{val}", "--report-store", "{test}"], "is named twice"),
        (["--objective", "type_av"], "there is no figure 'type_av'"),
        (["--metrics", "lp"], "there is no metric 'lp'"),
        (["--budget", "0"], "tries nothing"),
        (["--bootstrap", "-1"], "resamples make no interval"),
        (["--folds", "1"], "keeps nothing to search on"),
        (["--memory", "much"], "is no size"),
        (["--out", "{val}"], "it lies in the store"),
        (["--out", "{around}"], "it lies in the store"),
        (["--threads", "0"], "threads is 0; it must be at least 1"),
        (["--videos", "-1"], "a search needs at least one video; got -1"),
        (["--out", "{tuned}"], "is not the folder of a leaderboard, but holds a file search.json"),
    ],
)  # fmt: skip
def test_a_wrong_request_is_one_sentence(files, tmp_path, more, told):
    places = {"val": files / "val.store", "test": files / "test.store", "val_json": files / "val.json",
              "tuned": tmp_path / "tuned", "around": tmp_path / "around"}  # fmt: skip
    (tmp_path / "tuned").mkdir()
    shutil.copytree(files / "test.store", tmp_path / "around" / "val")  # where the rows of the store `val` would go
    (tmp_path / "tuned" / "search.json").write_text("{}")
    given = [
        "leaderboard", files / "val.store", "--dataset", "json", "--annotations", files / "val.json",
        "--report-annotations", files / "test.json", "--budget", 8, "--bootstrap", 0, "--decoders", "av2a,ovavel",
    ]  # fmt: skip
    if "--report-store" not in more or "twice" in told:
        given += ["--report-store", files / "test.store"]
    if "--out" not in more:
        given += ["--out", tmp_path / "b"]
    done = CliRunner().invoke(main, [str(a).format(**places) for a in (*given, *more)])
    assert done.exit_code in (1, 2)
    assert isinstance(done.exception, SystemExit), done.exception
    assert told in done.output, done.output
    assert len(done.output.strip().splitlines()) == 1
    assert not (tmp_path / "b").exists()


def test_a_figure_that_the_report_split_does_not_have_ranks_nothing(files, tmp_path, plugins, monkeypatch):
    """Figures of a metric may depend on the videos, as those of groups do."""

    class BySplit(Metric):
        name = "by_split"
        mean_over_videos = False

        def names(self, truth):
            return ("of_val", "more") if len(truth.segments) >= 12 else ("more",)

        def score(self, predicted, truth):
            counts = np.diff(predicted.starts[:: 3 * predicted.num_videos]).astype(np.float64)
            names = self.names(truth)
            return Scores(names, np.stack([counts] * len(names), axis=1))

    METRICS.register(BySplit(), "by_split")
    try:
        board = made_board(
            files, tmp_path / "b", metrics="by_split", objective="of_val", decoders="board_level,board_fixed"
        )
    finally:
        METRICS.unregister("by_split")
    assert [one.rank for one in board.standings] == [1, 2]
    assert board.lead is None
    assert board.standings[0].figure("of_val") is None
    assert board.standings[0].figure("more") is not None
    assert "of_val" in leaderboard_text(board)


def test_nobody_leads_where_the_figure_is_undefined(files, tmp_path):
    truth = load_annotations("json", files / "test.json", "test")
    empty = truth.events.where(np.zeros(len(truth.events.label), np.bool_))
    write_annotations(tmp_path / "empty.json", replace(truth, events=empty))
    given = asked(
        files, tmp_path / "b", report_annotations=str(tmp_path / "empty.json"), decoders="threshold,cuerator", budget=2,
        metrics="map_tiou(tiou=0.5)", resamples=5,
    )  # fmt: skip
    board = leaderboard([str(files / "val.store")], given)
    assert board.lead is None
    assert "nan" not in leaderboard_text(board)
    assert json.loads((tmp_path / "b" / FILES["json"]).read_text())["lead"] is None


def test_the_command_prints_a_table_and_json(files, tmp_path, plugins):
    given = [
        "leaderboard", files / "val.store", "--dataset", "json", "--annotations", files / "val.json",
        "--report-annotations", files / "test.json", "--report-store", files / "test.store", "--budget", 16,
        "--bootstrap", 30, "--decoders", "board_level,test_leaderboard:OneLevel,test_leaderboard:OneLevel:low",
        "--objective", "visual_seg", "--out", tmp_path / "b",
    ]  # fmt: skip
    done = CliRunner().invoke(main, [*map(str, given)])
    assert done.exit_code == 0, done.output
    assert "1 of 3: board_level on val" in done.stderr
    assert (tmp_path / "b" / "val" / "test_leaderboard-OneLevel" / "best.toml").exists()
    printed = CliRunner().invoke(main, [*map(str, given), "--json"])
    found = json.loads(printed.stdout)
    timing, files_ = found.pop("timing"), found.pop("files")
    assert found == json.loads((tmp_path / "b" / "leaderboard.json").read_text())
    assert timing["rows"].keys() == {f"val/{row['decoder']}" for row in found["rows"]}
    assert files_["page"] == str(tmp_path / "b" / "leaderboard.html")
    assert found["rank_by"] == "visual_seg"
    same = [row["figures"] for row in found["rows"][:2]]
    assert same[0] == same[1]
    assert found["rows"][1]["differences"]["visual_seg"]["figure"] == 0
    table = CliRunner().invoke(main, [*map(str, given), "--table", "csv"]).stdout
    assert table.splitlines()[0].startswith("name,decoder,")
    assert "visual_seg" not in json.dumps(timing)


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links, self.text = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("href", "src")]

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_holds_no_script_and_escapes_every_name(files, tmp_path, plugins):
    evil = "</style><script>alert(1)</script><b>&"
    truth = load_annotations("json", files / "test.json", "test")
    write_annotations(tmp_path / "t.json", replace(truth, split=evil))
    board = made_board(files, tmp_path / "b", report_annotations=str(tmp_path / "t.json"), report_split=evil,
                       decoders="board_level,board_fixed,board_fails")  # fmt: skip
    for name in ("page", "timing_page"):
        text = (tmp_path / "b" / FILES[name]).read_text()
        page = _Page()
        page.feed(text)
        assert "script" not in page.tags
        assert "b" not in page.tags
        assert "default-src 'none'" in text
        assert all(not link.startswith(("http", "//", "/")) for link in page.links)
        for link in page.links:
            assert link.startswith("#") or (tmp_path / "b" / link).exists()
        assert "board_level" in "".join(page.text)
    text = (tmp_path / "b" / FILES["page"]).read_text()
    assert evil not in text
    assert text.count("<svg") == 3  # two figures, one difference
    assert f"{board.standings[0].figure('objective').figure:.1f} [" in text


# --- small parts ---------------------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(st.lists(st.one_of(st.none(), st.floats(-100, 100), st.just(float("nan")))))
def test_places_are_those_of_a_sort(values):
    places = ranks(values)
    known = [(v, p) for v, p in zip(values, places, strict=True) if p is not None]
    assert sorted(p for _, p in known) == list(range(1, len(known) + 1))
    assert all((p is None) == (v is None) for v, p in zip(values, places, strict=True))
    by_place = [v for v, _ in sorted(known, key=lambda one: one[1])]
    defined = [v for v in by_place if v == v]
    assert by_place[: len(defined)] == sorted(defined, reverse=True)


@settings(max_examples=50)
@given(st.lists(st.text(st.sampled_from("ab./-_ é"), min_size=1), min_size=1, max_size=5, unique=True))
def test_stores_get_names_that_can_be_folders(paths):
    names = store_names(paths)
    assert len({name.casefold() for name in names}) == len(paths)
    assert all(is_name(name) and "/" not in name and name not in (".", "..") for name in names)
