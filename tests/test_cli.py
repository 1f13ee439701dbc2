"""The command line as a user meets it: exit codes, one-line errors, JSON on stdout, the contract of the formats."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import golden_av2a as golden
import numpy as np
import pytest
from avreplay.cache import write_bundle
from avreplay.cli import main
from avreplay.core.params.av2a import PROFILES, Params
from avreplay.core.params.av2a import options as list_options
from avreplay.core.params.presets import PRESETS
from click.testing import CliRunner


@pytest.fixture(scope="module")
def llp(tmp_path_factory):
    """A store of the golden scores, and annotations in this package's format."""
    folder = tmp_path_factory.mktemp("llp")
    bundle = golden.bundle("LLP", "lb")
    write_bundle(bundle, folder / "b.npz")
    assert run("import", folder / "b.npz", folder / "s").exit_code == 0
    masks = np.unpackbits(golden.load("llp_metrics")["gt_packed"], axis=1)[:, :500].reshape(-1, 2, 25, 10)
    videos = {}
    for v, name in enumerate(bundle.video_ids):
        tracks = {
            track: [{"label": bundle.labels[c], "onset": t, "offset": t + 1} for c, t in np.argwhere(mask).tolist()]
            for track, mask in zip(("audio", "visual"), masks[v], strict=True)
        }
        videos[name] = {"segments": 10, **tracks}
    truth = {"schema": "avreplay.annotations/1", "labels": list(bundle.labels), "split": "test", "videos": videos}
    (folder / "truth.json").write_text(json.dumps(truth))
    return folder


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_from_bundle_to_the_released_figures(llp):
    """The golden figures through the files of the contract."""
    done = run("replay", llp / "s", "--preset", "languagebind", "--out", llp / "p.json", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["videos"] == 24
    scored = run("evaluate", llp / "p.json", "--dataset", "json", "--annotations", llp / "truth.json", "--json")
    result = json.loads(scored.stdout)
    assert (result["videos_scored"], result["videos_expected"]) == (24, 24)
    assert len(result["ids_sha256"]) == 64
    want = golden.load("llp_metrics")["aggregate"][0, 0]
    keys = ["audio_seg", "visual_seg", "av_seg", "type_av_seg", "event_av_seg", "audio_event", "visual_event",
            "av_event", "type_av_event", "event_av_event"]  # fmt: skip
    np.testing.assert_allclose([result["metrics"][k] for k in keys], want, atol=1e-9)


def test_predictions_and_trace_are_as_the_contract_says(llp):
    done = run("replay", llp / "s", "--preset", "languagebind", "--out", llp / "q.json", "--trace", llp / "t.npz")
    assert done.exit_code == 0
    data = json.loads((llp / "q.json").read_text())
    assert data["schema"] == "avreplay.predictions/1"
    assert data["params"]["alpha"] == 0.5
    video = data["videos"][golden.meta()["video_ids"]["LLP"][0]]
    assert set(video) == {"segments", "audio", "visual", "audio_visual"}
    for event in video["visual"]:
        assert set(event) == {"label", "onset", "offset", "score", "confidence"}
    with np.load(llp / "t.npz", allow_pickle=False) as trace:
        assert trace["audio_visual_tau"].shape == trace["visual_score"].shape == trace["audio_ratio"].shape == (240, 25)
        assert trace["audio_active"].shape == (24, 25)
        assert trace["audio_active"].dtype == bool
        assert np.isnan(trace["visual_tau"][:10][:, ~trace["visual_active"][0]]).all()


def test_same_bytes_for_any_number_of_threads(llp):
    for threads in (1, 3):
        run("replay", llp / "s", "--threads", threads, "--out", llp / f"{threads}.json")
    assert (llp / "1.json").read_bytes() == (llp / "3.json").read_bytes()


def test_layers_of_parameters(llp, tmp_path):
    (tmp_path / "p.toml").write_text('preset = "clip_clap"\nalpha = 0.1\ntau0 = 0.2\n')
    done = run("replay", llp / "s", "--params", tmp_path / "p.toml", "--profile", "paper", "--set", "tau0=0.3",
               "--set", "audio_scores=clip", "--json")  # fmt: skip
    params = json.loads(done.stdout)["params"]
    assert (params["decay"], params["alpha"], params["tau0"]) == (1.0, 0.1, 0.3)
    assert (params["min_length"], params["audio_scores"], params["preset"]) == (1, "clip", "clip_clap")


ERRORS = [
    (["replay", "{llp}/nothing"], 1, "there is no store"),
    (["replay", "{llp}/s", "--set", "alpa=1"], 2, "did you mean 'alpha'"),
    (["replay", "{llp}/s", "--set", "alpha=2"], 2, "from 0 to 1"),
    (["replay", "{llp}/s", "--set", "alpha"], 2, "not of the form key=value"),
    (["replay", "{llp}/s", "--preset", "languagebinds"], 2, "did you mean 'languagebind'"),
    (["replay", "{llp}/s", "--profile", "papers"], 2, "did you mean 'paper'"),
    (["replay", "{llp}/s", "--params", "{llp}/no.toml"], 1, "no parameter file"),
    (["replay", "{llp}/s", "--params", "{llp}/b.npz"], 1, "the most for one parameter file"),
    (["replay", "{llp}/s", "--tracks", "video"], 2, "there is no track 'video'"),
    (["replay", "{llp}/s", "--threads", "0"], 2, "threads is 0"),
    (["replay", "{llp}/s", "--set", "audio_scores=segment"], 1, "no audio_segments"),
    (["replay", "{llp}/s", "--out", "{llp}/no/such/p.json"], 1, "cannot"),
    (["import", "{llp}/none.npz", "{llp}/x"], 1, "no score bundle"),
    (["info", "{llp}"], 1, "not an avreplay store"),
    (["verify", "{llp}/nothing"], 1, "there is no store"),
    (["evaluate", "{llp}/p.json", "--dataset", "llp", "--annotations", "{llp}/nothing"], 1, "nothing"),
    (["evaluate", "{llp}/p.json", "--dataset", "lpl", "--annotations", "{llp}"], 2, "lpl"),
    (["evaluate", "{llp}/truth.json", "--dataset", "json", "--annotations", "{llp}/truth.json"], 1, "schema"),
    (["evaluate", "{llp}/p.json", "--dataset", "json", "--annotations", "{llp}/truth.json", "--iou", "0"], 2, "iou"),
    (["report", "{llp}/p.json", "--dataset", "json", "--annotations", "{llp}/truth.json", "--video", "nobody"], 2,
     "nobody"),
    (["embed-text", "{llp}/s", "--labels", "{llp}/truth.json.none"], 1, "there is no label list"),
    (["nonsense"], 2, "No such command"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "code", "words"), ERRORS, ids=[" ".join(a[0])[:60] for a in ERRORS])
def test_errors_are_one_line_and_have_an_exit_code(llp, arguments, code, words):
    run("replay", llp / "s", "--out", llp / "p.json")
    done = run(*(a.format(llp=llp) for a in arguments))
    assert done.exit_code == code, done.output
    assert words in done.stderr
    assert "Traceback" not in done.output
    assert done.stdout == ""
    if "Usage:" not in done.stderr:
        lines = [line for line in done.stderr.strip().splitlines() if not line.startswith("compiling the ")]
        assert len(lines) == 1


def test_missing_videos_are_an_error_only_on_request(llp, tmp_path):
    truth = json.loads((llp / "truth.json").read_text())
    truth["videos"]["never seen"] = {"segments": 10, "audio": [], "visual": []}
    (tmp_path / "more.json").write_text(json.dumps(truth))
    run("replay", llp / "s", "--out", llp / "p.json")
    score = ["evaluate", llp / "p.json", "--dataset", "json", "--annotations", tmp_path / "more.json"]
    done = run(*score)
    assert done.exit_code == 0
    assert "24 of 25 videos" in done.stdout
    done = run(*score, "--require-complete")
    assert done.exit_code == 1
    assert "'never seen'" in done.stderr


def test_report_of_two_runs(llp, tmp_path):
    run("replay", llp / "s", "--preset", "naive_languagebind", "--out", tmp_path / "n.json")
    run("replay", llp / "s", "--preset", "languagebind", "--out", tmp_path / "p.json", "--trace", tmp_path / "t.npz")
    done = run("report", tmp_path / "n.json", tmp_path / "p.json", "--trace", tmp_path / "t.npz", "--dataset", "json",
               "--annotations", llp / "truth.json", "--out", tmp_path / "r.html", "--max-videos", 2)  # fmt: skip
    assert done.exit_code == 0, done.output
    page = (tmp_path / "r.html").read_text()
    assert "naive_languagebind" in page
    assert golden.meta()["video_ids"]["LLP"][0] in page


def test_verify_names_the_damaged_file(tmp_path):
    write_bundle(golden.bundle("AVE", "lb"), tmp_path / "b.npz")
    run("import", tmp_path / "b.npz", tmp_path / "s")
    assert run("verify", tmp_path / "s").exit_code == 0
    file = next(f for f in (tmp_path / "s").glob("vocabularies/*/scores/audio_clip/c/**/0") if f.is_file())
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    done = run("verify", tmp_path / "s", "--json")
    assert done.exit_code == 1
    assert "audio_clip" in json.loads(done.stdout)["problems"][0]["path"]


def test_options_lists_what_there_is():
    shown = json.loads(run("options", "--json").stdout)
    assert {o["name"] for o in shown["options"]} == set(vars(Params()))
    assert {"clip_clap", "languagebind", "naive_clip_clap", "naive_languagebind"} <= set(shown["presets"])
    assert "min_length" in run("options").stdout


def test_profiles_and_presets_are_valid_and_profiles_cover_every_quirk():
    quirks = {o.name for o in list_options() if o.release != o.paper}
    assert quirks <= set(PROFILES["release"]) == set(PROFILES["paper"])
    for values in (*PRESETS.values(), *PROFILES.values()):
        Params().override(values)


def test_readonly_installation_and_no_home(tmp_path):
    """Kernels compile and run where neither a home nor a cache folder can be written."""
    code = (
        "import numpy as np, avreplay.core.kernels.code_folder as j; from avreplay.core.bundle import adjacent_cosine;"
        "from avreplay.core.metrics.ave_accuracy import ave_accuracy; from avreplay.core.events import Events;"
        "e = Events.from_tracks([[[], [], [(0, 0, 2)]]]); print(j.cache_folder, ave_accuracy(e, e, [2], 1))"
    )
    blocked = tmp_path / "file"
    blocked.write_text("")
    env = {**os.environ, "HOME": str(blocked), "XDG_CACHE_HOME": str(blocked), "TMPDIR": str(tmp_path)}
    env.pop("AVREPLAY_CACHE_DIR", None)
    env.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=os.sep)
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "avreplay-") in done.stdout  # the user's own folder under the temporary one
    env["AVREPLAY_CACHE_DIR"] = str(blocked)
    (tmp_path / f"avreplay-{os.getuid()}").rename(tmp_path / "moved")
    (tmp_path / f"avreplay-{os.getuid()}").write_text("in the way")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=os.sep)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("None [[2]]")
    assert "not kept" in done.stderr
