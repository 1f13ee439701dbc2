"""Every command that writes, small: what is there before, and the call. Each writes below its folder only."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

LABELS = ("Dog", "Speech")
BOTH = ("s", "s/backbones/other")
"""A store and the one inside it."""
RUNS = "avreplay.predictions/1"


def _nothing(folder: Path, inputs: Path) -> None:
    """Nothing is there before."""


def _as_they_are(name: str, content: bytes) -> bytes:
    return content


@dataclass(frozen=True)
class Writer:
    """A command.

    name : of it
    run : does it, (folder, inputs)
    prepare : makes what is in the folder before, and the inputs
    stores : the stores in the folder afterwards
    comparable : (path, bytes) of a file to what is the same in every run, where not all of it is
    needs_torch : it needs torch
    all_or_nothing : where it is refused an operation, and may still remove files, it leaves what was there before
    """

    name: str
    run: Callable[[Path, Path], Any]
    prepare: Callable[[Path, Path], Any] = _nothing
    stores: tuple[str, ...] = ("s",)
    comparable: Callable[[str, bytes], bytes] = _as_they_are
    needs_torch: bool = False
    all_or_nothing: bool = False


def imports(with_torch: bool) -> None:
    """Import what the writers need, in the process that is forked; nothing here may start a thread."""
    import av  # noqa: F401
    import h5py  # noqa: F401
    import jinja2  # noqa: F401
    import optuna  # noqa: F401
    import plotly.graph_objects
    import plotly.io
    import plotly.offline  # noqa: F401
    import pyarrow.csv
    import pyarrow.parquet  # noqa: F401
    from avreplay.cache import imports as _imports  # noqa: F401
    from avreplay.cache.imports import score_store, third_party  # noqa: F401

    # the compiled kernels are loaded once, too
    from avreplay.evaluate.replay import replay
    from avreplay.evaluate.scoring import evaluate_predictions
    from tuning_data import START, made

    bundle, truth = made(0, 4)
    evaluate_predictions(replay(bundle, START, threads=1, trace=True).predictions(), truth)
    if with_torch:
        import torch

        torch.set_num_threads(1)


# --- extraction --------------------------------------------------------------------------------------------------


def _media(inputs: Path, bad: bool = False) -> None:
    from media_maker import write_media

    (inputs / "media").mkdir()
    for k in range(3):
        write_media(inputs / "media" / f"v{k}.mp4", seconds=2, fps=4, channels=1 if k else 0)
    if bad:
        shutil.copytree(inputs / "media", inputs / "bad")
        (inputs / "bad" / "v1.mp4").write_text("no video")


def _settings(windows: str = "multiscale") -> Any:
    from avreplay.extract import ExtractSettings

    return ExtractSettings(shard_videos=2, windows=windows, workers=1)


def _extract(media: Path, store: Path, windows: str = "multiscale") -> None:
    from avreplay.extract import extract_videos
    from fake_backbone import FakeBackbone

    extract_videos(media, store, FakeBackbone(), LABELS, _settings(windows), progress=False)


def _extract_run(folder: Path, inputs: Path) -> None:
    _extract(inputs / "media", folder / "s")


def _fill_before(folder: Path, inputs: Path) -> None:
    _media(inputs)
    _extract(inputs / "media", folder / "s", "none")


def _fill(folder: Path, inputs: Path) -> None:
    from avreplay.extract.writing.fill import fill_store
    from fake_backbone import FakeBackbone

    fill_store(inputs / "media", folder / "s", FakeBackbone(), settings=_settings("all"), progress=False)


def _retry_before(folder: Path, inputs: Path) -> None:
    _media(inputs, bad=True)
    _extract(inputs / "bad", folder / "s")


def _retry(folder: Path, inputs: Path) -> None:
    from avreplay.extract.writing.retry import retry_videos
    from fake_backbone import FakeBackbone

    retry_videos(inputs / "media", folder / "s", FakeBackbone(), progress=False)


def _add_before(folder: Path, inputs: Path) -> None:
    _media(inputs)
    _extract(inputs / "media", folder / "s", "none")


def _other() -> Any:
    from fake_backbone import FakeBackbone

    class Other(FakeBackbone):
        name = "other"

    return Other()


def _add(media: Path, folder: Path, **requested: Any) -> None:
    from avreplay.extract.writing.second_backbone import add_backbone

    add_backbone(
        media, folder / "s", _other(), requested={"workers": 1, "shard_videos": 2, **requested}, progress=False
    )


def _add_run(folder: Path, inputs: Path) -> None:
    _add(inputs / "media", folder)


def _add_windows_before(folder: Path, inputs: Path) -> None:
    _add_before(folder, inputs)
    _add(inputs / "media", folder)


def _add_windows(folder: Path, inputs: Path) -> None:
    _add(inputs / "media", folder, windows="all")


def _add_retry_before(folder: Path, inputs: Path) -> None:
    _media(inputs, bad=True)
    _extract(inputs / "bad", folder / "s", "none")
    _add(inputs / "bad", folder)


def _add_retry(folder: Path, inputs: Path) -> None:
    from avreplay.extract.writing.retry import retry_videos

    retry_videos(inputs / "media", folder / "s/backbones/other", _other(), progress=False)


def _old_store(folder: Path, inputs: Path) -> None:
    shutil.copytree(Path(__file__).parents[1] / "data/store_v1_whole", folder / "s")


def _upgrade(folder: Path, inputs: Path) -> None:
    from avreplay.cache import upgrade_store

    upgrade_store(folder / "s")


def _made_store(folder: Path, inputs: Path) -> None:
    from made_store import write_store

    write_store(str(folder / "s"), 3, 3)


def _append(folder: Path, inputs: Path) -> None:
    from made_store import write_store

    write_store(str(folder / "s"), 6, 3)


def _part(folder: Path, inputs: Path) -> None:
    from avreplay.cache import StoreWriter
    from made_store import CONFIG, names, video, vocabulary

    for part in ((1, 2), (2, 2)):
        with StoreWriter.open(str(folder / "s"), CONFIG, names(5), shard_videos=3, part=part) as writer:
            for index, ids in writer.pending():
                writer.write_shard(index, [video(v) for v in ids])
            writer.set_vocabulary(vocabulary())
            writer.finish()


def _embed_before(folder: Path, inputs: Path) -> None:
    _media(inputs)
    _extract(inputs / "media", folder / "s")


def _embed(folder: Path, inputs: Path) -> None:
    from avreplay.extract.labels import embed_labels
    from fake_backbone import FakeBackbone

    embed_labels(folder / "s", ("Cat", "Bell", "Horn"), backbone=FakeBackbone())


# --- imports and score sets ----------------------------------------------------------------------------------------


def _scores(seed: int = 0) -> Any:
    from tuning_data import made

    return made(seed, 4)[0]


def _bundle_before(folder: Path, inputs: Path) -> None:
    from avreplay.cache.imports.bundle_npz import write_bundle

    write_bundle(_scores(), inputs / "scores.npz")


def _import(folder: Path, inputs: Path) -> None:
    from avreplay.cache import import_scores

    import_scores(inputs / "scores.npz", folder / "s")


def _import_blocks(folder: Path, inputs: Path) -> None:
    from avreplay.cache import import_scores

    import_scores(inputs / "scores.npz", folder / "s", memory=1)  # a video a block


MAPPING = """
ids.array = "ids"
labels.array = "names"
arrays.segments_per_video = "counts"
arrays.visual_segments = { name = "v", axes = "SC" }
arrays.audio_segments = { name = "a", axes = "SC" }
"""


def _mapping_before(folder: Path, inputs: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(
        inputs / "scores.npz", ids=np.array(["a", "b"]), names=np.array(LABELS), counts=np.array([2, 3]),
        v=rng.random((5, 2), np.float32), a=rng.random((5, 2), np.float32),
    )  # fmt: skip
    (inputs / "mapping.toml").write_text(MAPPING)


def _import_mapping(folder: Path, inputs: Path) -> None:
    from avreplay.cache import import_scores

    import_scores(inputs / "scores.npz", folder / "s", inputs / "mapping.toml")


EMBEDDINGS = """
[embeddings]
[embeddings.audio]
path = "{id}_a.npy"
[embeddings.visual]
path = "{id}_v.npy"
[embeddings.text]
path = "text.npy"
labels = "labels.txt"
"""


def _embeddings_before(folder: Path, inputs: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("x_a", "x_v", "y_a", "z_v"):
        np.save(inputs / f"{name}.npy", rng.random((3, 4), np.float32))
    np.save(inputs / "text.npy", rng.random((2, 4), np.float32))
    (inputs / "labels.txt").write_text("\n".join(LABELS), encoding="utf-8")
    (inputs / "mapping.toml").write_text(EMBEDDINGS)


def _import_embeddings(folder: Path, inputs: Path) -> None:
    from avreplay.cache.imports.embeddings import run
    from avreplay.cache.imports.embeddings.mapping import read_embeddings_mapping

    run._SHARD_BYTES = 100  # two shards
    run.import_by_mapping(inputs, folder / "s", read_embeddings_mapping(inputs / "mapping.toml"))


def _embeddings_again_before(folder: Path, inputs: Path) -> None:
    """A store that lacks what has come since."""
    _embeddings_before(folder, inputs)
    (inputs / "y_a.npy").rename(inputs / "y_a.kept")
    (inputs / "y_a.npy").write_bytes(b"damaged")
    _import_embeddings(folder, inputs)
    (inputs / "y_a.kept").replace(inputs / "y_a.npy")


def _set_of(folder: Path, seed: int) -> Any:
    from avreplay.cache import open_store
    from avreplay.core.bundle import ScoreBundle

    ids = [r.id for r in open_store(folder / "s").videos if r.has_data]
    rng = np.random.default_rng(seed)
    return ScoreBundle.create(
        video_ids=ids, labels=LABELS, segments_per_video=np.ones(len(ids), np.int64), kind="probability",
        visual_segments=rng.random((len(ids), 2), np.float32), audio_segments=rng.random((len(ids), 2), np.float32),
    )  # fmt: skip


def _score_set(folder: Path, inputs: Path) -> None:
    from avreplay.cache.score_set_writer import write_score_set

    write_score_set(folder / "s", "a", _set_of(folder, 0), {"of": "a test"}, overwrite=True)


def _other_set_before(folder: Path, inputs: Path) -> None:
    from avreplay.cache.score_set_writer import write_score_set

    _made_store(folder, inputs)
    write_score_set(folder / "s", "a", _set_of(folder, 1), {"of": "another test"})


def _subset_before(folder: Path, inputs: Path) -> None:
    """A store with all that a store may hold: notes and statuses, a score set, an inner store."""
    from avreplay.cache import StoreWriter, write_score_set
    from made_store import CONFIG, names, video, vocabulary, write_store

    write_store(str(inputs / "s"), 7, 3)
    other = {**CONFIG, "backbone": {"name": "other", "weights": "none"}}
    with StoreWriter.open(str(inputs / "s/backbones/other"), other, names(5), shard_videos=2) as writer:
        for index, ids in writer.pending():
            writer.write_shard(index, [video(v) for v in ids])
        writer.set_vocabulary(vocabulary())
        writer.finish()
    write_score_set(inputs / "s", "a", _set_of(inputs, 0), {"of": "a test"})


def _subset(folder: Path, inputs: Path) -> None:
    from avreplay.evaluate.subset import subset

    subset(inputs / "s", folder / "s", ids=["v6", "v1", "v5", "v3", "v4"])


def _subset_scores_before(folder: Path, inputs: Path) -> None:
    from avreplay.cache import import_bundle

    import_bundle(_scores(), inputs / "s")


def _subset_scores(folder: Path, inputs: Path) -> None:
    from avreplay.evaluate.subset import subset

    subset(inputs / "s", folder / "s", ids=["val 1", "val 3"])


def _subset_blocks(folder: Path, inputs: Path) -> None:
    from avreplay.cache import open_store
    from avreplay.cache.subset import write_subset

    write_subset(open_store(inputs / "s"), folder / "s", ["v6", "v1", "v5", "v3", "v4"], {}, memory=1)


def _computed_blocks(folder: Path, inputs: Path) -> None:
    """What ends an extraction or a change of labels, where the scores are more than a block."""
    from avreplay.cache import writer

    writer.write_rows = partial(writer.write_rows, memory=1)
    _append(folder, inputs)


# --- training and tuning -------------------------------------------------------------------------------------------


def _targets() -> tuple[Any, Any]:
    import sys

    sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
    from ovavebench_made import Sizes, made_targets

    sizes = Sizes(share=0.004, seen=3, unseen=2, dim=16, signal=0.5, quiet=0.5)
    return made_targets(sizes), sizes


def _finetune_before(folder: Path, inputs: Path) -> None:
    targets, sizes = _targets()
    from ovavebench_made import write_made_store

    write_made_store(str(folder / "s"), targets, sizes)


def _finetune(folder: Path, inputs: Path) -> None:
    from avreplay.extract.finetune.config import FinetuneConfig
    from avreplay.extract.finetune.run import finetune_store

    config = FinetuneConfig(hidden=16, feedforward=24, learning_rate=1e-3, epochs=2)
    finetune_store(folder / "s", _targets()[0], config, checkpoint=folder / "checkpoint", progress=False)


def _tune_before(folder: Path, inputs: Path) -> None:
    from tuning_data import write_made

    write_made(inputs, videos=4)


def _tune(folder: Path, inputs: Path, **options: Any) -> None:
    from avreplay.evaluate.tuning import tune
    from tuning_data import settings_for

    tune(inputs / "val.store", settings_for(inputs, "tuned", threads=1, **options))


def _tune_table(folder: Path, inputs: Path) -> None:
    _tune(folder, inputs, parquet=True)


def _tune_study(folder: Path, inputs: Path) -> None:
    _tune(folder, inputs, sampler="random", batch=6, trials=12)


def _tune_shared(folder: Path, inputs: Path) -> None:
    from avreplay.evaluate.tuning import tune_shared
    from tuning_data import settings_for

    stores = [inputs / "val.store", inputs / "copy.store"]
    tune_shared(stores, settings_for(inputs, "tuned", threads=1))


def _two_stores(folder: Path, inputs: Path) -> None:
    _tune_before(folder, inputs)
    shutil.copytree(inputs / "val.store", inputs / "copy.store")


def _without_times(name: str, content: bytes) -> bytes:
    """Files of a search without what tells how much of it was done in this run, and how long that took."""
    if name.endswith("timing.json"):
        return b""
    if name.endswith("search.html"):
        return re.sub(rb"(\d+ of \d+ trials)[^<]*", rb"\1", content)
    if name.endswith("summary.json"):
        found = json.loads(content)
        return json.dumps(
            {k: v for k, v in found.items() if not k.startswith("seconds") and k != "new_trials"}
        ).encode()
    return content


def _of_a_study(name: str, content: bytes) -> bytes:
    """As :func:`_without_times`; Optuna's log has times and names of processes in it, and its marks count its bytes."""
    return b"" if name.endswith(("study.log", "study.json")) else _without_times(name, content)


# --- predictions and pages -----------------------------------------------------------------------------------------


def _replay_before(folder: Path, inputs: Path) -> None:
    from avreplay.evaluate.commands import replay_to_files

    _tune_before(folder, inputs)
    replay_to_files(_replay_request(inputs, inputs))


def _replay_parts(folder: Path, inputs: Path) -> None:
    from avreplay.evaluate import replay_files
    from avreplay.evaluate.commands import replay_to_files
    from avreplay.evaluate.files import predictions_writer

    replay_files.prediction_writer = partial(predictions_writer.prediction_writer, part_videos=1)
    replay_to_files(replace(_replay_request(folder, inputs), out=f"{folder}/parts.parquet/", trace=None))


def _replay_request(folder: Path, inputs: Path) -> Any:
    from avreplay.evaluate.command_options import ReplayRequest

    return ReplayRequest(
        store=str(inputs / "val.store"), settings=("audio_scores=segment",), out=str(folder / "p.json"),
        trace=str(folder / "t.npz"), threads=1,
    )  # fmt: skip


def _replay(folder: Path, inputs: Path) -> None:
    from avreplay.evaluate.commands import replay_to_files

    replay_to_files(_replay_request(folder, inputs))


def _report(folder: Path, inputs: Path) -> None:
    from avreplay.evaluate.command_options import ReportRequest
    from avreplay.evaluate.commands import report_to_file

    report_to_file(
        ReportRequest(
            predictions=(str(inputs / "p.json"),),
            dataset="json",
            annotations=str(inputs / "val.json"),
            split="val",
            traces=(str(inputs / "t.npz"),),
            out=str(folder / "report.html"),
        )
    )


def _export(folder: Path, inputs: Path, of: str = "p.json") -> None:
    from avreplay.evaluate.export.command import export_to_path
    from avreplay.evaluate.export_options import ExportRequest

    export_to_path(
        ExportRequest(format="srt", out=str(folder / "subtitles"), predictions=str(inputs / of), overwrite=True)
    )


def _export_before(folder: Path, inputs: Path) -> None:
    _replay_before(folder, inputs)
    _export(folder, inputs)
    found = json.loads((inputs / "p.json").read_text())
    found["videos"].popitem()
    (inputs / "q.json").write_text(json.dumps(found))


def _export_again(folder: Path, inputs: Path) -> None:
    _export(folder, inputs, "q.json")


def _answers(folder: Path, inputs: Path) -> None:
    (inputs / "answers.json").write_text(
        json.dumps({"v": "ave: [0, 1, 1, 0, 0, 0, 0, 0, 0, 1]\nclass: cat purring"}), encoding="utf-8"
    )


def _import_text(folder: Path, inputs: Path) -> None:
    from avreplay.evaluate.command_options import ImportTextRequest
    from avreplay.evaluate.commands import import_texts

    import_texts(ImportTextRequest(texts=str(inputs / "answers.json"), out=str(folder / "p.json")))


def _demo(folder: Path, inputs: Path) -> None:
    from avreplay.evaluate.demo import score_demo
    from avreplay.extract.demo.run import extract_demo

    made = extract_demo(folder / "demo", 1, "val")
    score_demo(made.store, made.annotations, folder / "demo", "val")


WRITERS = (
    Writer("extract", _extract_run, lambda folder, inputs: _media(inputs)),
    Writer("fill", _fill, _fill_before),
    Writer("retry", _retry, _retry_before),
    Writer("add-backbone", _add_run, _add_before, stores=BOTH),
    Writer("add-windows", _add_windows, _add_windows_before, stores=BOTH),
    Writer("add-retry", _add_retry, _add_retry_before, stores=BOTH),
    Writer("append", _append, _made_store),
    Writer("parts", _part),
    Writer("embed-text", _embed, _embed_before),
    Writer("upgrade", _upgrade, _old_store, stores=BOTH),
    Writer("import", _import, _bundle_before, all_or_nothing=True),
    Writer("import-blocks", _import_blocks, _bundle_before, all_or_nothing=True),
    Writer("import-mapping", _import_mapping, _mapping_before, all_or_nothing=True),
    Writer("import-embeddings", _import_embeddings, _embeddings_before),
    Writer("import-embeddings-again", _import_embeddings, _embeddings_again_before),
    Writer("score-set", _score_set, _made_store),
    Writer("score-set-again", _score_set, lambda f, i: (_made_store(f, i), _score_set(f, i))),
    Writer("score-set-overwrite", _score_set, _other_set_before),
    Writer("subset", _subset, _subset_before, stores=BOTH),
    Writer("subset-blocks", _subset_blocks, _subset_before, stores=BOTH),
    Writer("computed-blocks", _computed_blocks, _made_store),
    Writer("subset-scores", _subset_scores, _subset_scores_before),
    Writer("finetune", _finetune, _finetune_before, needs_torch=True),
    Writer("tune", _tune_table, _tune_before, stores=(), comparable=_without_times),
    Writer("tune-shared", _tune_shared, _two_stores, stores=(), comparable=_without_times),
    Writer("tune-study", _tune_study, _tune_before, stores=(), comparable=_of_a_study),
    Writer("replay", _replay, _tune_before, stores=()),
    Writer("replay-parts", _replay_parts, _tune_before, stores=()),
    Writer("report", _report, _replay_before, stores=(), all_or_nothing=True),
    Writer("export", _export, _replay_before, stores=(), all_or_nothing=True),
    Writer("export-again", _export_again, _export_before, stores=(), all_or_nothing=True),
    Writer("import-text", _import_text, _answers, stores=(), all_or_nothing=True),
    Writer("demo", _demo, stores=("demo/store",)),
)
