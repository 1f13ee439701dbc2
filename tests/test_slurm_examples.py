"""The scripts of examples/slurm: the job array is run; the cluster, with commands that only say what they were told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from avreplay.extract import ExtractSettings, extract_videos
from media_maker import write_media
from store_files import tree

SLURM = Path(__file__).parents[1] / "examples" / "slurm"


def program(folder: Path, name: str, body: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/bash\n{body}\n")
    (folder / name).chmod(0o755)


def run(script: str, folder: Path, *arguments: str, **environment: str) -> str:
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", str(SLURM / script), *arguments],
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_jobs_of_an_array_make_one_store(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    for k in range(3):
        write_media(tmp_path / "videos" / f"v{k}.mp4", seconds=2, channels=1)
    (tmp_path / "labels.txt").write_text("Dog\nSpeech\n")
    program(tmp_path / "bin", "avreplay", f'exec {sys.executable} -m avreplay "$@"')
    given = {"VIDEOS": str(tmp_path / "videos"), "STORE": str(tmp_path / "s")}
    for job in (4, 5):  # an array may begin at any number
        slurm = {"SLURM_ARRAY_TASK_ID": str(job), "SLURM_ARRAY_TASK_MIN": "4", "SLURM_ARRAY_TASK_COUNT": "2"}
        run("job_array.sh", tmp_path / "bin", "--labels", str(tmp_path / "labels.txt"), **given, **slurm)
    settings = ExtractSettings(shard_videos=2)
    extract_videos(tmp_path / "videos", tmp_path / "one", "demo", ("Dog", "Speech"), settings)
    assert tree(tmp_path / "s") == tree(tmp_path / "one")


def test_the_nodes_of_a_job_become_a_cluster(tmp_path: Path) -> None:
    said = tmp_path / "said"
    for name in ("ray", "avreplay"):
        program(tmp_path / "bin", name, f'echo {name} "$@" >> {said}')
    program(tmp_path / "bin", "srun", f'echo srun "$@" >> {said}.srun')
    program(tmp_path / "bin", "scontrol", "printf 'n1\\nn2\\nn3\\n'")
    slurm = {"SLURM_JOB_NODELIST": "n[1-3]", "SLURM_JOB_ID": "12345", "SLURM_CPUS_PER_TASK": "8"}
    given = {"VIDEOS": "videos", "STORE": "s", "SLURM_JOB_NUM_NODES": "3"}
    run("ray_cluster.sh", tmp_path / "bin", "--backbone", "demo", **given, **slurm)
    assert said.read_text().splitlines() == [
        "ray start --head --port=22345 --num-cpus=8 --disable-usage-stats",
        "avreplay extract videos --store s --ray n1:22345 --backbone demo",
        "ray stop",
    ]
