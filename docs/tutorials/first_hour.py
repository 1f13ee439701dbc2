"""
First hour: from videos to events
=================================

Generates a small world of labelled videos, extracts it once, replays it under several settings, and looks at one video.
Everything is made in a temporary folder; nothing is downloaded.
"""

# %%
# Videos to work on
# -----------------
# The demo world has twelve classes of events that can be heard, seen or both. Every file is generated from a seed.

import tempfile
from pathlib import Path

import avreplay
from avreplay.extract.demo.world import write_demo_world

work = Path(tempfile.mkdtemp(prefix="avreplay-"))
world = write_demo_world(work / "videos", videos=8)
print(*sorted(p.name for p in (work / "videos").iterdir()), sep="\n")

# %%
# Extract, once
# -------------
# The ``demo`` encoder is small and ships with the package. Labels can be any words; these are the ones it knows.

labels = avreplay.load_annotations("json", work / "videos").labels
summary = avreplay.extract_videos(work / "videos", work / "store", "demo", labels, progress=False)
print(summary.counts, "new:", summary.new)

# %%
# What is in a store: the videos with their status, their embeddings, and scores of every label in every segment.

store = avreplay.open_store(work / "store")
for video in store.videos[:3]:
    print(video.id, video.status, video.segments, "segments")
bundle = store.bundle()
print("scores", bundle.visual_segments.shape, "= segments of all videos x labels")

# %%
# Replay
# ------
# A setting is made from a preset and single values; later ones win. Two settings here: AV²A's dynamic thresholds, and a
# static threshold.

settings = [avreplay.make_params("demo"), avreplay.make_params("naive_demo")]
result = avreplay.replay(store, settings)
dynamic, static = (result.predictions(i) for i in range(2))

# %%
# Score both against the annotations. An evaluation says on how many videos it stands.

truth = avreplay.load_annotations("json", work / "videos")
for name, predictions in (("dynamic", dynamic), ("static", static)):
    scored = avreplay.evaluate_predictions(predictions, truth)
    print(
        f"{name:8s} Type@AV {scored.metrics['type_av_seg']:.0f} (segments),"
        f" {scored.metrics['type_av_event']:.0f} (events)"
        f" on {scored.videos_scored} of {scored.videos_expected} videos"
    )

# %%
# One video
# ---------
# Events of a track are (label, onset, offset, score), in segments, the offset excluded.

video = 1
print(dynamic.video_ids[video])
for track in ("audio", "visual", "audio_visual"):
    for label, onset, offset, _ in dynamic.events.track(video, track):
        print(f"  {track:13s} {dynamic.labels[label]:12s} {onset} to {offset} s")

# %%
# The thresholds behind a decision
# --------------------------------
# A trace keeps what the decoder computed: here the scores and thresholds of one label in the visual track.

traced = avreplay.replay(store, settings[0], trace=True)
trace, rows = traced.replay.trace, slice(video * 10, video * 10 + 10)
label = dynamic.events.track(video, "visual")[0][0]
print(dynamic.labels[label])
print("score    ", *(f"{x:.2f}" for x in trace.score[1, rows, label]))
print("threshold", *(f"{x:.2f}" for x in trace.tau[1, rows, label]))

# %%
# Next: :doc:`tuning <tuning_and_reading>`, or the same on the command line: :doc:`/laptop_loop`.
