"""A made-up store in the shape of OV-AVEBench: 24,800 videos of ten segments, 67 classes of which 46 are trained on.

Every class has a direction in one space. In an event, sound and picture point to the direction of its class; elsewhere
only one of them does, or neither, and both carry some of a direction of their modality that stands for nothing
happening. Every segment has noise of its own, so that a single segment says little and its neighbours help: what a
temporal layer can learn on seen classes and use on unseen ones.
``python benchmarks/ovavebench_made.py STORE --annotations FOLDER --share 0.05``.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from avreplay.cache import StoreWriter, VideoEmbeddings, VideoRecord, Vocabulary
from avreplay.core.segment_targets import SPLITS, SegmentTargets

SEGMENTS = 10
SHARES = {"train": (13182, 0), "val": (1651, 4147), "test": (1664, 4156)}
"""Videos of seen and unseen classes of each split of OV-AVEBench."""


@dataclass(frozen=True)
class Sizes:
    """How much to make; the defaults are OV-AVEBench's.

    Attributes
    ----------
    share : of the number of videos
    seen, unseen : classes
    dim : width of the embeddings
    signal, noise : strength of a class in a segment; of the segment's own noise
    quiet : strength of the direction that says that nothing happens
    """

    share: float = 1.0
    seen: int = 46
    unseen: int = 21
    dim: int = 1024
    signal: float = 0.1
    noise: float = 1.0
    quiet: float = 0.1
    seed: int = 0


def made_targets(sizes: Sizes) -> SegmentTargets:
    """Classes of all segments: a quarter of the videos without an event, nearly half with one throughout."""
    rng = np.random.default_rng([sizes.seed, 0])
    count = sizes.seen + sizes.unseen
    order = rng.permutation(count)
    seen, unseen = np.sort(order[: sizes.seen]), np.sort(order[sizes.seen :])
    classes, categories, splits, groups, ids = [], [], [], [], []
    for split, (name, shares) in enumerate(SHARES.items()):
        for group, (of_group, share) in enumerate(zip((seen, unseen), shares, strict=True)):
            for i in range(round(share * sizes.share)):
                category = int(of_group[i % len(of_group)])
                row = np.full(SEGMENTS, count)
                kind = rng.uniform()
                if kind > 0.243:
                    onset, length = (0, SEGMENTS) if kind > 0.565 else (rng.integers(0, 8), rng.integers(2, 9))
                    row[onset : onset + length] = category
                ids.append(f"{name}{group}{i:05d}")
                classes.append(row)
                categories.append(category)
                splits.append(split)
                groups.append(group)
    labels = [f"class {c:02d}" for c in range(count)]
    return SegmentTargets.create(
        video_ids=ids, labels=[*labels, "other"], train_labels=[*(labels[c] for c in seen), "other"], classes=classes,
        splits=splits, categories=categories, groups=groups,
    )  # fmt: skip


def write_made_store(url: str, targets: SegmentTargets, sizes: Sizes) -> None:
    """Write the store; the same sizes give the same bytes."""
    rng = np.random.default_rng([sizes.seed, 1])
    directions = _unit(rng.normal(size=(len(targets.labels), sizes.dim)))
    quiet = {"audio": _unit(rng.normal(size=sizes.dim)), "visual": _unit(rng.normal(size=sizes.dim))}
    config = {
        "backbone": {"name": "made", "weights": "none", "sizes": vars(sizes)},
        "dtype": "float16",
        "segment_seconds": 1.0,
        "dims": {"audio": sizes.dim, "visual": sizes.dim, "visual_rows": 1},
    }
    with StoreWriter.open(url, config, targets.video_ids) as writer:
        row = 0
        for shard, ids in writer.pending():
            writer.write_shard(
                shard, [_video(v, row + i, targets, directions, quiet, sizes) for i, v in enumerate(ids)]
            )
            row += len(ids)
        text = (14.3 * directions).astype(np.float32)
        writer.set_vocabulary(Vocabulary(targets.labels, targets.labels, targets.labels, text, text))


def write_made_annotations(folder: Path, targets: SegmentTargets) -> None:
    """The targets as annotation files of this package, one a split."""
    folder.mkdir(parents=True)
    for split in SPLITS:
        videos = {}
        for i in targets.select(split).tolist():
            events = [
                {"label": targets.labels[c], "onset": t, "offset": t + 1}
                for t, c in enumerate(targets.classes[i].tolist())
                if c != targets.background
            ]
            videos[targets.video_ids[i]] = {"segments": SEGMENTS, "audio": [], "visual": [], "audio_visual": events}
        data = {"schema": "avreplay.annotations/1", "labels": list(targets.labels), "split": split}
        (folder / f"{split}.json").write_text(json.dumps({**data, "videos": videos}))


def _video(
    name: str, row: int, targets: SegmentTargets, directions: np.ndarray, quiet: dict[str, np.ndarray], sizes: Sizes
) -> tuple[VideoRecord, VideoEmbeddings]:
    rng = np.random.default_rng([sizes.seed, 2, row])
    event = targets.classes[row] != targets.background
    own = directions[targets.categories[row]]
    # outside its event a class is still heard, or still seen, or neither, for the whole video
    lingers = {"audio": 0.0, "visual": 0.0}
    if (which := rng.integers(0, 3)) < 2:
        lingers["audio" if which else "visual"] = 1.0
    made = {}
    for modality, length in (("audio", 20.0), ("visual", 1.0)):
        strength = np.where(event, 1.0, lingers[modality])[:, None] * sizes.signal
        noise = rng.normal(size=(len(event), sizes.dim)) * sizes.noise / np.sqrt(sizes.dim)
        calm = np.where(event, 0.0, sizes.quiet)[:, None] * quiet[modality]
        made[modality] = length * _unit(strength * own + calm + noise)
    none = np.zeros((0, sizes.dim))
    return VideoRecord(name, "ok", "", len(event), float(len(event))), VideoEmbeddings(
        np.zeros((0, 2), np.int64), audio_segments=made["audio"], visual_segments=made["visual"],
        audio_clip=made["audio"].mean(0), visual_clip=made["visual"].mean(0)[None], window_audio=none,
        window_visual=none[:, None],
    )  # fmt: skip


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store")
    parser.add_argument("--annotations", type=Path, help="folder for train.json, val.json and test.json")
    parser.add_argument("--share", type=float, default=1.0, help="of the videos")
    options = parser.parse_args()
    chosen = Sizes(share=options.share)
    made = made_targets(chosen)
    write_made_store(options.store, made, chosen)
    if options.annotations:
        write_made_annotations(options.annotations, made)
