"""The scripts of benchmarks/: they run, and write what they promise."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from avreplay.core.errors import DataError
from avreplay.evaluate.bench.breakeven import settings_to_pay
from media_maker import write_media

pytestmark = pytest.mark.once

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

FAKE_MAIN = """
import argparse, json, pathlib, sys, time

parser = argparse.ArgumentParser()
for name in ("video_dir_path", "audio_dir_path", "candidates_file_path", "backbone", "dataset", "method", "fusion"):
    parser.add_argument("--" + name, required=True)
for name in ("gpu_id", "threshold_stage1", "threshold_stage2", "filter_threshold", "alpha", "gamma"):
    parser.add_argument("--" + name, required=True, type=float)
args = parser.parse_args()
print(vars(args), file=open("asked.txt", "a"))
videos = sorted(p.stem for p in pathlib.Path(args.video_dir_path).glob("*.mp4"))
sounds = sorted(p.stem for p in pathlib.Path(args.audio_dir_path).glob("*.wav"))
if videos != sounds:
    sys.exit("a sound is missing")
found = []
for video in videos:
    time.sleep(0.7)
    found.append({video: [{"event_label": "dog", "start": 0, "end": 2}]})
if pathlib.Path("lazy").exists():
    found = found[:1]
with open(args.candidates_file_path, "w") as file:
    json.dump({"combined": found, "video": found, "audio": found}, file)
sys.exit("the annotations are not here")
"""
"""A stand-in shaped like the authors' main.py: the arguments of their README, a file of candidates, then an evaluation
that fails without annotations."""


@pytest.fixture
def script(monkeypatch):
    """Imports a script of benchmarks/ by name."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def load(name):
        sys.modules.pop(name, None)
        return __import__(name)

    return load


@pytest.fixture
def inputs(tmp_path):
    """A fake checkout, three videos with sound files, and a video without one."""
    for folder in ("code", "videos", "audio"):
        (tmp_path / folder).mkdir()
    (tmp_path / "code/main.py").write_text(FAKE_MAIN)
    for name in "abcd":
        write_media(tmp_path / f"videos/{name}.mp4", seconds=2, channels=1)
    for name in "abd":
        (tmp_path / f"audio/{name}.wav").write_bytes(b"")
    return tmp_path


def where(folder):
    return ["--checkout", str(folder / "code"), "--videos", str(folder / "videos"), "--audio", str(folder / "audio")]


@pytest.mark.media
def test_curves(script, tmp_path):
    curves = script("curves")
    curves.main(["--tiny", "--out", str(tmp_path)])
    found = json.loads((tmp_path / "curves.json").read_text())
    assert found["machine"]["cores"] >= 1
    assert found["versions"].keys() >= {"python", "numpy", "numba", "matplotlib"}
    assert list(found["curves"]) == ["segments", "labels", "videos", "settings", "threads"]
    for name, curve in found["curves"].items():
        assert len(curve["sizes"]) == len(curve["values"]) == len(curve["to_the_first"]) >= 1
        assert curve["sizes"] == sorted(set(curve["sizes"]))
        assert min(curve["values"]) > 0
        assert curve["to_the_first"][0] == 1
        if name != "threads":
            assert tuple(curve["sizes"]) == getattr(curves.TINY, name)
    assert [row["rival"]["same_machine"] for row in found["break_even"]] == [True, True, False, False]
    pictures = {path.stem: path for path in tmp_path.glob("*.svg")}
    assert pictures.keys() == {"break_even", *(f"curve_{name}" for name in found["curves"])}
    for path in pictures.values():
        root = ET.parse(path).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        words = " ".join(root.itertext())
        assert found["machine"]["cpu"] in words
        assert found["versions"]["numba"] in words


@pytest.mark.slow
def test_pictures_change_only_with_their_data(script, tmp_path):
    curves = script("curves")
    curve = curves.Curve("labels", "labels C", "µs a video", "made up", [10, 20], [1.5, 2.5])
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        curves.draw_curve(curve, "a machine", tmp_path / name / "c.svg")
    assert (tmp_path / "first/c.svg").read_bytes() == (tmp_path / "second/c.svg").read_bytes()


def test_full_sizes_are_those_promised(script):
    full = script("curves").FULL
    assert (full.segments[0], full.segments[-1]) == (5, 120)
    assert (full.labels[0], full.labels[-1]) == (10, 2000)
    assert (full.videos[0], full.videos[-1]) == (50, 24800)
    assert (full.settings[0], full.settings[-1]) == (1, 8192)


def test_authors_harness_on_a_fake_checkout(script, inputs, capsys):
    out = inputs / "found.json"
    assert script("authors").main([*where(inputs), "--backbone", "clip_clap", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert json.loads(capsys.readouterr().out) == found
    theirs = found["authors"]
    assert (theirs["videos"], theirs["backbone"], theirs["exit_code"]) == (3, "clip_clap", 1)
    # it sleeps 0.7 s a video
    assert theirs["per_video"] > 0
    assert found["avreplay"]["extraction"]["videos"] == 3
    even = found["break_even"]
    assert even["rival"]["seconds"] == theirs["per_video"]
    assert even["settings"] == settings_to_pay(even["once"], even["each"], theirs["per_video"])
    one, many = (inputs / "code/asked.txt").read_text().splitlines()
    for asked in (one, many):
        assert "'alpha': 0.45" in asked
        assert "'method': 'bbse-cosine'" in asked
        assert "'gpu_id': -1.0" in asked


def test_seconds_per_video(script):
    authors = script("authors")
    assert authors.seconds_per_video(12.0, 30.0, 4) == 6.0
    with pytest.raises(DataError, match="give more"):
        authors.seconds_per_video(12.0, 12.0, 4)


def test_no_checkout_says_in_one_line_what_to_give(script, capsys):
    assert script("authors").main([]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.strip().splitlines()) == 1
    for words in ("--checkout", "--videos", "--audio"):
        assert words in said.err


def test_what_a_checkout_can_lack(script, inputs, capsys):
    def error(*more):
        code = script("authors").main([*where(inputs), *more])
        return code, capsys.readouterr().err

    code, said = error("--sample", "1")
    assert code == 2
    assert "at least 2" in said
    code, said = error("--python", str(inputs / "no-python"))
    assert code == 2
    assert "give --python" in said
    (inputs / "code/lazy").touch()
    code, said = error()
    assert code == 1
    assert "did 1 of 3 videos" in said
    (inputs / "code/main.py").write_text("raise SystemExit('no models here')")
    code, said = error()
    assert code == 1
    assert "did 0 of 1 videos (exit code 1): no models here" in said
    (inputs / "code/main.py").unlink()
    code, said = error()
    assert code == 2
    assert "no main.py" in said


@pytest.mark.slow
def test_ovavel_against_its_twin(script, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["ovavel_vs_twin.py", "--quick", "--out", str(tmp_path / "r.json")])
    script("ovavel_vs_twin").main()
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["videos"] == 200
    assert set(result["metrics_us_per_video"]) == {"kernel", "twin", "ratio"}
    assert set(result["decode_us_per_video"]) == {"training_free", "training_free, paper profile", "finetuned"}


@pytest.mark.slow
def test_every_decoder_beside_its_twin(script, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["rival_decoders.py", "--quick", "--out", str(tmp_path / "r.json")])
    script("rival_decoders").main()
    (rows,) = json.loads((tmp_path / "r.json").read_text())["shapes"].values()
    for name in ("av2a", "ovavel", "cuerator", "scope", "viterbi"):
        assert rows[name]["us_per_video"] > 0
        assert rows[name]["twin_ratio"] > 0
    assert "scope:largest_gap" in rows


def test_whole_commands_beside_another_checkout(script, tmp_path):
    whole = script("whole_commands")
    found = whole.main(
        [str(whole.HERE), "--quick", "--turns", "1", "--videos", "40", "--out", str(tmp_path / "out.json")]
    )
    assert json.loads((tmp_path / "out.json").read_text()) == found
    assert len(found["commands"]) == 2
    assert all(row["same_bytes"] and row["wall_s"]["now"] > 0 for row in found["commands"].values())


def test_the_exact_plane_beside_the_sweep(script, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["exact_plane.py", "--quick", "--out", str(tmp_path / "r.json")])
    script("exact_plane").main()
    result = json.loads((tmp_path / "r.json").read_text())
    for profile in ("release", "paper"):
        assert result[profile]["plane_in_settings"] > 0
        assert result[profile]["surface_times_faster_than_sweep"] > 10


@pytest.mark.media
def test_extraction_against_the_released_order_of_work(script):
    bench = script("extract_vs_released")
    found = bench.measure(bench.load_backbone("demo"), "demo", 2)
    assert found["videos"] >= 2
    assert found["twin_queries_per_video"] >= 2
    ratios = found["ratio_by_settings"]
    assert ratios["256"] > 10 * ratios["1"] > 0
    assert found["seconds_per_video"]["twin, one setting"] > 0


@pytest.mark.torch
@pytest.mark.process
def test_gpu_check_on_a_processor(script, tmp_path, capfd):
    """The steps that need no encoder of foundation models; the others: tests/backbones/test_gpu_check.py."""
    pytest.importorskip("torch")
    check = script("gpu_check")
    arguments = ["--small", "--device", "cpu", "--backbones", "", "--out", str(tmp_path), "--steps"]
    assert check.main([*arguments, "environment,finetuning"]) == 0
    found = {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("*.json")}
    assert found.keys() == {"environment", "finetuning"}
    assert found["finetuning"]["about"]["small"] is True
    assert found["finetuning"]["found"]["together"]["same_bytes"] is True
    assert found["environment"]["found"]["environment"]["usable_processors"] >= 1
    before = (tmp_path / "finetuning.json").read_bytes()
    assert check.main([*arguments, "finetuning"]) == 0
    assert (tmp_path / "finetuning.json").read_bytes() == before  # done before, not again
    assert "same_bytes True" in capfd.readouterr().out


def test_evidence_goes_on_where_it_ended(script, tmp_path, monkeypatch):
    evidence = script("gpu.evidence").evidence.Evidence
    about = {"device": "x"}
    one = evidence(tmp_path, "step", about, 60)
    assert one.measure("a", lambda: {"deep": [1 / 3]}) == {"deep": [0.3333]}
    assert one.measure("b", lambda: 1 // 0) is None
    two = evidence(tmp_path, "step", about, 0)
    assert two.measure("a", lambda: pytest.fail("measured again")) == {"deep": [0.3333]}
    assert two.measure("b", lambda: 5) is None
    assert not two.complete
    written = json.loads((tmp_path / "step.json").read_text())
    assert (written["found"], written["left_out"]) == ({"a": {"deep": [0.3333]}}, ["b"])
    three = evidence(tmp_path, "step", about, 60)
    assert three.measure("b", lambda: 5) == 5
    assert evidence(tmp_path, "step", {"device": "y"}, 60).found == {}


def test_against_worktree(script, tmp_path, capsys):
    """This checkout beside itself: the same bytes, and a ratio."""
    out = tmp_path / "out.json"
    script("against_worktree").main([
        str(BENCHMARKS.parent), "--quick", "--turns", "1", "--only", "LLP", "--out", str(out)
    ])  # fmt: skip
    found = json.loads(out.read_text())
    assert found["us"].keys() == {"LLP metrics"}
    assert found["us"]["LLP metrics"]["same_bytes"] is True
    assert found["us"]["LLP metrics"]["ratio"] > 0
    with pytest.raises(SystemExit):
        script("against_worktree").main([str(tmp_path)])
    assert "is not a checkout" in capsys.readouterr().err


@pytest.mark.parametrize(("power", "shown"), [(1.0, 1.0), (1.5, 1.5), (0.0, None)])
def test_growth_is_the_power_of_what_is_taken_beside_the_start(script, power, shown):
    million = script("million")
    rows = {"64": {"processor_s": 2.0}}
    for videos in (1000, 10_000, 100_000):
        rows[str(videos)] = {"processor_s": 2.0 + (1e-3 * videos**power if power else 0.0)}
    assert million.exponent(rows, 64) == shown


def test_commands_of_a_growing_store_run(script, tmp_path, monkeypatch):
    million = script("million")
    monkeypatch.setenv("PYTHONPATH", str(BENCHMARKS))
    asked = []
    monkeypatch.setattr(million, "run", lambda folder, command: asked.append(command) or {"processor_s": 1.0})
    found = million.one_size(tmp_path, 6)
    assert len(found) == len(asked) > 8
    from avreplay.cli import main
    from click.testing import CliRunner

    for command in asked[:1] + asked[2:6]:
        done = CliRunner().invoke(main, list(command))
        assert done.exit_code == 0, done.output
