"""Stores that memory does not hold: whatever ``--memory`` is, the bytes are those of a store in memory."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from avreplay.cache import StoreWriter, import_bundle, open_store
from avreplay.cache.joined import open_stores
from avreplay.cache.score_set_writer import write_score_set
from avreplay.cli import main
from avreplay.core.command_options import parse_size, size_text
from avreplay.core.decoders.base import Decoder, Inputs, Reads
from avreplay.core.decoders.input_blocks import InputBlocks, blocks_in_memory, parts_of
from avreplay.core.decoders.registry import DECODERS
from avreplay.core.decoders.replayed import replayed
from avreplay.core.errors import UsageError
from avreplay.core.events import Events
from avreplay.core.exact.curves import tau_f_curves
from avreplay.core.exact.response import exact_response
from avreplay.core.metrics.base import Metric, Scores
from avreplay.core.params.av2a import Params
from avreplay.core.params.ovavel import OvavelParams
from avreplay.core.sweep import sweep
from avreplay.evaluate.inputs import decoder_inputs, input_blocks, reads_of
from avreplay.evaluate.replay import replay, replay_blocks
from avreplay.evaluate.tuning import tune
from avreplay.evaluate.tuning.identity import content_digest, scores_digest
from avreplay.evaluate.tuning.problem import Problem, make_problem
from avreplay.evaluate.tuning.search import search_rounds
from avreplay.evaluate.tuning.text import tune_text
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from made_store import CONFIG, video, vocabulary, write_store
from tuning_data import START, made, settings_for, write_made

AV2A = DECODERS.get("av2a")
MEMORY = ("10kB", "25kB", "70kB")
"""From about a video a block to a few blocks, of the stores below."""
VIDEOS = 109
"""With data, of the store."""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Embeddings of 120 videos in shards, uneven, some silent or without data; scores are computed of them."""
    place = tmp_path_factory.mktemp("streaming") / "made.store"
    write_store(str(place), 120)
    bundle = open_store(place).bundle()
    other = replace(bundle, audio_segments=bundle.audio_segments * np.float32(0.5))
    write_score_set(str(place), "half", other, {"made": True})
    return place


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Imported scores and annotations of two splits."""
    folder = tmp_path_factory.mktemp("files")
    write_made(folder, 0, 24, "val")
    write_made(folder, 1, 15, "test")
    return folder


def run(*given):
    done = CliRunner().invoke(main, [str(a) for a in given])
    assert done.exit_code == 0, done.output
    return done


class EmbeddingsDecoder(Decoder):
    """One event a video, of which segments and score come from the embeddings and texts."""

    name = "of_embeddings"
    params = Params

    def reads(self, settings):
        return Reads(embeddings=True, text=True)

    def decode(self, inputs, params):
        starts, tracks = inputs.scores.segment_starts, []
        for v in range(inputs.scores.num_videos):
            rows = inputs.embeddings.visual_segments[starts[v] : starts[v + 1]] @ inputs.text.visual[0]
            tracks.append([[], [(0, int(np.argmax(rows)), len(rows), float(np.nansum(rows)))], []])
        return Events.from_tracks(tracks)


# --- sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"),
    [("2GB", 2 * 10**9), ("500 MB", 5 * 10**8), ("1.5GiB", 3 * 2**29), ("7", 7), (" 12kib ", 12288), ("2g", 2 * 10**9),
     (".5kB", 500), (4096, 4096)],
)  # fmt: skip
def test_a_size_is_a_number_of_bytes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["0", "-1GB", "12 parsecs", "", "GB", "1e9", "nan", "inf", "0.4", "1,5GB", "9" * 30,
                                  "2GB2GB", "iB", "２GB"])  # fmt: skip
def test_what_is_no_size_is_refused_in_one_sentence(text, store):
    with pytest.raises(UsageError) as error:
        parse_size(text)
    assert str(error.value).count(". ") == 0
    assert "--memory" in str(error.value)
    done = CliRunner().invoke(main, ["replay", str(store), "--memory", text])
    assert done.exit_code == 2
    assert "--memory" in done.output


@given(st.integers(1, 2**59))
def test_a_size_in_words_is_read_as_no_less(size):
    assert size <= parse_size(size_text(size)) <= 1.01 * size


def test_a_memory_that_one_video_exceeds_names_the_least_that_does(store):
    for needed in SETTINGS["release"], SETTINGS["ovavel"]:
        with pytest.raises(UsageError, match=r"give --memory .* at least") as error:
            replay(store, needed, memory=100)
        least = str(error.value).split("--memory ")[1].split(" at least")[0]
        assert "the video 'v" in str(error.value)
        assert replay(store, needed, memory=least).replay.events.num_videos == VIDEOS


# --- what is read ----------------------------------------------------------------------------------------------------


def joined(parts, name):
    return np.concatenate([getattr(p, name) for p in parts])


@pytest.mark.parametrize("reads", [Reads(), Reads("cosine"), Reads(embeddings=True, text=True)], ids=str)
@pytest.mark.parametrize("scores", [None, "half"])
@pytest.mark.parametrize("memory", MEMORY)
def test_blocks_joined_are_the_inputs_of_all_videos(store, reads, scores, memory):
    whole = decoder_inputs(store, reads, scores)
    blocks = input_blocks(store, reads, scores, memory=memory)
    parts = list(blocks)
    assert len(parts) == len(blocks.slices)
    assert sum((p.scores.video_ids for p in parts), ()) == whole.scores.video_ids == blocks.scores.video_ids
    assert blocks.scores.labels == whole.scores.labels
    assert np.array_equal(blocks.scores.segments_per_video, whole.scores.segments_per_video)
    assert np.array_equal(joined([p.scores for p in parts], "visual_segments"), whole.scores.visual_segments)
    if whole.embeddings is not None:
        for name in ("audio_segments", "visual_segments"):
            assert np.array_equal(joined([p.embeddings for p in parts], name), getattr(whole.embeddings, name),
                                  equal_nan=True)  # fmt: skip
    chosen = np.random.default_rng(0).permutation(VIDEOS)[:11]
    some, of_whole = blocks.select(chosen).whole(), whole.select(chosen)
    assert some.scores.video_ids == of_whole.scores.video_ids
    assert np.array_equal(some.scores.audio_segments, of_whole.scores.audio_segments)
    if of_whole.embeddings is not None:
        assert np.array_equal(some.embeddings.audio_segments, of_whole.embeddings.audio_segments, equal_nan=True)


def test_no_more_is_alive_than_memory_holds(store):
    for memory in (10_000, 20_000, 60_000):
        blocks = input_blocks(store, Reads(), memory=memory)
        sizes = [int(blocks.sizes[s].sum()) for s in blocks.slices]
        assert sum(sizes) == blocks.nbytes > memory
        assert max(sizes) <= memory // 4
        # no block could take its follower's first video
        follow = [int(blocks.sizes[s.start]) for s in blocks.slices[1:]]
        assert all(a + b > memory // 4 for a, b in zip(sizes, follow, strict=False))


def test_what_is_read_at_once_does_not_grow_with_the_store(tmp_path, monkeypatch):
    """The largest read of a replay, for a store and one of four times the videos."""
    asked = []
    for videos in (80, 320):
        write_store(str(tmp_path / f"{videos}.store"), videos)
        largest = 0
        blocks = replay_blocks(tmp_path / f"{videos}.store", Params(score_norm="sigmoid"), memory="15kB")

        def source(chosen, of=blocks.inputs.source):
            nonlocal largest
            found = of(chosen)
            held = [getattr(found.scores, n) for n in ("visual_segments", "window_visual", "window_audio")]
            largest = max(largest, sum(array.nbytes for array in held))
            return found

        for result in replace(blocks, inputs=replace(blocks.inputs, source=source)):
            assert result.replay.events.num_videos
        asked.append(largest)
    assert asked[1] <= 1.1 * asked[0] <= 15_000 / 4


# --- replay ----------------------------------------------------------------------------------------------------------

SETTINGS = {
    "release": Params(score_norm="sigmoid", tau0=0.4),
    "paper": Params(score_norm="sigmoid", tau0=0.4, precision="float64", ratio="pinv"),
    "late": Params(score_norm="sigmoid", tau0=0.4, fusion="late"),
    "ovavel": OvavelParams(background="none"),
}


def same_events(a: Events, b: Events):
    assert (a.num_settings, a.num_videos) == (b.num_settings, b.num_videos)
    for name in ("starts", "label", "onset", "offset", "score"):
        assert np.array_equal(getattr(a, name), getattr(b, name), equal_nan=name == "score"), name


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("scores", [None, "half"])
def test_events_do_not_depend_on_memory(store, name, memory, scores):
    params = [SETTINGS[name], SETTINGS[name].override({"min_length": 2} if name != "ovavel" else {})]
    whole, found = replay(store, params, scores=scores), replay(store, params, scores=scores, memory=memory)
    same_events(found.replay.events, whole.replay.events)
    assert found.replay.windows_asked == whole.replay.windows_asked
    assert found.predictions(1).made_from == whole.predictions(1).made_from
    assert repr(found) == repr(whole)
    assert np.array_equal(found.bundle.visual_segments, whole.bundle.visual_segments)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_events_of_chosen_videos_in_any_order_and_memory(store, data):
    ids = open_store(store).bundle().video_ids
    chosen = data.draw(st.lists(st.sampled_from(ids), unique=True, max_size=12))
    memory = data.draw(st.integers(10_000, 200_000))
    tracks = data.draw(st.sampled_from([("audio",), ("visual", "audio_visual"), ("audio", "visual", "audio_visual")]))
    given_ = {"videos": chosen, "tracks": tracks}
    whole, found = (replay(store, SETTINGS["release"], memory=m, **given_) for m in (None, memory))
    same_events(found.replay.events, whole.replay.events)
    assert found.predictions().video_ids == tuple(chosen)


@pytest.mark.parametrize("name", ["release", "ovavel"])
def test_several_stores_read_as_one_go_over_blocks(store, tmp_path, name):
    ids = [f"v{i}" for i in range(120, 150)]
    with StoreWriter.open(str(tmp_path / "more.store"), CONFIG, ids, shard_videos=8) as writer:
        for index, some in writer.pending():
            writer.write_shard(index, [video(v) for v in some])
        writer.set_vocabulary(vocabulary())
        writer.finish()
    several = open_stores([store, tmp_path / "more.store"])
    whole, found = (replay(several, SETTINGS[name], memory=m) for m in (None, "25kB"))
    assert found.replay.events.num_videos > VIDEOS
    same_events(found.replay.events, whole.replay.events)
    if name == "release":
        whole, found = (replay(several, Params(), decoder=EmbeddingsDecoder(), memory=m) for m in (None, "25kB"))
    same_events(found.replay.events, whole.replay.events)


def test_a_decoder_of_embeddings_goes_over_blocks(store):
    whole, found = (replay(store, Params(), decoder=EmbeddingsDecoder(), memory=m) for m in (None, "20kB"))
    assert len(whole.replay.events.label) == VIDEOS
    same_events(found.replay.events, whole.replay.events)


@pytest.mark.parametrize("name", ["release", "late"])
@pytest.mark.parametrize("memory", ["15kB", "60kB"])
def test_the_command_writes_the_same_bytes(store, tmp_path, name, memory):
    sets = [a for k, v in {"score_norm": "sigmoid", "tau0": 0.4}.items() for a in ("--set", f"{k}={v}")]
    sets += ["--set", "fusion=late"] if name == "late" else []
    said = []
    for file, more in (("whole", ()), ("blocks", ("--memory", memory))):
        out, trace = tmp_path / f"{file}.json", tmp_path / f"{file}.npz"
        done = run("replay", store, *sets, "--out", out, "--trace", trace, "--json", *more)
        found = json.loads(done.stdout)
        said.append({**found, "out": None, "trace": None})
    assert said[0] == said[1]
    assert sum(said[0]["events"].values()) > 50
    for suffix in ("json", "npz"):
        assert (tmp_path / f"whole.{suffix}").read_bytes() == (tmp_path / f"blocks.{suffix}").read_bytes()
    kept = replay(store, SETTINGS[name], trace=True, memory=memory)
    kept.save_trace(tmp_path / "python.npz")
    with np.load(tmp_path / "whole.npz") as whole, np.load(tmp_path / "python.npz") as python:
        assert whole.files == python.files
        for array in whole.files:
            assert np.array_equal(whole[array], python[array], equal_nan=whole[array].dtype.kind == "f"), array


@pytest.mark.parametrize("videos", [0, 1])
def test_stores_of_no_video_and_of_one(tmp_path, videos):
    bundle, _ = made(0, 3)
    import_bundle(bundle.select_videos(range(videos)), tmp_path / "few.store")
    for memory in ("1B", "1GB"):
        if videos and memory == "1B":
            continue
        out = tmp_path / f"{memory}.json"
        run("replay", tmp_path / "few.store", "--out", out, "--trace", out.with_suffix(".npz"), "--memory", memory)
        assert len(json.loads(out.read_text())["videos"]) == videos
        assert [r.replay.events.num_videos for r in replay_blocks(tmp_path / "few.store", START, memory=memory)] == [
            videos
        ]


# --- sweeps, searches, exact responses -------------------------------------------------------------------------------


class Share(Metric):
    """No mean over videos: the share of the events whose label is the most frequent one."""

    name = "share"
    mean_over_videos = False

    def names(self, truth):
        return ("share", "videos")

    def score(self, predicted, truth):
        found = []
        for s in range(predicted.num_settings):
            counts = np.bincount(predicted.setting(s).label, minlength=len(truth.labels))
            found.append([100 * counts.max() / max(1, counts.sum()), float(len(truth.segments))])
        return Scores(self.names(truth), np.array(found))


def problem_of(files, memory, metrics="auto", **options):
    _, truth = made(0, 24)
    inputs = input_blocks(files / "val.store", reads_of(AV2A, [START]), memory=memory).held()
    return make_problem(inputs, truth, metrics=metrics, **options)


@pytest.mark.parametrize("metrics", ["auto", Share()], ids=["mean", "no_mean"])
@pytest.mark.parametrize("memory", ["7kB", "12kB"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_sweep_of_blocks_gives_the_parts_of_one_in_memory(files, metrics, memory, threads):
    from avreplay.core.params.table import ParamTable

    whole, blocks = problem_of(files, None, metrics), problem_of(files, memory, metrics)
    assert isinstance(whole.inputs, Inputs)
    assert isinstance(blocks.inputs, InputBlocks)
    assert len(blocks.inputs.slices) > 2
    table = ParamTable(START, {"tau0": np.linspace(0.3, 0.7, 23), "tau_f": np.tile([0.2], 23)})
    weights = [1.0] * len(whole.target.names)

    def swept(problem, **options):
        parts = list(sweep(AV2A, problem.inputs, table, problem.target, weights, **options))
        assert [p.begin for p in parts] == np.cumsum([options.get("begin", 0), *(len(p.objective) for p in parts)])[
            :-1
        ].tolist()
        per_video = None if parts[0].per_video is None else np.concatenate([p.per_video for p in parts])
        return np.concatenate([p.figures for p in parts]), np.concatenate([p.objective for p in parts]), per_video

    for options in ({}, {"begin": 7}, {"part": 5}):
        for a, b in zip(swept(whole, **options), swept(blocks, threads=threads, **options), strict=True):
            assert (a is None and b is None) or np.array_equal(a, b)


@pytest.mark.parametrize("memory", ["7kB", "12kB", "20kB"])
def test_a_search_is_known_by_its_scores_in_any_memory(files, memory):
    whole, blocks = problem_of(files, None), problem_of(files, memory)
    assert scores_digest(blocks.inputs) == scores_digest(whole.inputs)
    assert scores_digest(blocks.inputs.select([3, 1, 2])) == scores_digest(whole.inputs.select([3, 1, 2]))
    assert scores_digest(blocks.inputs) != scores_digest(blocks.inputs.select(np.arange(23)))


def left_by(folder):
    """What a search leaves, without seconds and places."""
    found = {}
    for file in sorted(folder.iterdir()):
        if file.suffix in (".csv", ".toml"):
            found[file.name] = file.read_bytes()
    return found


SEARCHES = {
    "sobol-local": {"sampler": "sobol-local", "trials": 60},
    "sobol": {"sampler": "sobol", "trials": 40},
    "grid": {"sampler": "grid", "points": 5},
    "random": {"sampler": "random", "trials": 16, "batch": 8},
}


def without_seconds(found):
    drop = ("seconds", "honest_seconds", "files")
    return {k: v for k, v in found.items() if k not in drop}


@pytest.mark.once
@pytest.mark.parametrize("sampler", SEARCHES)
def test_a_search_finds_the_same_in_any_memory(files, tmp_path, sampler):
    results = []
    for memory in (None, "20kB"):
        s = settings_for(
            files, tmp_path / str(memory), **SEARCHES[sampler], folds=2 * (sampler == "sobol-local"),
            report_split="test", report_store=str(files / "test.store"),
            report_annotations=str(files / "test.json"), memory=memory,
        )  # fmt: skip
        result = tune(files / "val.store", s)
        assert isinstance(result.problem.inputs, Inputs) == (memory is None)
        results.append((without_seconds(result.as_dict()), left_by(tmp_path / str(memory))))
    for found, left in results[1:]:
        assert found == results[0][0]
        assert left == results[0][1]


@pytest.mark.parametrize("sampler", ["sobol-local", "sobol", "random"])
def test_a_longer_search_goes_on_in_another_memory(files, tmp_path, sampler):
    options = {**SEARCHES[sampler], "folds": 0, "resamples": 0}
    found = []
    for name, memories in (("whole", [None]), ("on", ["20kB", "16kB"])):
        for memory, trials in zip(memories, (8, 16)[-len(memories) :], strict=True):
            s = settings_for(files, tmp_path / name, **options | {"trials": trials}, memory=memory)
            result = tune(files / "val.store", s)
        assert result.found.new_trials == (16 if name == "whole" else 8)
        found.append({k: v for k, v in without_seconds(result.as_dict()).items() if k != "new_trials"})
    assert found[0] == found[1]


def test_a_search_of_a_metric_that_is_no_mean_finds_the_same(files, tmp_path):
    from avreplay.core.metrics.registry import METRICS

    METRICS.register(Share(), "share")
    try:
        found = []
        for memory in (None, "24kB"):
            s = settings_for(files, tmp_path / str(memory), metrics="share", objective="share", folds=3, trials=24,
                             sampler="sobol", memory=memory)  # fmt: skip
            found.append(without_seconds(tune(files / "val.store", s).as_dict()))
    finally:
        METRICS.unregister("share")
    assert found[0] == found[1]


def test_what_needs_all_videos_at_once_is_made_on_some_of_very_many(files, tmp_path, monkeypatch):
    from avreplay.evaluate.tuning.honest import stage

    monkeypatch.setattr(stage, "MOST_VIDEOS", 9)
    found = []
    for memory in (None, "20kB"):
        s = settings_for(files, tmp_path / str(memory), folds=3, trials=16, sampler="sobol", memory=memory)
        result = tune(files / "val.store", s)
        assert "of 9 of the 24 videos" in result.honest.note
        assert result.honest.note in tune_text(result)
        assert len(result.honest.optimum.value) == 20
        found.append(without_seconds(result.as_dict()))
    assert found[0] == found[1]
    assert found[0]["honest_note"] == result.honest.note


def test_an_interrupted_search_goes_on_in_another_memory(files, tmp_path, monkeypatch):
    options = {**SEARCHES["sobol-local"], "folds": 2}
    whole = tune(files / "val.store", settings_for(files, tmp_path / "whole", **options))
    from avreplay.evaluate.tuning import run as of_run

    def stopping(evaluate, plan, trials, journal, objective, *, progress):
        def stop(done, *rest):
            if done >= 35:
                raise KeyboardInterrupt

        return search_rounds(evaluate, plan, trials, journal, objective, progress=stop)

    monkeypatch.setattr(of_run, "search_rounds", stopping)
    first = tune(files / "val.store", settings_for(files, tmp_path / "again", **options, memory="30kB"))
    assert first.found.stopped
    assert 35 <= first.found.done < 60
    monkeypatch.undo()
    found = tune(files / "val.store", settings_for(files, tmp_path / "again", **options, memory="50kB"))
    assert found.found.new_trials < 60
    drop = {"new_trials", "trials"}
    a, b = ({k: v for k, v in without_seconds(r.as_dict()).items() if k not in drop} for r in (whole, found))
    assert a == b


@pytest.mark.parametrize("sampler", ["sobol-local", "sobol"])
def test_copies_of_parts_of_the_videos_are_bounded(files, tmp_path, monkeypatch, sampler):
    """Scores that memory holds once, and not once for each fold beside that."""
    real, parts = Problem.select_each, []

    def counted(problem, of):
        found = real(problem, of)
        assert isinstance(problem.inputs, Inputs)
        parts.extend(isinstance(part.inputs, Inputs) for part in found)
        return found

    monkeypatch.setattr(Problem, "select_each", counted)
    options = {"folds": 3, "trials": 48, "sampler": sampler, "report_split": None}
    once = input_blocks(files / "val.store", reads_of(AV2A, [START])).nbytes
    found = []
    for memory in (None, str(once + 1)):
        result = tune(files / "val.store", settings_for(files, tmp_path / str(memory), **options, memory=memory))
        found.append(without_seconds(result.as_dict()))
        assert parts
        assert all(parts) if memory is None else not any(parts)
        parts.clear()
    assert found[0] == found[1]


@pytest.mark.parametrize("memory", [1, 20_000, 10**9])
def test_inputs_in_memory_go_in_blocks(files, memory):
    inputs = input_blocks(files / "val.store", reads_of(AV2A, [START])).whole()
    blocks = blocks_in_memory(inputs, memory)
    sizes = input_blocks(files / "val.store", reads_of(AV2A, [START])).sizes
    assert np.abs(blocks.sizes - sizes).max() <= 16 * inputs.scores.segments_per_video.max() ** 2 + 64
    assert blocks.whole() is inputs
    chosen = np.array([5, 3, 9, 10, 0])
    for part, of in parts_of(blocks.select(chosen)):
        assert content_digest(of.scores) == content_digest(inputs.select(chosen[part]).scores)


def test_a_search_reads_the_videos_that_it_searches(files, tmp_path, monkeypatch):
    from avreplay.cache.score_blocks import ScoreBlocks

    read, real = [], ScoreBlocks.read

    def counted(blocks, videos):
        read.append(len(videos))
        return real(blocks, videos)

    monkeypatch.setattr(ScoreBlocks, "read", counted)
    tune(files / "val.store", settings_for(files, tmp_path / "few", videos=5, trials=8, report_split=None, folds=0))
    assert read == [5]


def test_only_annotated_videos_are_read(files, tmp_path):
    read = []
    _, truth = made(0, 24)
    some = truth.select([0, 3, 5, 9])
    blocks = input_blocks(files / "val.store", Reads(), memory="30kB")

    def source(chosen):
        read.extend(chosen.tolist())
        return blocks.source(chosen)

    problem = make_problem(replace(blocks, source=source), some)
    assert isinstance(problem.inputs, Inputs)
    assert sorted(blocks.scores.video_ids[i] for i in read) == sorted(some.video_ids)
    assert problem.bundle.video_ids == some.video_ids


def arrays_of(found):
    """The arrays of an exact response or of curves."""
    if not hasattr(found, "groups"):
        return [found.base, found.weights, found.position, found.owner, found.change]
    # lists of events are numbered in the work of each thread
    regions = [array for g in found.groups for name, array in vars(g.regions).items() if name != "lists"]
    return [found.base, found.weights, *regions, *(g.values for g in found.groups)]


@pytest.mark.parametrize("memory", ["7kB", "12kB"])
def test_the_exact_response_does_not_depend_on_memory(files, memory):
    params = START.override({"tau0": 0.45})
    whole, blocks = problem_of(files, None), problem_of(files, memory)
    for make in (exact_response, tau_f_curves):
        a, b = (make(AV2A, p.inputs, params, p.target, threads=2) for p in (whole, blocks))
        a, b = map(arrays_of, (a, b))
        for x, y in zip(a, b, strict=True):
            assert np.array_equal(x, y)


def test_the_response_command_writes_the_same_bytes(files, tmp_path):
    for over in ("tau0,tau_r", "tau_f"):
        for name, more in (("whole", ()), ("blocks", ("--memory", "12kB"))):
            run("response", files / "val.store", "--dataset", "json", "--annotations", files / "val.json", "--split",
                "val", "--set", "audio_scores=segment", "--over", over, "--points", 11, "--resamples", 20, "--out",
                tmp_path / f"{name}.json", *more)  # fmt: skip
        assert (tmp_path / "whole.json").read_bytes() == (tmp_path / "blocks.json").read_bytes()


def test_a_report_holds_the_trace_of_the_drawn_videos_alone(store, tmp_path, monkeypatch):
    from avreplay.evaluate.report import replayed as of_store

    sets = ("--set", "score_norm=sigmoid", "--set", "tau0=0.4")
    run("replay", store, *sets, "--out", tmp_path / "p.json", "--trace", tmp_path / "t.npz")
    held = []

    def watched(arrays, videos):
        held.append(len(arrays["video_ids"]))
        return aligned(arrays, videos)

    aligned = of_store.aligned_trace
    monkeypatch.setattr(of_store, "aligned_trace", watched)
    for name, more in (
        ("file", ("--trace", tmp_path / "t.npz")), ("store", ("--store", store)),
        ("blocks", ("--store", store, "--memory", "30kB")),
    ):  # fmt: skip
        run("report", tmp_path / "p.json", "--video", "v9", "--video", "v3", "--video", "v17", *more, "--out",
            tmp_path / f"{name}.html")  # fmt: skip
    pages = [(tmp_path / f"{name}.html").read_bytes() for name in ("file", "store", "blocks")]
    assert pages[0] == pages[1] == pages[2]
    assert held == [3, 3]


def test_a_block_that_fails_ends_a_replay_with_its_error(store):
    blocks = replay_blocks(store, SETTINGS["release"], memory="20kB")
    times = []

    def source(chosen):
        times.append(len(chosen))
        if len(times) == 3:
            raise UsageError("this one is gone")
        return blocks.inputs.source(chosen)

    broken = partial(replayed, AV2A, replace(blocks.inputs, source=source), blocks.params)
    with pytest.raises(UsageError, match="this one is gone"):
        broken()
    assert len(times) <= 4


def test_embeddings_for_training_are_mapped_where_memory_does_not_hold_them(store):
    from avreplay.extract.finetune.data import load_embeddings

    opened = open_store(store)
    whole, mapped = load_embeddings(opened), load_embeddings(opened, memory=2000)
    assert isinstance(mapped.audio, np.memmap)
    assert not isinstance(whole.audio, np.memmap)
    videos = np.random.default_rng(0).permutation(VIDEOS)[:20]
    for a, b in zip(whole.batch(videos), mapped.batch(videos), strict=True):
        assert np.array_equal(a, b)
    for name in ("starts", "audio", "visual", "has_audio", "has_visual"):
        assert np.array_equal(getattr(whole, name), getattr(mapped, name))
