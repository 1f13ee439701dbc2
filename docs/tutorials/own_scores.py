"""
Bring your own scores
=====================

Anything that scores segments can be replayed. This puts AV²A's dynamic thresholds on the probabilities of a model that
avreplay knows nothing about, without a mapping file: :doc:`/third_party_scores` reads saved files.
"""

# %%
# A model's probabilities
# -----------------------
# A stand-in for a trained model: for each of 40 videos of 10 segments, probabilities of 4 labels, heard and seen.

import avreplay
import numpy as np

LABELS = ("Speech", "Dog", "Car", "Clapping")
rng = np.random.default_rng(0)
present = np.zeros((2, 40, 10, 4))  # audio and visual, videos, segments, labels
for video in range(40):
    for label in rng.choice(4, 2, replace=False):
        onset, offset = sorted(rng.choice(11, 2, replace=False))
        present[0, video, onset:offset, label] = 1
        present[1, video, max(0, onset - 1) : offset, label] = rng.random() < 0.8
probabilities = 1 / (1 + np.exp(-(3.2 * present - 1.9 + rng.normal(0, 1.2, present.shape))))
audio, visual = probabilities.reshape(2, 400, 4)

# %%
# A score bundle
# --------------
# Arrays of segments have one row for each segment of all videos, one video after the other. ``create`` checks them.

bundle = avreplay.ScoreBundle.create(
    video_ids=[f"clip{v:02d}" for v in range(40)],
    labels=LABELS,
    segments_per_video=[10] * 40,
    kind="probability",
    audio_segments=audio,
    visual_segments=visual,
    audio_clip=probabilities[0].max(axis=1),
    visual_clip=probabilities[1].max(axis=1)[:, None],
)

# %%
# Replay it
# ---------
# Without embeddings there is no cosine between neighbouring segments, so ``method=label_shift``. What a setting needs
# and a bundle lacks is named:

try:
    avreplay.replay(bundle, avreplay.make_params("jomold"))
except avreplay.DataError as error:
    print(error)

static = avreplay.make_params("static_jomold")
dynamic = avreplay.make_params("jomold", values={"method": "label_shift"})
result = avreplay.replay(bundle, [static, dynamic])

# %%
# Score it
# --------
# Annotations usually come from a dataset's files, by ``load_annotations``. The package's own JSON is easily written.

import json
import tempfile
from pathlib import Path

videos = {}
for v, name in enumerate(bundle.video_ids):
    tracks = {
        track: [{"label": LABELS[c], "onset": int(t), "offset": int(t) + 1} for t, c in np.argwhere(present[k, v])]
        for k, track in enumerate(("audio", "visual"))
    }
    videos[name] = {"segments": 10, **tracks}
path = Path(tempfile.mkdtemp(prefix="avreplay-")) / "truth.json"
path.write_text(json.dumps({"schema": "avreplay.annotations/1", "labels": LABELS, "split": "test", "videos": videos}))
truth = avreplay.load_annotations("json", path)

for name, setting in (("static", 0), ("dynamic", 1)):
    metrics = avreplay.evaluate_predictions(result.predictions(setting), truth).metrics
    print(f"{name:8s}", {k: round(v, 1) for k, v in metrics.items() if k.startswith(("type_av", "event_av"))})

# %%
# The model is invented and so are the numbers: they show that the path works, not what the thresholds are worth.
