"""`avreplay doctor`: one line a check, whatever is broken; fake packages, drivers and places."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from avreplay.cache.doctor import place
from avreplay.cache.doctor.imports import Imported, Imports
from avreplay.cache.doctor.packages import extra_checks, module_of, package_check, unmet
from avreplay.cli import main
from avreplay.core.health import NOTE, OK, PROBLEM, Check, check_up
from avreplay.core.installation import extras, own_requirements, requirements_of
from avreplay.core.requirement import Requirement
from avreplay.extract.doctor import gpu
from avreplay.extract.doctor.decoders import AV, NVDEC, TORCHCODEC, decoder_checks
from avreplay.extract.doctor.encoders import TORCH, encoder_checks, torch_checks
from avreplay.extract.doctor.gpu import gpu_checks
from avreplay.extract.doctor.surroundings import weights_checks
from broken_packages import BREAKAGES, HANGS, broken, distribution
from click.testing import CliRunner

BASE = [r.name for r in requirements_of() if r.name != "click"]


def doctor(*arguments: str, path: Path | None = None, **environment: str) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of a run in a process of its own; ``path`` has packages that are found first."""
    env = {**os.environ, **environment, **({"PYTHONPATH": str(path)} if path else {})}
    done = subprocess.run([sys.executable, "-m", "avreplay", "doctor", "--json", *arguments], env=env, cwd="/",
                          capture_output=True, text=True, timeout=120)  # fmt: skip
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


def by_name(found: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {c["name"]: c for c in found["checks"]}


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that this process finds first."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


# --- the command ---------------------------------------------------------------------------------------------------


@pytest.mark.process
def test_nothing_is_wrong_here(tmp_path: Path) -> None:
    code, found = doctor("--store", str(tmp_path / "store"), AVREPLAY_CACHE_DIR=str(tmp_path / "kernels"))
    checks = by_name(found)
    wrong = [c for c in found["checks"] if c["state"] == PROBLEM]
    assert (code, found["problems"], wrong) == (0, 0, [])
    assert {c["group"] for c in found["checks"]} >= {"installation", "machine", "store", "needed packages", "decoders"}
    assert all(checks[name]["state"] == OK for name in BASE)
    assert "removed again" in checks["write speed"]["found"]
    assert str(tmp_path / "kernels") in checks["kernels"]["found"]
    assert not (tmp_path / "store").exists()
    assert found["notes"] == sum(c["state"] == NOTE for c in found["checks"])
    assert all(c["mend"] for c in found["checks"] if c["found"].startswith("not installed"))


KINDS = list(BREAKAGES)


@pytest.mark.process
@pytest.mark.parametrize("turn", range(2))
def test_packages_that_are_broken_in_any_way_are_named(turn: int, tmp_path: Path) -> None:
    """Every needed package at once, each broken in a way of its own."""
    kinds = {name: KINDS[(k + turn * len(BASE)) % len(KINDS)] for k, name in enumerate(BASE)}
    for name, kind in kinds.items():
        broken(tmp_path / "packages", module_of(name), BREAKAGES[kind])
    code, found = doctor(path=tmp_path / "packages")
    checks = by_name(found)
    assert code == 1
    for name in BASE:
        assert checks[name]["state"] == PROBLEM, (name, kinds[name])
        assert "cannot be imported" in checks[name]["found"]
        assert checks[name]["mend"].startswith("pip install --force-reinstall")
    assert checks["click"]["state"] == OK


def test_every_breakage_is_told(packages: Path) -> None:
    for kind, source in BREAKAGES.items():
        broken(packages, f"broken_{kind}", source)
    broken(packages, "broken_whole", "__version__ = '1.2'")
    tried = Imports([*(f"broken_{kind}" for kind in BREAKAGES), "broken_whole", "nowhere_at_all"])
    for kind in BREAKAGES:
        error = tried[f"broken_{kind}"].error
        assert error, kind
        assert "\n" not in error
    assert tried["broken_hard_exit"].error == "it ends the process with exit code 7"
    assert tried["broken_signal"].error == "it ends the process by signal 11"
    assert tried["broken_import_error"].error.endswith("cannot open shared object file second line")
    assert "stays off the network" in tried["broken_network"].error
    assert tried["broken_whole"] == Imported(None, {"version": "1.2"})
    assert "nowhere_at_all" in tried["nowhere_at_all"].error


def test_one_that_hangs_is_ended_and_the_rest_goes_on(packages: Path) -> None:
    broken(packages, "broken_hangs", HANGS)
    broken(packages, "broken_whole", "")
    began = time.monotonic()
    tried = Imports(["broken_hangs", "broken_whole"], seconds=1)
    assert tried["broken_hangs"].error == "it does not end within 1 s"
    assert tried["broken_whole"].error is None
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("store", ["zip://a", "", " ", "s3://", "file://", "a\0b", "http+x://a/b"])
def test_a_place_on_which_no_store_can_lie_is_refused(store: str) -> None:
    done = CliRunner().invoke(main, ["doctor", "--store", store])
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["llp"], "unexpected extra argument"),
        (["--stroe", "x"], "No such option"),
        (["--store"], "requires an argument"),
        (["--gpu"], "No such option"),
    ],
)
def test_mistakes(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(main, ["doctor", *arguments])
    assert done.exit_code == 2
    assert words in done.stderr


def test_a_check_that_fails_does_not_take_the_others_along() -> None:
    def fails() -> list[Check]:
        raise ValueError("no\nidea")

    def half():
        yield Check("a", OK, "fine")
        raise KeyError("b")

    found = check_up([("one", fails), ("two", half), ("three", lambda: [Check("c", NOTE, "odd\x1b[1m", "type\nthis")])])
    assert [(c.name, c.state) for c in found.checks] == [
        ("check", PROBLEM), ("a", OK), ("check", PROBLEM), ("c", NOTE)]  # fmt: skip
    assert found.exit_code == 1
    assert "cannot be finished (ValueError: no idea)" in found.text()
    assert "\x1b" not in found.text()
    assert found.text().endswith("2 problems, 1 note")


# --- packages ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "source", "state", "words"),
    [
        ("1.5", "", OK, "1.5 (asked for: >=1.2,<2)"),
        ("2.0", "", PROBLEM, "2.0 does not fit (asked for: >=1.2,<2)"),
        ("1.1.9", "", PROBLEM, "1.1.9 does not fit"),
        (None, "__version__ = '1.5'", NOTE, "1.5, installed without metadata"),
        (None, "__version__ = '2.5'", PROBLEM, "2.5 does not fit"),
        (None, "__version__ = 7", NOTE, "of unknown version"),
        ("1.5", "raise OSError('x.so')", PROBLEM, "1.5, cannot be imported (OSError: x.so)"),
    ],
)
def test_one_package(packages: Path, version: str | None, source: str, state: str, words: str) -> None:
    name = f"pack-{abs(hash((version, source)))}"
    broken(packages, name.replace("-", "_"), source)
    distribution(packages, name, version)
    check = package_check(Requirement(name, versions=">=1.2,<2"), Imports([name.replace("-", "_")]))
    assert (check.state, check.found[: len(words)]) == (state, words)
    assert bool(check.mend) == (state != OK) or "metadata" in check.found


def test_a_missing_package_and_a_whole_extra(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Requirement("no-such-package", versions=">=3")
    assert package_check(asked, Imports()) == Check("no-such-package", PROBLEM, "is not installed (asked for: >=3)",
                                                    'pip install "no-such-package>=3"')  # fmt: skip
    (tune,) = extra_checks({"tune": "searches"}, Imports())
    assert tune.state == OK
    assert tune.found.startswith("searches: optuna ")
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.setattr("avreplay.cache.doctor.packages.is_there", lambda module: module != "optuna")
    (tune,) = extra_checks({"tune": "searches"}, Imports())
    assert (tune.state, tune.found) == (NOTE, "searches: without optuna")
    assert tune.mend.endswith('[tune]"')


def test_what_packages_ask_of_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision names its torch; LAION's package asks for a NumPy that its models do not need."""
    versions = {"torch": "2.13.0+cpu", "torchvision": "0.27.0", "laion-clap": "1.1.7", "numpy": "2.4.6"}
    asks = {"torchvision": ["torch==2.12.0", "pillow>=99; extra == 'x'"], "laion-clap": ["numpy<2.0.0,>=1.23.5"]}
    monkeypatch.setattr("avreplay.cache.doctor.packages.installed_version", versions.get)
    monkeypatch.setattr("importlib.metadata.requires", lambda name: asks.get(name, []))
    vision, laion = unmet([Requirement("torchvision"), Requirement("laion-clap")])
    assert (vision.name, vision.state) == ("torchvision and torch", PROBLEM)
    assert vision.found == "torchvision 0.27.0 asks for torch==2.12.0 and torch 2.13.0+cpu is installed"
    assert vision.mend == "pip install torch==2.12.0 torchvision"
    assert (laion.state, laion.mend) == (NOTE, "")


# --- torch, GPUs, decoders, encoders ---------------------------------------------------------------------------------

CARD = "NVIDIA H100 80GB HBM3, 81559, 550.54, 9.0"


def torch_of(**facts: Any) -> dict[str, Imported]:
    whole = {"version": "2.13.0", "cuda_build": "13.0", "rocm_build": None, "cuda": False, "mps": False,
             "architectures": [], "gpus": [], **facts}  # fmt: skip
    return {TORCH: Imported(None, whole)}


H100 = {"name": "H100", "memory": 80 << 30, "capability": [9, 0]}


@pytest.mark.parametrize(
    ("rows", "driver", "tried", "state", "words"),
    [
        ([], None, torch_of(), OK, "no NVIDIA GPU is found"),
        ([], None, torch_of(mps=True), OK, "GPU of this Mac"),
        ([CARD], "13.0", torch_of(cuda=True, gpus=[H100], architectures=["sm_90"]), OK, "torch computes on H100"),
        ([CARD], "13.0", torch_of(cuda_build=None), NOTE, "there is a GPU and this torch is built for CPUs"),
        ([CARD], "12.4", torch_of(), PROBLEM, "built for CUDA 13.0, and the driver knows CUDA 12.4 at most"),
        ([CARD], "13.1", torch_of(), PROBLEM, "does not see the GPU"),
        ([CARD], "13.1", {}, NOTE, "nothing is computed on a GPU"),
        ([CARD], "13.1", {TORCH: Imported("OSError: libcudart.so")}, NOTE, "nothing is computed on a GPU"),
    ],
)
def test_torch_and_the_driver(
    monkeypatch: pytest.MonkeyPatch, rows: list[str], driver: str | None, tried: dict, state: str, words: str
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    header = [] if driver is None else [f"| NVIDIA-SMI 550.54   Driver Version: 550.54   CUDA Version: {driver}  |"]
    monkeypatch.setattr(gpu, "_driver", lambda *arguments: (rows if arguments else header, None))
    found = {c.name: c for c in gpu_checks(tried)}
    assert found["torch and GPU"].state == state
    assert words in found["torch and GPU"].found
    assert ("GPU 0" in found) == bool(rows)
    if rows:
        assert found["GPU 0"].found == "NVIDIA H100 80GB HBM3, 85.5 GB, driver 550.54, compute capability 9.0"


def test_a_gpu_of_a_generation_that_torch_is_not_built_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "_driver", lambda *_: ([CARD], None))
    tried = torch_of(cuda=True, gpus=[{**H100, "name": "Old", "capability": [6, 1]}], architectures=["sm_75", "sm_90"])
    (old,) = [c for c in gpu_checks(tried) if c.name == "Old"]
    assert old.state == PROBLEM
    assert "compute capability 6.1" in old.found


@pytest.mark.process
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("#!/bin/sh\necho 'NVIDIA-SMI has failed because it cannot talk to the driver'; exit 9\n", "exit code 9"),
        ("#!/bin/sh\nexit 3\n", "no reason given"),
        ("#!/bin/sh\nprintf '\\377\\376 a,b\\n,,,\\n1,2\\n'\n", ""),
        ("not a program", "cannot be run"),
        ("#!/bin/sh\nsleep 100\n", "does not answer"),
    ],
)
def test_a_driver_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, words: str) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(script)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(gpu, "_SECONDS", 1)
    told = [c for c in gpu_checks({}) if c.name == "NVIDIA driver"]
    assert [c.state for c in told] == ([PROBLEM] if words else [])
    assert all(words in c.found for c in told)


def test_torch_and_its_companions(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"torch": "2.13.0+cpu", "torchvision": "0.28.0", "torchaudio": "2.11.0"}
    for module in ("extract.doctor.encoders", "cache.doctor.packages"):
        monkeypatch.setattr(f"avreplay.{module}.installed_version", versions.get)
    monkeypatch.setattr("avreplay.extract.doctor.encoders.is_there", lambda module: True)
    monkeypatch.setattr("importlib.metadata.requires", lambda name: [])
    tried = {**torch_of(cuda_build=None), "torchvision": Imported("RuntimeError: operator torchvision::nms"),
             "torchaudio": Imported("OSError: _torchaudio.abi3.so")}  # fmt: skip
    torch, vision, audio = torch_checks(tried)
    assert (torch.state, torch.found.endswith("built for CPUs")) == (OK, True)
    assert (vision.state, audio.state) == (PROBLEM, PROBLEM)
    assert "torchvision that is made for torch 2.13.0+cpu" in vision.mend
    assert "pip uninstall torchaudio" in audio.mend
    (broken_torch,) = torch_checks({TORCH: Imported("OSError: libtorch_cpu.so")})
    assert broken_torch.state == PROBLEM
    assert "libtorch_cpu.so" in broken_torch.found
    versions["torch"] = "2.9.1"
    assert next(iter(torch_checks(torch_of()))).state == PROBLEM


@pytest.mark.parametrize(("version", "bad"), [("4.57.6", "pe_av"), ("5.23.0", "languagebind")])
def test_encoders_and_the_two_transformers(monkeypatch: pytest.MonkeyPatch, version: str, bad: str) -> None:
    versions = {r.name: r.versions.lstrip(">=~").split(",")[0] or "1" for r in own_requirements()}
    versions |= {"transformers": version, "timm": "1.0.30"}
    for module in ("extract.doctor.encoders", "cache.doctor.packages"):
        monkeypatch.setattr(f"avreplay.{module}.installed_version", versions.get)
        monkeypatch.setattr(f"avreplay.{module}.is_there", lambda name: True)
    monkeypatch.setattr("importlib.metadata.requires", lambda name: [])
    found = {c.name: c for c in encoder_checks(Imports())}
    alike = {"pe_av", "pe_av_joint", "pe_a_frame"} if bad == "pe_av" else {bad}
    assert {name for name, c in found.items() if c.state != OK} == alike
    # a user who has LanguageBind's package wants it to work; of PE-AV nothing tells
    assert found[bad].state == (PROBLEM if bad == "languagebind" else NOTE)
    assert f"transformers {version} is installed" in found[bad].found
    assert "in another environment" in found[bad].mend


def test_decoders() -> None:
    av = Imported(None, {"version": "18.1.0", "libavcodec": "62.28.102", "lacking": []})
    assert [(c.name, c.state) for c in decoder_checks({AV: av})] == [("PyAV", OK), ("torchcodec", NOTE)]
    poor = Imported(None, {**av.facts, "lacking": ["hevc", "av1"]})
    assert next(iter(decoder_checks({AV: poor}))).found.endswith("without decoders of hevc, av1")
    assert next(iter(decoder_checks({AV: Imported("ImportError: libav")}))).state == PROBLEM
    codec = Imported(None, {"version": "0.13.0", "libavcodec": "61.1.1"})
    tried = {AV: av, TORCHCODEC: codec, NVDEC: Imported("UsageError: no NVDEC"), **torch_of(cuda=True)}
    assert [(c.name, c.state) for c in decoder_checks(tried)][1:] == [("torchcodec", OK), ("NVDEC", NOTE)]
    broken_codec = {AV: av, TORCHCODEC: Imported("UsageError: torchcodec 0.13 finds no FFmpeg")}
    assert [c.state for c in decoder_checks(broken_codec)] == [OK, PROBLEM]


# --- places and surroundings -------------------------------------------------------------------------------------


def states(store: str | None) -> dict[str, tuple[str, str]]:
    return {c.name: (c.state, c.found) for c in place.place_checks(store)}


def test_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "LOCAL_BYTES", 1 << 20)
    there = tmp_path / "there"
    there.mkdir()
    for store in (there, tmp_path / "a" / "b"):
        found = states(str(store))
        assert found["write speed"][1].endswith("removed again)")
        assert "1.0 MB in" in found["write speed"][1]
    assert list(there.iterdir()) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["there"]
    (tmp_path / "file").write_text("")
    assert [s for s, _ in states(str(tmp_path / "file" / "x")).values()] == [PROBLEM]
    assert states(None)["write speed"][0] == NOTE
    monkeypatch.setattr(place, "SLOW", 1e15)
    assert states(str(there))["write speed"][0] == NOTE
    monkeypatch.setattr(place, "LITTLE_ROOM", 1 << 60)
    assert states(str(there))[str(there)][0] == NOTE


def test_a_place_that_only_reads_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    ((state, found),) = states(str(tmp_path)).values()
    assert state == NOTE
    assert found.endswith("a store there can be replayed, and none can be made")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert [s for s, _ in states(str(tmp_path)).values()] == [PROBLEM]
    ((state, found),) = states("https://example.org/store").values()
    assert (state, found[:16]) == (NOTE, "https only reads")


def test_a_disk_that_fills_while_it_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(place, "LOCAL_BYTES", 1 << 20)
    monkeypatch.setattr(os, "fsync", full)
    state, found = states(str(tmp_path))["write speed"]
    assert (state, found) == (PROBLEM, f"{tmp_path} cannot be written: No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    monkeypatch.setattr(place, "REMOTE_BYTES", 1 << 16)
    monkeypatch.setattr(place, "SLOW", 0.0)  # a busy machine is slow
    url = "memory://doctor/store"
    found = states(url)
    assert [found[name][0] for name in (url, "write speed", "read speed")] == [OK, OK, OK]
    assert fsspec.filesystem("memory").find("/doctor") == []
    monkeypatch.setattr("avreplay.cache.storage.objects.MemoryObjects.put", lambda *_: 1 / 0)
    assert [s for s, _ in states(url).values()] == [PROBLEM]


def test_variables_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hub" / "models--owner--name").mkdir(parents=True)
    for name, value in {
        "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "HF_TOKEN": "hf_secret", "SSL_CERT_FILE": "/nowhere.pem",
        "HTTPS_PROXY": "http://me:secret@proxy:3128", "HF_ENDPOINT": "https://mirror.example",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    found = {c.name: c for c in weights_checks()}
    assert found["downloaded weights"].found == f"{tmp_path}/hub: owner/name"
    assert (found["HF_HUB_OFFLINE"].state, found["SSL_CERT_FILE"].state) == (NOTE, NOTE)
    assert found["HTTPS_PROXY"].found == "http://…@proxy:3128"
    assert found["HF_ENDPOINT"].found == "https://mirror.example"
    assert "secret" not in " ".join(c.found for c in found.values())


def test_extras_that_are_looked_at_are_declared() -> None:
    from avreplay.evaluate.doctor import EXTRAS

    assert set(EXTRAS) <= set(extras())
