"""Mutants of media."""

from __future__ import annotations

import shutil
from pathlib import Path

from hypothesis import strategies as st

from .cases import Case
from .mutants import Draw, bytes_of

MEDIA_AT_ONCE = 24


def media(folder: Path, draw: Draw) -> Case:
    """Several mutants in one run, since a run starts processes; a file that is whole lies beside them."""
    clips = sorted((folder / "clips").iterdir())
    videos = folder / "videos"
    videos.mkdir()
    shutil.copy(clips[0], videos / f"whole{clips[0].suffix}")
    for k in range(MEDIA_AT_ONCE):
        clip = draw(st.sampled_from(clips))
        (videos / f"m{k}{clip.suffix}").write_bytes(draw(bytes_of(clip.read_bytes())))
    store = folder / "media.store"

    def accepted(codes: list[int], printed: str) -> str:
        from avreplay import open_store

        found = {record.id: record for record in open_store(store).videos}
        if len(found) != MEDIA_AT_ONCE + 1:
            return f"{len(found)} of {MEDIA_AT_ONCE + 1} videos have a record"
        return "" if found["whole"].status == "ok" else f"the whole file is {found['whole']}"

    return Case(
        [["extract", str(videos), "--store", str(store), "--no-calibration", "--labels", str(folder / "labels.txt")],
         ["verify", str(store)]], accepted,
    )  # fmt: skip
