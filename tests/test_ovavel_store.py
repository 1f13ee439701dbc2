"""OV-AVEL over a store of embeddings: cosines, commands, short and broken clips, AV²A on the same cache, AVE."""

from __future__ import annotations

import gzip
import json

import golden_ovavel as golden
import numpy as np
import pytest
from avreplay.cache import StoreWriter, VideoEmbeddings, VideoRecord, Vocabulary, open_store, write_bundle
from avreplay.cli import main
from avreplay.core import reference
from avreplay.core.errors import DataError, UsageError
from avreplay.core.params.av2a import make_params
from avreplay.core.params.ovavel import make_ovavel_params
from avreplay.evaluate.datasets.ave import LABELS as AVE_LABELS
from avreplay.evaluate.datasets.ovavebench import LABELS
from avreplay.evaluate.replay import replay
from click.testing import CliRunner


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def write_store(url, labels, text, videos, audio_text=None, statuses=None):
    """A store of ``{id: (audio (T, D), visual (T, D))}``; ``statuses`` {id: status} are videos without data."""
    dim = text.shape[1]
    config = {
        "backbone": {"name": "imagebind", "weights": "made"}, "dtype": "float16", "segment_seconds": 1.0,
        "dims": {"audio": dim, "visual": dim, "visual_rows": 1},
    }  # fmt: skip
    made = []
    for name, pair in videos.items():
        audio, visual = pair
        record = VideoRecord(name, "ok" if audio is not None else "no_audio", "", len(visual), float(len(visual)))
        sound = {} if audio is None else {
            "audio_segments": audio, "audio_clip": audio.mean(0), "window_audio": np.zeros((0, dim)),
        }  # fmt: skip
        made.append((record, VideoEmbeddings(
            np.zeros((0, 2), np.int64), visual_segments=visual, visual_clip=visual.mean(0)[None],
            window_visual=np.zeros((0, 1, dim)), **sound,
        )))  # fmt: skip
    made += [(VideoRecord(name, status, "the file has zero bytes"), None) for name, status in (statuses or {}).items()]
    with StoreWriter.open(url, config, [r.id for r, _ in made], shard_videos=4) as writer:
        for index, ids in writer.pending():
            writer.write_shard(index, [pair for pair in made if pair[0].id in ids])
        heard = text if audio_text is None else audio_text
        writer.set_vocabulary(Vocabulary(labels, labels, labels, heard.astype(np.float32), text.astype(np.float32)))
        writer.finish()
    return url


def annotated(folder, rows):
    text = "split,category,group,video_id,label\n" + "".join(f"test,{c},{g},{v},{bits}\n" for c, g, v, bits in rows)
    (folder / "ovavebench.csv.gz").write_bytes(gzip.compress(text.encode()))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store of the golden embeddings, 32 wide, under the benchmark's names, and their annotations."""
    folder = tmp_path_factory.mktemp("ovavel")
    g = golden.load("tf_d32")
    videos = {f"v{i:02d}": pair for i, pair in enumerate(zip(g["audio"], g["visual"], strict=True))}
    write_store(folder / "s", LABELS, g["text"], videos)
    rows = []
    for i, (bits, c) in enumerate(zip(g["avc"], g["cat"].tolist(), strict=True)):
        # a video without events is of some class all the same
        rows.append((LABELS[c % 67], "seen" if i % 3 else "unseen", f"v{i:02d}", "".join(map(str, bits))))
    return annotated(folder, rows)


def test_cosines_do_not_depend_on_norms(made):
    g = golden.load("tf_d32")
    b = open_store(made / "s").cosines(fused=True)
    for name in ("audio", "visual"):
        want = reference.cosines(g[name], g["text"].astype(np.float32)).reshape(-1, 68)
        np.testing.assert_allclose(getattr(b, f"{name}_segments"), want, atol=1e-7)
    mean = (g["audio"].astype(float) + g["visual"]) / 2
    np.testing.assert_allclose(b.audio_visual_segments, reference.cosines(mean, g["text"]).reshape(-1, 68), atol=1e-7)


@pytest.mark.parametrize("name", ["v0", "v01"])
def test_from_store_to_the_released_figures(made, name):
    g = golden.load("tf_d32")
    preset = {"v0": "training_free_no_other", "v01": "training_free"}[name]
    done = run("replay", made / "s", "--decoder", "ovavel", "--preset", preset, "--out", made / "p.json", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["params"]["decoder"] == "ovavel"
    scored = run("evaluate", made / "p.json", "--dataset", "ovavebench", "--annotations", made, "--json",
                 "--strict", "--batch-size", len(g["avc"]), "--per-class")  # fmt: skip
    result = json.loads(scored.stdout)
    total = result["metrics"]["total"]
    np.testing.assert_allclose([total[k] / 100 for k in ("acc", "seg", "event")], g[f"{name}_batch_means"], atol=1e-6)
    assert total["avg"] == pytest.approx((total["acc"] + total["seg"] + total["event"]) / 3)
    assert set(result["metrics"]) == {"total", "seen", "unseen"}
    assert result["videos_by_group"] == {"total": 48, "seen": 32, "unseen": 16}
    for group, chosen in (("seen", np.arange(48) % 3 > 0), ("unseen", np.arange(48) % 3 == 0)):
        want = g[f"{name}_eveF_per_video"][chosen].mean()
        # one batch of all the group's videos
        assert result["metrics"][group]["event"] / 100 == pytest.approx(want, abs=1e-12)
    assert sum(row["videos"] for row in result["per_class"].values()) == 48


def test_text_output_names_groups(made):
    run("replay", made / "s", "--decoder", "ovavel", "--out", made / "p.json")
    shown = run("evaluate", made / "p.json", "--dataset", "ovavebench", "--annotations", made).stdout
    assert "total, 48 videos" in shown
    assert "unseen, 16 videos" in shown
    assert "videos have segments predicted as `other`" in " ".join(shown.split())
    shown = run(
        "evaluate", made / "p.json", "--dataset", "ovavebench", "--annotations", made, "--profile", "paper"
    ).stdout
    assert "predicted as" not in shown


def test_av2a_runs_on_the_same_cache(made):
    done = run("replay", made / "s", "--preset", "languagebind", "--out", made / "a.json")
    assert done.exit_code == 0, done.output
    scored = run("evaluate", made / "a.json", "--dataset", "ovavebench", "--annotations", made, "--json")
    assert 0 <= json.loads(scored.stdout)["metrics"]["total"]["avg"] <= 100
    with pytest.raises(UsageError, match="several decoders"):
        replay(made / "s", [make_params(), make_ovavel_params()])


def test_report_shows_groups(made):
    run("replay", made / "s", "--decoder", "ovavel", "--preset", "training_free", "--out", made / "p.json")
    done = run("report", made / "p.json", "--dataset", "ovavebench", "--annotations", made, "--out", made / "r.html")
    assert done.exit_code == 0, done.output
    page = (made / "r.html").read_text()
    for words in ("Unseen classes", "Event F", "paper: training-free (imagebind)"):
        assert words in page


def test_label_lists_and_options():
    listed = run("labels", "ovavebench", "--add", "background").stdout.splitlines()
    assert tuple(listed) == (*LABELS, "background")
    assert json.loads(run("labels", "ave", "--json").stdout) == list(AVE_LABELS)
    assert run("labels", "json").exit_code == 2
    found = json.loads(run("options", "--decoder", "ovavel", "--json").stdout)
    assert found["presets"].keys() == {"training_free", "training_free_no_other", "finetuned"}
    assert found["options"][0]["name"] == "strategy"


def test_what_the_decoder_does_not_do(made):
    for more, words in (
        (["--trace", made / "t.npz"], "no thresholds to trace"),
        (["--tracks", "audio"], "audio-visual events only"),
        (["--set", "alpha=1"], "there is no option 'alpha'"),
        (["--preset", "languagebind"], "the preset languagebind is of the av2a decoder, not of ovavel"),
        (["--preset", "nobody"], "there is no preset 'nobody'"),
    ):
        done = run("replay", made / "s", "--decoder", "ovavel", *more)
        assert done.exit_code == 2
        assert words in done.stderr


def test_fea_avg_needs_one_space(tmp_path):
    rng = np.random.default_rng(0)
    text = rng.normal(size=(3, 4))
    videos = {"v": (rng.normal(size=(2, 4)), rng.normal(size=(2, 4)))}
    write_store(tmp_path / "s", ("cat", "dog", "other"), text, videos, audio_text=text + 1)
    params = make_ovavel_params("finetuned", values={"fusion": "fea_avg"})
    with pytest.raises(DataError, match="fusion=fea_avg needs"):
        replay(tmp_path / "s", params)
    assert replay(tmp_path / "s", make_ovavel_params()).predictions().video_ids == ("v",)


def test_imported_scores_are_taken_as_they_are(tmp_path):
    g = golden.load("tf_edge_sims")
    write_bundle(golden.bundle(g["simm_at"], g["simm_vt"]), tmp_path / "b.npz")
    assert run("import", tmp_path / "b.npz", tmp_path / "s").exit_code == 0
    flags, category = golden.agreement(replay(tmp_path / "s", make_ovavel_params()).replay.events, 10, 68)
    np.testing.assert_array_equal(flags, g["v01_is_event"])
    np.testing.assert_array_equal(category, g["v01_class"])


def test_short_silent_and_broken_clips(tmp_path):
    """The public archive has clips of 1.2 s and files of zero bytes: they are scored, masked or listed."""
    text = np.eye(len(LABELS), 80)
    dog = LABELS.index("dog barking")
    said = np.tile(text[dog], (10, 1))
    videos = {"long": (said, said), "short": (said[:3], said[:3]), "silent": (None, said)}
    write_store(tmp_path / "s", LABELS, text, videos, statuses={"empty": "empty_file"})
    annotated(tmp_path, [("dog barking", "unseen", v, "1" * 10) for v in ("long", "short", "silent", "empty")])
    run("replay", tmp_path / "s", "--decoder", "ovavel", "--out", tmp_path / "p.json")
    evaluated = ["evaluate", tmp_path / "p.json", "--dataset", "ovavebench", "--annotations", tmp_path, "--json"]
    result = json.loads(run(*evaluated).stdout)
    assert (result["videos_scored"], result["videos_expected"], result["length_mismatches"]) == (3, 4, 1)
    assert result["metrics"]["total"]["acc"] == pytest.approx(100 * 13 / 30)
    assert result["metrics"]["seen"]["acc"] is None
    result = json.loads(run(*evaluated, "--mask-short").stdout)
    assert result["metrics"]["total"]["acc"] == pytest.approx(100 * 13 / 23)
    done = run(*evaluated, "--require-complete")
    assert done.exit_code == 1
    assert "'empty'" in done.stderr
    found = json.loads(run("info", tmp_path / "s", "--json").stdout)
    assert found["status"] == {"ok": 2, "no_audio": 1, "empty_file": 1}


def test_zero_shot_on_ave(tmp_path):
    """AVE's vocabulary and `other`; segments found to be `other` are background, whatever the metrics."""
    labels = (*AVE_LABELS, "other")
    text = np.eye(len(labels), 40)
    bark, other = text[labels.index("bark")], text[-1]
    videos = {
        "a": (np.tile(bark, (10, 1)), np.vstack([np.tile(bark, (5, 1)), np.tile(other, (5, 1))])),
        "b": (np.tile(other, (10, 1)), np.tile(other, (10, 1))),
    }
    write_store(tmp_path / "s", labels, text, videos)
    truth = {
        "a": [{"class": "bark", "start": 0, "end": 5}],
        "b": [{"class": "bark", "start": 0, "end": 4}],
    }
    (tmp_path / "test_AVE.json").write_text(json.dumps(truth))
    done = run("replay", tmp_path / "s", "--decoder", "ovavel", "--out", tmp_path / "p.json")
    assert done.exit_code == 0, done.output
    assert '"other"' in (tmp_path / "p.json").read_text()
    evaluated = ["evaluate", tmp_path / "p.json", "--dataset", "ave", "--annotations", tmp_path, "--json"]
    for more in ([], ["--profile", "paper"]):
        assert json.loads(run(*evaluated, *more).stdout)["metrics"] == {"accuracy": 80.0}
    result = json.loads(run(*evaluated, "--metrics", "ovavel").stdout)
    assert result["metrics"].keys() == {"total"}
    assert result["metrics"]["total"]["acc"] == 80.0
    assert run(*evaluated, "--strict").exit_code == 2


def test_compare_and_tune_know_the_figures(made, tmp_path):
    """AV²A tuned for OV-AVEBench on the same cache, and two runs compared by OV-AVEL's figures."""
    run("replay", made / "s", "--decoder", "ovavel", "--out", made / "p.json")
    run("replay", made / "s", "--preset", "languagebind", "--out", made / "a.json")
    done = run("compare", made / "a.json", made / "p.json", "--dataset", "ovavebench", "--annotations", made, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert set(found["differences"]) == {f"total_{k}" for k in ("acc", "seg", "event", "avg")}
    gain = found["second"]["metrics"]["total"]["avg"] - found["first"]["metrics"]["total"]["avg"]
    assert found["differences"]["total_avg"]["figure"] == pytest.approx(gain)
    done = run("tune", made / "s", "--dataset", "ovavebench", "--annotations", made, "--split", "test", "--out",
               tmp_path / "search", "--sampler", "grid", "--search", "tau0=0.5,0.7,0.9", "--report-split", "test",
               "--json")  # fmt: skip
    assert done.exit_code == 0, done.output
    best = (tmp_path / "search" / "best.toml").read_text()
    tau0 = next(float(line.split("=")[1]) for line in best.splitlines() if line.startswith("tau0"))
    values = {}
    for value in (0.5, 0.7, 0.9):
        run("replay", made / "s", "--set", f"tau0={value}", "--out", made / "t.json")
        scored = run("evaluate", made / "t.json", "--dataset", "ovavebench", "--annotations", made, "--json")
        values[value] = json.loads(scored.stdout)["metrics"]["total"]["avg"]
    assert values[tau0] == max(values.values())
