"""Small made-up problems for the tests of tuning: probabilities that follow a truth, so that settings differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from avreplay.cache import import_bundle
from avreplay.core.bundle import ScoreBundle
from avreplay.core.events import Events
from avreplay.core.media_names import without_times
from avreplay.core.params.av2a import Params
from avreplay.evaluate.datasets.annotations import Annotations, agreed
from avreplay.evaluate.datasets.native_json import write_annotations
from avreplay.evaluate.tuning import TuneSettings
from avreplay.evaluate.tuning.journal import Journal
from avreplay.evaluate.tuning.objective import parse_objective
from avreplay.evaluate.tuning.sampling import sobol_table
from avreplay.evaluate.tuning.search import search_table
from avreplay.evaluate.tuning.space import parse_space
from avreplay.evaluate.tuning.study import search_study
from avreplay.evaluate.tuning.trials_file import option_kinds

LABELS = ("dog", "cat", "church bell", "Frying (food)")
START = Params(audio_scores="segment")
SPACE = ["tau0=0.3:0.7", "tau_f=0.1:0.6", "alpha=0:1:0.25"]
DIMENSIONS = parse_space(SPACE, START, ())
NAMES = [d.name for d in DIMENSIONS]
KINDS = option_kinds(Params)


def made(seed=0, videos=12, dataset="json", uneven=False, split="val") -> tuple[ScoreBundle, Annotations]:
    """Scores of ``videos`` videos against :data:`LABELS`, and annotations with the labels in another order, two more
    videos, and where ``uneven`` other lengths."""
    rng = np.random.default_rng(seed)
    segments = rng.integers(3, 8, videos)
    s, c = int(segments.sum()), len(LABELS)
    starts = np.concatenate([[0], np.cumsum(segments)])
    present = np.zeros((2, s, c), np.bool_)
    for v in range(videos):
        for k in range(2):
            for label in rng.choice(c, 2, replace=False):
                a, b = sorted(rng.choice(segments[v] + 1, 2, replace=False))
                present[k, starts[v] + a : starts[v] + b, label] = True

    def scores(of, *shape):
        return np.clip(0.35 * of + rng.uniform(0.1, 0.7, shape or of.shape), 0, 1).astype(np.float32)

    index = np.array([(v, a, b) for v in range(videos) for a in range(segments[v]) for b in range(a + 1, segments[v])])
    within = np.stack([present[:, starts[v] + a : starts[v] + b].mean(axis=1) for v, a, b in index], axis=1)
    clips = np.stack([present[:, starts[v] : starts[v + 1]].any(axis=1) for v in range(videos)], axis=1)
    bundle = ScoreBundle.create(
        video_ids=[f"{split} {i}" for i in range(videos)], labels=LABELS, segments_per_video=segments,
        kind="probability", visual_segments=scores(present[1]), visual_features=rng.normal(size=(s, 5)),
        audio_segments=scores(present[0]), audio_clip=scores(clips[0]), visual_clip=scores(clips[1])[:, None],
        window_video=index[:, 0], window_start=index[:, 1], window_end=index[:, 2], window_audio=scores(within[0]),
        window_visual=scores(within[1])[:, None],
    )  # fmt: skip
    lengths = segments + (rng.integers(-1, 2, videos) if uneven else 0)
    tracks, names = [], []
    for v in rng.permutation(videos):
        cut = [
            [(c - 1 - label, t, t + 1) for t, label in np.argwhere(mask[starts[v] : starts[v + 1]]) if t < lengths[v]]
            for mask in present
        ]
        tracks.append([[], [], agreed(*cut)] if dataset == "ave" else [*cut, agreed(*cut)])
        names.append(int(v))
    truth = Annotations(
        dataset, split, LABELS[::-1], (*(f"{split} {v}" for v in names), "absent 1", "absent 2"),
        np.array([*lengths[names], 5, 6], np.int64), Events.from_tracks([*tracks, [[], [], []], [[], [], [(0, 0, 2)]]]),
        "made up", source_video=without_times if dataset == "llp" else None,
    )  # fmt: skip
    return bundle, truth


def write_made(folder: Path, seed: int = 0, videos: int = 12, split: str = "val") -> tuple[Path, Path]:
    """Such a problem as files: the store and its annotations."""
    bundle, truth = made(seed, videos, split=split)
    store, annotations = folder / f"{split}.store", folder / f"{split}.json"
    import_bundle(bundle, store)
    write_annotations(annotations, truth)
    return store, annotations


def search(problem, folder, table=None, identity=None, fresh=False, **options):
    table = sobol_table(START, DIMENSIONS, 60, 0) if table is None else table
    journal = Journal(folder, identity or {"search": "this"}, problem, list(table.columns), fresh)
    objective = parse_objective(None, problem.target.names, problem.target.metric)
    return search_table(problem, table, objective, journal, threads=options.pop("threads", 1), **options)


def study(problem, folder, **options):
    given = {"sampler": "random", "trials": 20, "batch": 6, "seed": 0, "threads": 1, **options}
    objective = parse_objective(None, problem.target.names, problem.target.metric)
    return search_study(problem, START, DIMENSIONS, objective, folder, {"search": "this"}, **given)


def stop_after(trials):
    """A progress callback that is interrupted, as by Ctrl-C, once so many trials are done."""

    def progress(done, *_):
        if done >= trials:
            raise KeyboardInterrupt

    return progress


def same(a, b):
    assert (a.best, a.best_trial, a.best_value, a.done) == (b.best, b.best_trial, b.best_value, b.done)
    assert np.array_equal(a.video_best, b.video_best)
    assert a.video_params == b.video_params


def settings_for(files, out, **options) -> TuneSettings:
    """A quick search on :func:`write_made`'s validation split."""
    given = {
        "dataset": "json", "annotations": str(files / "val.json"), "settings": ["audio_scores=segment"],
        "search": ["tau0=0.3:0.7"], "trials": 12, "videos": None, "resamples": 20, "folds": 0,
        "out": str(out), "report_split": None,
    }  # fmt: skip
    return TuneSettings(**{**given, **options})
