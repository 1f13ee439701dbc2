"""The explorer's server: its figures are those of `evaluate`, and nobody but its page is answered."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest
from avreplay.cache import StoreWriter, import_bundle, open_store
from avreplay.cache.new_labels import NewLabelScores
from avreplay.cli import main
from avreplay.core.bundle import ScoreBundle
from avreplay.core.decoders.base import Decoder, Inputs, Stage
from avreplay.core.decoders.registry import DECODERS, decoder_name
from avreplay.core.errors import DataError
from avreplay.core.events import TRACKS, Events
from avreplay.core.metrics.llp import LlpMetric
from avreplay.core.params.av2a import make_params
from avreplay.core.params.options import OptionSet, option
from avreplay.evaluate.datasets.annotations import Annotations
from avreplay.evaluate.datasets.native_json import write_annotations
from avreplay.evaluate.explore.guard import LARGEST
from avreplay.evaluate.explore.smallest_change import smallest_changes
from avreplay.evaluate.explore.videos import KINDS, error_counts
from click.testing import CliRunner
from explorer_data import START, TOKEN, exploring
from hypothesis import given, settings
from hypothesis import strategies as st
from made_store import CONFIG, names, vocabulary, write_store
from made_store import LABELS as LABELS_MADE
from tuning_data import LABELS, made, write_made


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_made(tmp_path_factory.mktemp("made"), videos=12)


@pytest.fixture(scope="module")
def asked(files):
    with exploring(*files) as client:
        yield client


def setting(**values):
    return {**START, "values": {**START["values"], **values}}


SETTINGS = [
    setting(),
    setting(tau0=0.31, tau_f=0.17),
    {**START, "preset": "languagebind", "profile": "paper", "values": {"audio_scores": "segment", "tau_r": 0.4}},
    setting(method="naive", refine=False, min_length=1),
    {"decoder": "ovavel", "preset": None, "profile": None, "values": {"background": "none", "fusion": "prob_avg"}},
]


@pytest.mark.parametrize("now", SETTINGS, ids=lambda s: s["decoder"] + " " + " ".join(map(str, s["values"])))
def test_figures_are_those_of_evaluate_by_its_command(files, asked, tmp_path, now):
    """To the last digit, by the command that the page shows."""
    store, annotations = files
    found = asked.of("figures", setting=now, baseline=SETTINGS[0], seq=7)
    words = found["command"].split()
    assert words[:3] == ["avreplay", "replay", str(store)]
    out = tmp_path / "predictions.json"
    done = CliRunner().invoke(main, [*words[1:-1], str(out), "--json"])
    assert done.exit_code == 0, done.output
    scored = CliRunner().invoke(main, ["evaluate", str(out), "--dataset", "json", "--annotations", str(annotations),
                                       "--split", "val", "--json"])  # fmt: skip
    assert found["metrics"] == json.loads(scored.stdout)["metrics"]
    assert found["seq"] == 7
    assert found["baseline"] == asked.of("figures", setting=SETTINGS[0])["metrics"]
    assert found["events"] == sum(json.loads(done.stdout)["events"].values())


def test_what_the_page_is_told_first(asked):
    found = asked.get("/api/session").json()
    assert found["labels"] == list(LABELS)
    assert (found["videos"], found["annotated_videos"], found["expected"]) == (12, 12, 14)
    assert [m["name"] for m in found["metrics"]][:2] == ["audio_seg", "audio_event"]
    assert found["start"] == START
    assert found["decoders"] == DECODERS.names()
    for name in found["decoders"]:
        told = asked.get(f"/api/decoder/{name}").json()
        decoder = DECODERS.get(name)
        assert [o["name"] for o in told["options"]] == [o.name for o in decoder.options()]
        for told_option in told["options"]:
            if told_option["slider"] is not None:
                low, high = told_option["slider"]
                assert low <= told_option["default"] <= high
                decoder.make_params(values={told_option["name"]: int(high) if told_option["kind"] == "int" else high})
    assert {"tau0", "alpha", "decay"} <= {
        o["name"] for o in asked.get("/api/decoder/av2a").json()["options"] if o["main"]
    }


def test_a_list_sorts_and_filters(asked):
    now, before = setting(tau0=0.3), setting()
    every = asked.of("videos", setting=now, baseline=before, sort="change", figure="audio_seg")
    assert every["total"] == 12
    changes = [r["change"] for r in every["rows"]]
    assert changes == sorted(changes)
    assert any(changes)
    figures = {r["id"]: r["figure"] for r in every["rows"]}
    assert np.mean(list(figures.values())) == pytest.approx(asked.of("figures", setting=now)["metrics"]["audio_seg"])
    down = asked.of("videos", setting=now, sort="figure", figure="audio_seg", descending=True, offset=3, limit=4)
    assert [r["figure"] for r in down["rows"]] == sorted(figures.values(), reverse=True)[3:7]
    for kind in KINDS:
        some = asked.of("videos", setting=now, kind=kind)
        assert all(r[kind] > 0 for r in some["rows"])
        assert some["total"] == sum(r[kind] > 0 for r in every["rows"])
    assert [r["id"] for r in asked.of("videos", setting=now, text="VAL 1")["rows"]] == ["val 1", "val 10", "val 11"]
    dog = asked.of("videos", setting=now, label="dog")
    assert 0 < dog["total"] <= 12
    for bad, words in [({"sort": "size"}, "sorted by"), ({"kind": "odd"}, "kinds of error"),
                       ({"label": "cow"}, "no label"), ({"figure": "x"}, "no figure")]:  # fmt: skip
        found = asked.post("videos", setting=now, **bad)
        assert (found.status_code, words in found.json()["error"]) == (400, True)


def test_kinds_of_error_on_a_made_case():
    """One of each kind, beside a match in every track, which is none."""
    truth = Events.from_tracks([
        [[(0, 0, 4)], [(0, 0, 4)], [(0, 0, 4)]],
        [[(1, 0, 4)], [], []],  # nothing there: missed
        [[(1, 0, 4)], [], []],  # there as a picture: the other modality
        [[(1, 0, 9)], [], []],  # a third of it: boundary
        [[], [], []],  # out of nowhere: a false alarm
    ])  # fmt: skip
    predicted = Events.from_tracks([
        [[(0, 0, 4)], [(0, 0, 4)], [(0, 1, 4)]],
        [[(0, 0, 4)], [], []],
        [[], [(1, 1, 3)], []],
        [[(1, 0, 3)], [], []],
        [[], [], [(1, 0, 2)]],
    ])  # fmt: skip
    found = error_counts(predicted, truth)
    want = {"missed": [0, 1, 0, 0, 0], "false_alarm": [0, 1, 0, 0, 1], "boundary": [0, 0, 0, 1, 0],
            "wrong_modality": [0, 0, 1, 0, 0]}  # fmt: skip
    assert {k: found[i].tolist() for i, k in enumerate(KINDS)} == want
    assert error_counts(predicted, truth, 0).sum(axis=1).tolist() == [0, 1, 0, 0]
    nothing = Events.from_tracks([[[], [], []]] * 5)
    assert error_counts(nothing, truth)[0].tolist() == [3, 1, 1, 1, 0]
    assert error_counts(nothing, nothing).sum() == 0


def test_a_video_has_its_events_truth_and_curves(files, asked):
    bundle, truth = made(videos=12)
    now = setting(tau0=0.4)
    index = 3
    found = asked.of("video", setting=now, baseline=setting(), index=index)
    v = bundle.video_ids.index(found["id"])
    at = truth.video_ids.index(found["id"])
    assert found["id"] == truth.video_ids[index]
    assert found["segments"] == bundle.segments_per_video[v]
    params = make_params(values=now["values"])
    events = DECODERS.get("av2a").decode(Inputs(bundle), params)
    for shown in found["tracks"]:
        want = [[c, a, b] for c, a, b, _ in events.track(v, shown["track"])]
        assert [row[:3] for row in shown["events"]] == want
        named = sorted((truth.labels[c], a, b) for c, a, b, _ in truth.events.track(at, shown["track"]))
        assert sorted((LABELS[int(c)], a, b) for c, a, b, _ in shown["truth"]) == named
        for curve in found["curves"][shown["track"]]:
            assert len(curve["score"]) == len(curve["threshold"]) == found["segments"]
            if curve["active"]:
                fired = {t for c, a, b in want if c == curve["label"] for t in range(a, b)}
                pairs = enumerate(zip(curve["score"], curve["threshold"], strict=True))
                assert not fired or fired & {t for t, (score, tau) in pairs if score > tau}
    assert found["media"]["state"] == "missing"
    assert "--videos" in found["media"]["why"]
    assert asked.post("video", setting=now, index=12).status_code == 400


def stages_store(tmp_path):
    """Six labels, each of which is lost at another stage in the audio track of a video of eight segments, or is not."""
    labels = ["unselected", "quiet", "short", "bridged", "rejected", "kept"]
    loud = np.full((8, 6), 0.1)
    loud[0:4, 0] = 0.9
    loud[2, 2] = 0.9
    loud[[0, 1, 3, 4], 3] = 0.9
    loud[5:8, 4] = 0.9
    loud[0:4, 5] = 0.9
    index = np.array([(0, a, b) for a in range(8) for b in range(a + 1, 9)])
    windows = np.full((len(index), 6), 0.9)
    windows[:, 4] = 0.2
    bundle = ScoreBundle.create(
        video_ids=["v"], labels=labels, segments_per_video=[8], kind="probability", audio_segments=loud,
        visual_segments=np.zeros((8, 6)), visual_features=np.ones((8, 2)), audio_clip=[[0.1, 0.9, 0.9, 0.9, 0.9, 0.9]],
        visual_clip=np.zeros((1, 1, 6)), window_video=index[:, 0], window_start=index[:, 1], window_end=index[:, 2],
        window_audio=windows, window_visual=np.zeros((len(index), 1, 6)),
    )  # fmt: skip
    import_bundle(bundle, tmp_path / "stages.store")
    return tmp_path / "stages.store"


STAGES = [
    ("unselected", 0, "selection", "clip score 0.1000, not above tau_f 0.5", "tau_f"),
    ("quiet", 3, "thresholds", "score 0.1000, threshold", "tau0"),
    ("short", 2, "candidates", "runs of 1 segments are shorter than min_length 2", "min_length"),
    ("bridged", 2, "", "bridged over [2, 3) (max_gap 1)", "tau_f"),
    ("rejected", 6, "refinement", "window [5, 8) scores 0.2000, not above tau_r 0.5", "tau_r"),
    ("kept", 1, "", "window [0, 4) scores 0.9000, above tau_r 0.5", "tau_f"),
]


@pytest.mark.once
@pytest.mark.parametrize(("label", "segment", "lost_at", "words", "option"), STAGES, ids=[s[0] for s in STAGES])
def test_why_at_each_stage_and_the_smallest_change(tmp_path, label, segment, lost_at, words, option):
    store = stages_store(tmp_path)
    values = {"audio_scores": "segment", "tau0": 0.5, "tau_f": 0.5, "tau_r": 0.5, "method": "naive", "min_length": 2,
              "max_gap": 1}  # fmt: skip
    now = {**START, "values": values}
    with exploring(store, None) as asked:
        labels = asked.get("/api/session").json()["labels"]
        at = {"index": 0, "track": "audio", "label": labels.index(label), "segment": segment}
        found = asked.of("why", setting=now, **at)
        assert found["lost_at"] == lost_at
        assert words in found["text"]
        assert found["is_event"] == (not lost_at)
        assert option in [c["option"] for c in found["changes"]], found["changes"]
        for change in found["changes"]:
            then = {**now, "values": {**values, change["option"]: change["to"]}}
            other = asked.of("why", setting=then, **at)
            assert other["is_event"] != found["is_event"], change
            assert ("becomes" in change["text"]) == other["is_event"]


def _reads_scores_alone(name):
    decoder = DECODERS.get(name)
    reads = decoder.reads([decoder.make_params()])
    return not (reads.embeddings or reads.text)


@pytest.mark.parametrize("decoder", list(filter(_reads_scores_alone, DECODERS.names())))
def test_why_in_a_video_without_segments(tmp_path, decoder):
    bundle = ScoreBundle.create(
        video_ids=["empty", "v"], labels=["a", "b"], segments_per_video=[0, 1], kind="probability",
        audio_segments=np.ones((1, 2)), visual_segments=np.ones((1, 2)), visual_features=np.ones((1, 2)),
        audio_clip=np.ones((2, 2)), visual_clip=np.ones((2, 1, 2)),
    )  # fmt: skip
    import_bundle(bundle, tmp_path / "empty.store")
    values = {"av2a": {"refine": False}, "ovavel": {"background": "none"}}.get(decoder, {})
    with exploring(tmp_path / "empty.store", None) as asked:
        now = {"decoder": decoder, "values": values}
        found = asked.of("why", setting=now, index=0, track="audio_visual", label=0, segment=0)
        assert (found["lost_at"], found["changes"], found["is_event"]) == ("segments", [], False)
        assert asked.of("video", setting=now, index=0)["segments"] == 0


@pytest.mark.once
def test_no_smaller_change_does_it():
    """Against every value of a fine grid, of each number by itself."""
    bundle, _ = made(2)
    decoder = DECODERS.get("av2a")
    params = make_params(values={"audio_scores": "segment", "tau0": 0.45, "tau_f": 0.2, "tau_r": 0.3})
    one = Inputs(bundle)
    checked = 0
    for video, track, label in [(0, "audio", 0), (1, "visual", 1), (2, "audio_visual", 2), (4, "audio", 3)]:
        for c in smallest_changes(decoder, one, params, video, track, label, 1):
            if c.option not in ("tau0", "tau_f", "tau_r"):
                continue
            away = abs(c.then - c.now)
            nearer = [v for v in np.linspace(0, 1, 401).tolist() if abs(v - c.now) < 0.97 * away]
            for value in nearer:
                events = decoder.decode(one, params.override({c.option: value})).track(video, track)
                assert any(e[0] == label and e[1] <= 1 < e[2] for e in events) != c.event
            checked += 1
    assert checked > 4


def test_out_of_it(files, asked, tmp_path):
    """params.toml replays to the same events; the report is a page under its own policy."""
    now = setting(tau0=0.37, method="cosine")
    toml = asked.of("params", setting=now)["text"]
    (tmp_path / "params.toml").write_text(toml)
    done = CliRunner().invoke(main, ["replay", str(files[0]), "--params", str(tmp_path / "params.toml"), "--json"])
    assert sum(json.loads(done.stdout)["events"].values()) == asked.of("figures", setting=now)["events"]
    url = asked.of("report", setting=now, baseline=setting())["url"]
    page = asked.get(url)
    assert page.status_code == 200
    assert "script-src 'self'" not in page.headers["content-security-policy"]
    assert "<title>" in page.text
    assert asked.client.get(url).status_code == 403
    assert asked.get("/report/other").status_code == 404


@pytest.mark.once
def test_a_newer_question_ends_the_search_of_changes(files):
    """Its own page's, not another's; and so does the end of the server."""
    with exploring(*files) as asked:
        at = {"setting": setting(), "index": 0, "track": "audio", "label": 0, "segment": 0}
        quick = asked.of("why", **at, changes=False)
        assert (quick["changes"], quick["change"]) == (None, None)
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda i: asked.of("why", **at, client=f"page {i % 2}"), range(12)))
        whole = [f for f in found if not f.get("stale")]
        assert len(whole) >= 2
        assert len({json.dumps(f) for f in whole}) == 1
        assert {k: whole[0][k] for k in ("text", "stages")} == {k: quick[k] for k in ("text", "stages")}
        asked.explorer.closing = lambda: True
        assert asked.of("why", **at) == {"stale": True}


# --- who is answered


def test_only_the_page_is_answered(asked):
    client, url = asked.client, "/api/session"
    for query in ({}, {"token": "x"}, {"token": ""}, {"token": TOKEN + "x"}):
        assert client.get(url, params=query).status_code == 403
        assert client.get("/", params=query).status_code == 403
        assert client.post("/api/figures", params=query, json={"setting": START}).status_code == 403
    good = {"token": TOKEN}
    for headers in ({"host": "evil.example"}, {"host": "127.0.0.1:1"}, {"origin": "http://evil.example"},
                    {"origin": "null"}, {"origin": "https://127.0.0.1:4321"}):  # fmt: skip
        assert client.get(url, params=good, headers=headers).status_code == 403
        assert client.get("/static/main.js", headers=headers).status_code == 403
    assert client.get(url, params=good, headers={"origin": "http://127.0.0.1:4321"}).status_code == 200
    assert client.get(url, params=good, headers={"host": "localhost:4321"}).status_code == 200
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE"):
        assert client.request(method, url, params=good).status_code == 405
    assert client.post("/api/figures", params=good, content=b" " * (LARGEST + 1)).status_code == 413
    assert client.post("/api/figures", params=good, content=iter([b"{}"])).status_code == 413
    both = {"content-length": "2", "transfer-encoding": "chunked"}  # the chunks count, however long they are
    assert client.post("/api/figures", params=good, content=b"{}", headers=both).status_code == 413
    for answer in (client.get(url, params=good), client.get(url), client.get("/static/main.js")):
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


PATHS = ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd", "/media/../0",
         "/media/0", "/media/-1", "/media/1e3", "/media/%2e%2e%2fetc", "/api/decoder/os:system",
         "/report/..%2f..%2fetc%2fpasswd", "/static/%00"]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_paths_lead_nowhere(asked, path):
    found = asked.get(path)
    assert 400 <= found.status_code < 500
    assert "root:" not in found.text
    assert "import" not in found.text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=8,
)  # fmt: skip
FORMS = {
    "figures": ["seq", "client"], "videos": ["sort", "figure", "label", "kind", "text", "offset", "limit"],
    "video": ["index"], "why": ["index", "track", "label", "segment"], "word": ["label"], "word/drop": ["label"],
    "params": [], "word/keep": ["x"],
}  # fmt: skip


@pytest.mark.once
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_is_sent_is_answered_in_one_sentence(asked, data):
    name = data.draw(st.sampled_from(sorted(FORMS)))
    keys = ["setting", "baseline", *FORMS[name]]
    form = {"setting": START, "index": 0, "track": "audio", "label": 0, "segment": 0}
    option = st.dictionaries(st.sampled_from(["tau0", "method", "min_length", "refine", "x"]), JSON, max_size=2)
    for key in data.draw(st.lists(st.sampled_from(keys), max_size=3)):
        form[key] = data.draw(JSON | st.fixed_dictionaries({"values": option}))
    found = asked.client.post(f"/api/{name}", params={"token": TOKEN}, content=json.dumps(form).encode())
    assert found.status_code in (200, 400), found.text
    if found.status_code == 400:
        assert found.json()["error"]
        assert "\n" not in found.json()["error"]


@pytest.mark.once
def test_a_thousand_moves_at_once_end_at_the_last(asked):
    def move(i):
        return asked.of("figures", setting=setting(tau0=i / 1000), seq=i, client="page")

    with ThreadPoolExecutor(64) as pool:
        found = list(pool.map(move, range(1000)))
    assert [f["seq"] for f in found] == list(range(1000))
    assert found[-1]["metrics"] == asked.of("figures", setting=setting(tau0=0.999))["metrics"]
    alone = asked.of("figures", setting=setting(tau0=0.25), seq=1, client="other page")
    assert "metrics" in alone


def test_without_annotations_events_are_shown_and_no_figures(files):
    with exploring(files[0], None) as asked:
        told = asked.get("/api/session").json()
        assert (told["annotated"], told["metrics"]) == (False, [])
        found = asked.of("figures", setting=START)
        assert found["metrics"] == {}
        assert found["events"] > 0
        rows = asked.of("videos", setting=START, sort="events", descending=True)["rows"]
        assert [r["events"] for r in rows] == sorted((r["events"] for r in rows), reverse=True)
        shown = asked.of("video", setting=START, index=0)
        assert [t["truth"] for t in shown["tracks"]] == [None] * len(TRACKS)


@dataclass(frozen=True)
class NoParams(OptionSet):
    level: float = option(0.5, "a score above it is an event", low=0.0, high=1.0)


class Own(Decoder[NoParams]):
    """Another's decoder: it speaks in NumPy's types, and one of its methods may fail."""

    name = "own"
    params = NoParams
    fails = ""

    def decode(self, inputs, params):
        if self.fails == "decode" and params.level < 0.2:
            raise ZeroDivisionError("odd")
        return Events.from_tracks([[[(0, 0, 1)], [], []]] * inputs.scores.num_videos)

    def stages(self, *_):
        if self.fails == "stages":
            raise ZeroDivisionError("odd")
        return None if self.fails == "nothing" else [Stage("level", np.bool_(True), np.str_("above"))]

    def search_space(self):
        if self.fails == "search_space":
            raise ZeroDivisionError("odd")
        return ["level=0:1"]


class OwnMetric(LlpMetric):
    name = "own"
    fails = ""

    def title(self, name):
        if self.fails:
            raise ZeroDivisionError("odd")
        return super().title(name)


@pytest.mark.parametrize("fails", ["", "decode", "stages", "nothing", "search_space", "title"])
def test_a_plug_in_that_fails_is_named(files, fails):
    """Whatever it fails at: never as a fault of this package, and the rest goes on."""
    decoder, metric = Own(), OwnMetric()
    decoder.fails, metric.fails = fails, fails == "title"
    with exploring(*files, decoder=decoder, metrics=metric) as asked:
        now = {"decoder": decoder_name(decoder), "values": {}}
        at = {"index": 0, "track": "audio", "label": 0, "segment": 0}
        low = {**now, "values": {"level": 0.1}}
        found = [asked.get("/api/session"), asked.get(f"/api/decoder/{now['decoder']}"),
                 asked.post("why", setting=now, **at), asked.post("figures", setting=low)]  # fmt: skip
        wrong = {"": None, "title": 0, "search_space": 1, "stages": 2, "nothing": 2, "decode": 3}[fails]
        assert [f.status_code for f in found] == [400 if i == wrong else 200 for i in range(4)], [f.text for f in found]
        if wrong is not None:
            kind = "metric" if fails == "title" else "decoder"
            assert f"the {kind} 'own' failed" in found[wrong].json()["error"]
        assert asked.of("figures", setting=now)["metrics"]


def test_words_of_a_store_of_scores_are_refused_with_the_reason(asked):
    told = asked.get("/api/session").json()["word"]
    assert (told["available"], bool(told["why"])) == (False, True)
    for name, form in (("word", {"label": "cow"}), ("word/drop", {"label": "cow"}), ("word/keep", {})):
        assert asked.post(name, **form).status_code == 400


class MadeWords:
    """New labels of a made store, without an encoder; ``also`` are written beside them by somebody else."""

    why_not = ""

    def __init__(self, store, *also):
        self.store, self.also = store, also

    def check(self, label, known=()):
        return label

    def note(self, label):
        return ""

    def scores(self, labels, *, similarity="product", fused=False):
        return NewLabelScores(self.store).scores(vocabulary(tuple(labels), 5), similarity=similarity, fused=fused)

    def keep(self, labels):
        with StoreWriter.open(self.store.url, {**CONFIG, "dtype": "float16"}, names(8), shard_videos=8) as writer:
            writer.set_vocabulary(vocabulary((*self.store.labels, *self.also, *labels)))
        return ()


@pytest.mark.parametrize("also", [(), ("zebra",)])
def test_a_word_that_is_kept_leaves_the_figures_standing(tmp_path, also):
    """It is none of the dataset's labels: its events do not count, and the page can be loaded again."""
    write_store(str(tmp_path / "store"), 8, 8)
    store = open_store(tmp_path / "store")
    ids = ("v1", "v2", "v3")
    events = Events.from_tracks([[[(0, 0, 1)], [], []]] * 3)
    truth = Annotations("json", "val", LABELS_MADE, ids, np.array([2, 3, 4], np.int64), events, "made up")
    write_annotations(tmp_path / "truth.json", truth)
    with exploring(tmp_path / "store", tmp_path / "truth.json", words=MadeWords(store, *also)) as asked:
        before = set(asked.of("figures", setting=START)["metrics"])
        asked.of("word", label="bee")
        asked.of("figures", setting=START)
        assert "embed-text" in asked.of("word/keep")["note"]
        assert asked.get("/api/session").json()["labels"] == [*LABELS_MADE, *also, "bee"]
        assert set(asked.of("figures", setting=START)["metrics"]) == before
        assert asked.of("videos", setting=START, label="bee")["total"] >= 0


def test_annotations_of_other_videos_are_refused(files, tmp_path):
    other = write_made(tmp_path, 1, 4, "test")
    with (
        pytest.raises(DataError, match="none of the 12 videos of the store is annotated"),
        exploring(files[0], other[1], "test"),
    ):
        pass
