"""Extraction and replay against the released pipeline's order of work, over the same backbone, in one run.

The twin does what the authors' code does (spec of the released code, sections 3 to 7 and 11): one video at a time, and
for every setting anew; every query decodes what it needs and encodes the text of all labels again; a query for the
clip, one for the segments, then one for each candidate's window, with the whole clip encoded beside it. Its
arithmetic on the scores is left out, in its favour: candidates are those that replay finds for the setting.

avreplay encodes every video once with all windows, and replays the settings. The ratio grows with the number of
settings; it is given for one setting and for sweeps. Writes JSON with the machine and the versions:
``python benchmarks/extract_vs_released.py --out FILE [--backbone clip_clap --set clip_weights=random:1 ...]``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from avreplay.cache import open_store
from avreplay.core.decoders.av2a import replay_scores
from avreplay.core.params.av2a import Params, make_params
from avreplay.evaluate.bench.environment import describe_machine, describe_versions
from avreplay.evaluate.bench.replay import best_seconds
from avreplay.extract import Backbone, ExtractSettings, extract_videos, find_videos, load_backbone
from avreplay.extract.backbones.options import parse_options
from avreplay.extract.demo.world import LABELS, write_demo_world
from avreplay.extract.encoding.sampling import clip_frames, num_segments, segment_frames, window_frames
from avreplay.extract.media.decode import Decoding
from avreplay.extract.media.probe import probe
from result_file import write_result

SWEEPS = (1, 4, 16, 64, 256)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--backbone", default="demo")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="option of the backbone")
    parser.add_argument("--preset", default="demo", help="the setting whose candidates the twin asks about")
    parser.add_argument("--videos", type=int, default=24)
    parser.add_argument("--torch-threads", type=int)
    options = parser.parse_args()
    if options.torch_threads:
        import torch

        torch.set_num_threads(options.torch_threads)
    backbone = load_backbone(options.backbone, **parse_options(options.set))
    write_result(measure(backbone, options.preset, options.videos), options.out)


def measure(backbone: Backbone, preset: str, videos: int) -> dict:
    params = make_params(preset)
    with tempfile.TemporaryDirectory() as folder:
        write_demo_world(Path(folder, "videos"), "test", videos=videos)
        found = [v.path for v in find_videos(Path(folder, "videos")) if probeable(v.path)]
        extract_videos(found[0], Path(folder, "warm"), backbone, LABELS, progress=False)
        began = time.perf_counter()
        settings = ExtractSettings(frame_rule="release", windows="all")
        summary = extract_videos(found, Path(folder, "store"), backbone, LABELS, settings, progress=False)
        extraction = time.perf_counter() - began
        bundle = open_store(Path(folder, "store")).bundle()
        replay = best_seconds(lambda: replay_scores(bundle, params, threads=1), 3)
        windows = candidates(bundle, params)
        queries = sum(2 + len(windows[path.stem]) for path in found)
        began = time.perf_counter()
        for path in found:
            released(backbone, path, windows[path.stem])
        twin = time.perf_counter() - began
    n = len(found)
    return {
        "machine": "{cpu}, {cores} cores".format(**describe_machine()),
        "versions": describe_versions(),
        "backbone": backbone.name,
        "videos": n,
        "labels": len(LABELS),
        "seconds_per_video": {
            "extraction, all windows": round(extraction / n, 4),
            "replay, one setting": round(replay / n, 7),
            "twin, one setting": round(twin / n, 4),
        },
        "twin_queries_per_video": round(queries / n, 2),
        "encoder_busy": round(summary.encoder_busy, 3),
        "ratio_by_settings": {str(s): round(s * twin / (extraction + s * replay), 1) for s in SWEEPS},
        "note": "the twin was run for one setting; s settings cost it s times as much",
    }


def probeable(path: Path | None) -> bool:
    try:
        return path is not None and probe(path).has_video
    except Exception:
        return False


def candidates(bundle, params: Params) -> dict[str, list[tuple[int, int]]]:
    """The windows that the released code asks about: the candidates of each track that has more than one."""
    events = replay_scores(bundle, params.override({"refine": False})).events
    out = {}
    for v, name in enumerate(bundle.video_ids):
        tracks = [events.track(v, k) for k in range(3)]
        out[name] = [(start, end) for rows in tracks if len(rows) > 1 for _, start, end, _ in rows]
    return out


def released(backbone: Backbone, path: Path, windows: list[tuple[int, int]]) -> None:
    """One video and setting: a query for the clip, one for the segments, one for each candidate."""
    query(backbone, path, None)
    query(backbone, path, "segments")
    for window in windows:
        query(backbone, path, window)


def query(backbone: Backbone, path: Path, what: str | tuple[int, int] | None) -> None:
    """Text, and the clip or what is asked for beside it: decoded and encoded from the file."""
    spec = backbone.spec
    backbone.encode_text(backbone.prompts(LABELS, "visual"), "visual")
    backbone.encode_text(backbone.prompts(LABELS, "audio"), "audio")
    info = probe(path)
    segments, times = num_segments(info.duration), info.frame_times
    clip = clip_frames(times, segments, spec.window_frames, rule="release")
    extra = np.zeros(0, np.int64)
    if what == "segments":
        extra = segment_frames(times, segments, rule="release")
    elif isinstance(what, tuple):
        extra = window_frames(times, segments, np.array([what]), spec.window_frames, rule="release")[0]
    decoding = Decoding(info, np.unique(np.concatenate([clip, extra])), spec.sample_rate, segments)
    frames = dict(decoding.frames())
    backbone.encode_clips([[frames[k] for k in clip.tolist()]])
    if what == "segments":
        backbone.encode_images([frames[k] for k in extra.tolist()])
    elif isinstance(what, tuple):
        backbone.encode_clips([[frames[k] for k in extra.tolist()]])
    if decoding.audio is not None:
        sounds = [decoding.audio]
        if isinstance(what, tuple):
            sounds.append(decoding.audio[what[0] * spec.sample_rate : what[1] * spec.sample_rate])
        backbone.encode_audio(sounds)


if __name__ == "__main__":
    main()
