"""Mistakes that people make: each is told in one sentence that names the thing and the mend, with its exit code."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest
from avreplay.cache import import_bundle, write_bundle
from avreplay.cli import main
from click.testing import CliRunner
from tuning_data import made

USAGE, DATA = 2, 1

MISTAKES = [
    # extract
    ("extract videos", USAGE, "Missing option '--store' / '-o'"),
    ("extract --store new", USAGE, "Missing argument 'MEDIA...'"),
    ("extract videos new", USAGE, "Missing option '--store' / '-o'"),
    ("extract nowhere --store new", USAGE, "there is no file or folder nowhere"),
    ("extract store --store new", USAGE, "the folder store has no video files and no sound files"),
    ("extract videos --store videos", DATA, "videos is not an avreplay store and not empty"),
    ("extract videos --store new --labels llp", DATA, "`avreplay labels llp > llp.txt`"),
    ("extract videos --store new --labels truth/annotations.json", DATA, "is JSON, and no list of labels"),
    ("extract videos --store new --backbone clip", USAGE, "did you mean 'clip_clap'?"),
    ("extract videos --store new --backbone language-bind", USAGE, "did you mean 'languagebind'?"),
    ("extract videos --store new --windows full", USAGE, "'full' is not one of 'auto', 'all', 'multiscale', 'none'"),
    ("extract videos --store new --devices cuda:0", USAGE, "the backbone demo computes on the CPU only"),
    ("extract videos --store new --shard 3", USAGE, "the shard '3' is not of the form i/n, say 1/4"),
    ("extract videos --store new --out there", USAGE, "extract has no option --out, which is one of"),
    ("extract videos --store new --retry --fill", USAGE, "--fill and --retry are two steps"),
    ("extract . --store new", USAGE, "--recursive looks into folders"),
    ("extract truth --recursive --store new", USAGE, "neither the folder truth nor those below it have video files"),
    ("join-stills nowhere --out new", DATA, "there is no folder nowhere; check the path"),
    ("join-stills videos --out new", DATA, "videos has neither folders of pictures (jpg, png) nor .wav files"),
    ("join-stills videos", USAGE, "Missing option '--out'"),
    ("join-stills videos --out new --picture-seconds 0", USAGE, "give seconds from 0.001 to 3600"),
    ("response store --dataset json --annotations truth --out r.pdf", USAGE, "ends with none of .json, .csv, .html"),
    ("response store --dataset json --annotations truth --over alpha", USAGE, "'alpha' is not one of"),
    ("export p.json --format csv", USAGE, "Missing option '--out'"),
    ("export p.json --format excel --out x", USAGE, "'excel' is not one of"),
    ("export store --format csv --out x", DATA, "store is a folder and no predictions"),
    ("import --guess nowhere", DATA, "nowhere"),
    ("import --guess videos", DATA, "videos"),
    ("backbones clip", USAGE, "did you mean 'clip_clap'?"),
    # stores
    ("info videos", DATA, "videos is not an avreplay store: it has no zarr.json; give the folder of a store"),
    ("info .", DATA, "it has no zarr.json; did you mean ./store?"),
    ("verify p.json", DATA, "p.json is not an avreplay store: it is a file; give the folder of a store"),
    ("embed-text store", USAGE, "Missing option '--labels'"),
    ("import p.json new", DATA, "p.json is not a readable .npz file (it is no zip)"),
    ("import b.npz new --mapping none.toml", DATA, "there is no mapping none.toml; check the path"),
    # replay
    ("replay", USAGE, "Missing argument 'STORE...'"),
    ("replay nowhere", DATA, "there is no store at nowhere; check the path, or make one with `avreplay extract`"),
    ("replay p.json", DATA, "p.json is not an avreplay store: it is a file"),
    ("replay store --preset training_free", USAGE, "the preset training_free is of the ovavel decoder, not of av2a"),
    ("replay store --preset languagebin", USAGE, "did you mean 'languagebind'?"),
    ("replay store --preset LanguageBind", USAGE, "did you mean 'languagebind'?"),
    ("replay store --set tau0 0.5", USAGE, "--set takes one word, KEY=VALUE: --set tau0=0.5"),
    ("replay --set tau0 0.5 store", USAGE, "--set takes one word, KEY=VALUE: --set tau0=0.5"),
    ("replay store --set tau=0.5", USAGE, "there is no option 'tau'; did you mean 'tau0'?"),
    ("replay store --set tau0=high", USAGE, "tau0 is 'high'; expected a number from 0 to 1"),
    ("replay store --set tau0=75", USAGE, "tau0 is '75'; expected a number from 0 to 1"),
    ("replay store --tau0 0.5", USAGE, "--tau0"),
    ("replay store --params p.json", DATA, "p.json is not readable TOML"),
    ("replay store --profile papers", USAGE, "did you mean 'paper'?"),
    ("replay store --decoder AV2A", USAGE, "did you mean 'av2a'?"),
    ("replay store --tracks audio,video", USAGE, "there is no track 'video'; tracks are audio, visual, audio_visual"),
    ("replay store --scores ft", USAGE, "store has no score set 'ft'"),
    ("replay store --dataset json", USAGE, "replay has no option --dataset, which is one of"),
    # evaluate, compare, report
    ("evaluate store --dataset json --annotations truth", DATA, "give a file that `avreplay replay STORE --out FILE`"),
    ("evaluate p.json --dataset json", USAGE, "Missing option '--annotations'"),
    ("evaluate p.json --annotations truth", USAGE, "Missing option '--dataset'"),
    ("evaluate p.json --dataset LLP --annotations truth", USAGE, "did you mean 'llp'?"),
    ("evaluate p.json --dataset json --annotations p.json", DATA, "expected avreplay.annotations/1"),
    ("evaluate truth/annotations.json --dataset json --annotations truth", DATA, "expected avreplay.predictions/1"),
    ("evaluate p.json --dataset json --annotations truth --split dev", USAGE, "ask for the split test"),
    ("evaluate p.json --dataset json --annotations truth --out x", USAGE, "its figures are printed: write them with"),
    ("evaluate p.json --dataset json --annotations truth --preset demo", USAGE, "evaluate has no option --preset"),
    ("evaluate p.json --dataset json --annotations truth --metrics f1", USAGE, "there is no metric 'f1'"),
    ("evaluate p.json --dataset json --annotations truth --bootstrap 1000000000000", USAGE, "give at most 1000000"),
    ("tune store --dataset json --annotations truth --out t --resamples 1000000000000", USAGE, "give at most 1000000"),
    ("compare p.json p.json --dataset json --annotations truth --resamples -3", USAGE, "-3 resamples make no interval"),
    ("compare p.json --dataset json --annotations truth", USAGE, "Missing argument 'SECOND'"),
    ("report p.json --trace p.json --dataset json --annotations truth", DATA, "p.json is not a readable .npz file"),
    # tune, others
    ("tune store --dataset json --annotations truth --split dev --out t", USAGE, "ask for the split test"),
    ("tune store --dataset json --annotations truth --out t --search tau0", USAGE, "write name=low:high"),
    ("leaderboard store --dataset json --annotations truth --out t", USAGE, "--tune-split val: truth"),
    ("leaderboard store --dataset json --annotations truth --tune-split test", USAGE, "are both test"),
    ("leaderboard store --dataset json --annotations truth --decoders av2", USAGE, "did you mean 'av2a'?"),
    ("options --decoder x", USAGE, "there is no decoder 'x' (decoders: av2a, ovavel"),
    ("labels LLP", USAGE, "did you mean 'llp'?"),
    ("exstract videos", USAGE, "No such command 'exstract'"),
    ("reproduce av2a languagebind=store", USAGE, "give LLP's annotations with --llp"),
]  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store, a bundle, predictions and annotations that are in order, and a folder without videos."""
    folder = tmp_path_factory.mktemp("mistakes")
    scores, truth = made(1, 6)
    import_bundle(scores, folder / "store")
    write_bundle(scores, folder / "b.npz")
    (folder / "videos").mkdir()
    (folder / "videos" / "a.mp4").write_bytes(b"")
    (folder / "truth").mkdir()
    videos = {v: {"segments": int(n)} for v, n in zip(truth.video_ids, truth.segments_per_video, strict=True)}
    annotations = {"schema": "avreplay.annotations/1", "labels": list(truth.labels), "split": "test", "videos": videos}
    (folder / "truth" / "annotations.json").write_text(json.dumps(annotations, indent=1))
    done = CliRunner().invoke(main, ["replay", str(folder / "store"), "--out", str(folder / "p.json")])
    assert done.exit_code == 0, done.output
    return folder


@pytest.mark.parametrize(("command", "code", "words"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_told_in_one_sentence(world, monkeypatch, command, code, words):
    monkeypatch.chdir(world)
    before = sorted(os.listdir(world))
    done = CliRunner().invoke(main, shlex.split(command))
    assert done.exit_code == code, done.output
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith("Error: ")
    assert words in said, said
    assert len(said) < 400
    assert done.stdout == ""
    assert sorted(os.listdir(world)) == before


@pytest.mark.parametrize(("command", "code"), [m[:2] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_json_has_the_mistake_too(world, monkeypatch, command, code):
    monkeypatch.chdir(world)
    done = CliRunner().invoke(main, [*shlex.split(command), "--json"])
    assert done.exit_code == code
    error = json.loads(done.stdout)["error"]
    assert error["kind"] == {USAGE: "usage", DATA: "data"}[code]
    assert error["message"] in done.stderr
