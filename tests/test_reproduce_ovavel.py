"""`reproduce ovavel`: which rows there are, what is measured, and what is said of the rest."""

from __future__ import annotations

import json
import re
from typing import ClassVar

import golden_ovavel as golden
import numpy as np
import pytest
from avreplay.cache import Store, import_bundle, open_store
from avreplay.cli import main
from avreplay.core.decoders.base import Decoder
from avreplay.core.decoders.ovavel import OvavelDecoder
from avreplay.core.decoders.registry import DECODERS
from avreplay.core.errors import DataError, UsageError
from avreplay.core.params.av2a import Params, make_params
from avreplay.core.params.ovavel import make_ovavel_params
from avreplay.evaluate.command_options import ReproduceOvavelRequest
from avreplay.evaluate.datasets.ave import LABELS as AVE_LABELS
from avreplay.evaluate.datasets.ovavebench import LABELS
from avreplay.evaluate.datasets.registry import load_annotations
from avreplay.evaluate.paper import paper_tables
from avreplay.evaluate.replay import replay
from avreplay.evaluate.reproduce import ovavel
from avreplay.evaluate.reproduce.ovavel_rows import AV2A, ovavel_rows
from avreplay.evaluate.scoring import evaluate_predictions
from click.testing import CliRunner
from test_ovavel_store import annotated, write_store

pytestmark = pytest.mark.slow


def reproduce_ovavel(stores, annotations=None, ave=None, **options):
    return ovavel.reproduce_ovavel(ReproduceOvavelRequest(stores, annotations, ave, **options))


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Stores of ImageBind (with both background texts) and of CLIP & CLAP on the benchmark, and one on AVE."""
    folder = tmp_path_factory.mktemp("tables")
    g = golden.load("tf_d32")
    rng = np.random.default_rng(3)
    videos = {f"v{i:02d}": pair for i, pair in enumerate(zip(g["audio"], g["visual"], strict=True))}
    text = np.vstack([g["text"], rng.normal(size=(1, 32)).astype(np.float16)])
    write_store(folder / "ib", (*LABELS, "background"), text, videos)
    import_bundle(open_store(folder / "ib").cosines(), folder / "cc")
    short = {f"a{i}": pair for i, pair in enumerate(list(videos.values())[:3])}
    write_store(folder / "ib_ave", (*AVE_LABELS, "other"), g["text"][:29], short)
    rows = [(LABELS[c % 67], "seen" if i % 3 else "unseen", f"v{i:02d}", "".join(map(str, bits)))
            for i, (bits, c) in enumerate(zip(g["avc"], g["cat"].tolist(), strict=True))]  # fmt: skip
    annotated(folder, rows)
    (folder / "ave").mkdir()
    truth = {f"a{i}": [{"class": AVE_LABELS[i], "start": 0, "end": 5}] for i in range(3)}
    (folder / "ave" / "test_AVE.json").write_text(json.dumps(truth))
    return folder


def test_every_printed_figure_has_a_row():
    """Each number of OV-AVEL's tables in the paper stands in some row."""
    rows = ovavel_rows()
    assert len({(r.table, r.name) for r in rows}) == len(rows)
    shown = {
        tuple(row[k] for k in ("acc", "seg", "event", "avg"))
        for r in rows
        for row in r.printed.values()
        if len(row) == 4
    }
    tables = paper_tables()
    want = set()
    for row in tables["ovavel_table2"]["rows"].values():
        want |= {tuple(row[i : i + 4]) for i in (0, 4, 8)}
    for name, table in tables.items():
        if name.startswith("ovavel_") and isinstance(table, dict) and name not in ("ovavel_table2", "ovavel_dataset"):
            for key, row in table.items():
                groups = row.values() if isinstance(row, dict) else [row]
                want |= {tuple(x[:4]) for x in groups if key != "columns"}
    assert want == shown
    assert rows[-1].printed["total"]["acc"] == tables["ovavel_finetune_on_ave_accuracy"]


def test_measured_rows_and_reasons(made):
    found = reproduce_ovavel([str(made / "ib"), f"clip_clap={made / 'cc'}", str(made / "ib_ave")], str(made),
                             str(made / "ave"))  # fmt: skip
    by_name = {(r.row.table.split(":")[0], r.row.name): r for r in found.rows}
    measured = {k for k, r in by_name.items() if r.evaluation is not None}
    assert measured == {
        ("Table 2", "CLIP & CLAP"), ("Table 2", "training-free"), ("Table A8", "training-free, other"),
        ("Table A8", "training-free, background"), ("Table A11", "training-free"),
        (AV2A, "AV²A, LanguageBind's parameters"), (AV2A, "naive thresholds"),
    }  # fmt: skip
    truth = load_annotations("ovavebench", made)
    want = evaluate_predictions(replay(made / "ib", make_ovavel_params("training_free")).predictions(), truth)
    assert by_name["Table 2", "training-free"].measured == want.by_group()
    assert by_name["Table 2", "CLIP & CLAP"].measured == want.by_group()
    params = make_ovavel_params("training_free", values={"background": "background"})
    other = evaluate_predictions(replay(made / "ib", params).predictions(), truth)
    assert by_name["Table A8", "training-free, background"].measured == other.by_group() != want.by_group()
    assert by_name["Table A11", "training-free"].measured.keys() == {"total"}
    assert "no score set finetuned in" in by_name["Table 2", "fine-tuning"].missing
    assert "give --predictions cmra=FILE" in by_name["Table 2", "CMRA"].missing
    assert found.classes_improved() == {}
    assert all((r.evaluation is None) == bool(r.missing) for r in found.rows)


def test_av2a_runs_on_the_same_cache(made, tmp_path):
    """Its rows are its own replay of the 67 classes, under the benchmark's figures; a tuned setting is a row more."""
    (tmp_path / "best.toml").write_text("[params]\ntau0 = 0.6\ntau_r = 0.5\n")
    found = reproduce_ovavel([str(made / "ib")], str(made), av2a_params=[str(tmp_path / "best.toml")])
    truth = load_annotations("ovavebench", made)
    bundle = open_store(made / "ib").bundle()
    events = bundle.select_labels(range(67))
    assert events.labels == bundle.labels[:67]
    assert np.array_equal(events.visual_segments, bundle.visual_segments[:, :67])
    params = make_params("languagebind")
    for name, p in (("LanguageBind's parameters", params), (str(tmp_path / "best.toml"),
                    Params(tau0=0.6, tau_r=0.5))):  # fmt: skip
        want = evaluate_predictions(replay(events, p).predictions(), truth, metrics="ovavel")
        assert found.find(AV2A, f"AV²A, {name}").measured == want.by_group()
    shown = run("reproduce", "ovavel", made / "ib", "--annotations", made, "--av2a-params", tmp_path / "best.toml")
    assert "AV²A on the same cache" in shown.stdout


def test_what_is_missing_is_said(made):
    missing = {r.row.name: r.missing for r in reproduce_ovavel([], str(made)).rows if r.row.table != "Table 2"}
    assert missing["training-free, other"] == "no store of imagebind"
    assert missing["fine-tuning, further on AVE"] == "no annotations of ave: give --ave"
    found = reproduce_ovavel([str(made / "ib_ave")], str(made), str(made / "ave"))
    assert found.find("Table 2", "training-free").missing == "no store of imagebind with videos of ovavebench test"
    found = reproduce_ovavel([f"imagebind={made / 'ib_ave'}"], None, str(made / "ave"))
    assert found.find("Table 2", "training-free").missing == "no annotations of ovavebench: give --annotations"
    # the text `background` is not among this store's labels
    golden_labels = made / "plain"
    g = golden.load("tf_d32")
    write_store(golden_labels, LABELS, g["text"], {"v00": (g["audio"][0], g["visual"][0])})
    found = reproduce_ovavel([str(golden_labels)], str(made))
    row = found.find("Table A8: text for background", "training-free, background")
    assert "none of the 68 labels is 'background'" in row.missing
    row = found.find("Table 2", "training-free")
    assert row.evaluation.videos_scored == 1
    assert row.unscored == {"absent": 47}
    short = {"v00": (g["audio"][0][:4], g["visual"][0][:4])}
    write_store(made / "short", LABELS, g["text"], short, statuses={"v01": "empty_file", "v02": "empty_file"})
    shown = run("reproduce", "ovavel", made / "short", "--annotations", made).stdout
    assert "1 of 48 videos (45 absent, 2 empty_file), 1 of another length than annotated" in " ".join(shown.split())


def test_score_sets_fill_the_fine_tuned_rows(made, monkeypatch):
    """With score sets in the store, every fine-tuned row is measured on its own set, and classes are compared."""
    asked = set()
    whole = open_store(made / "ib").cosines(fused=True)

    def bundle(self, scores=None):
        if scores is not None:
            asked.add(scores)
        return whole

    names = {r.scores for r in ovavel_rows() if r.scores and r.dataset == "ovavebench"}
    monkeypatch.setattr(Store, "score_sets", tuple(names), raising=False)
    monkeypatch.setattr(Store, "bundle", bundle)
    found = reproduce_ovavel([str(made / "ib")], str(made))
    assert asked == names
    assert all(r.evaluation for r in found.rows if r.row.scores in names and r.row.dataset == "ovavebench")
    truth = load_annotations("ovavebench", made)
    want = evaluate_predictions(replay(whole, make_ovavel_params("finetuned")).predictions(), truth)
    assert found.find("Table 2", "fine-tuning").measured == want.by_group()
    better = found.classes_improved()
    assert better["printed"] == 56
    a, b = found.by_class["training-free"], found.by_class["fine-tuning"]
    assert better["acc"] == sum(b[c]["acc"] > a[c]["acc"] for c in a)


def test_other_systems_come_as_predictions(made):
    answers = {f"v{i:02d}": f"ave: {[1] * 10}\nclass: dog barking" for i in range(48)}
    (made / "answers.json").write_text(json.dumps(answers))
    assert run("import-text", made / "answers.json", "--out", made / "v.json").exit_code == 0
    found = reproduce_ovavel([], str(made), predictions=[f"Video-LLaMA2={made / 'v.json'}"])
    assert found.find("Table 2", "Video-LLaMA2").evaluation.videos_scored == 48
    with pytest.raises(UsageError, match="not NAME=FILE with a name of ave, cmra"):
        reproduce_ovavel([], str(made), predictions=["nobody=x"])


def test_profiles_and_batches(made):
    stores, truth = [str(made / "ib")], load_annotations("ovavebench", made)
    found = reproduce_ovavel(stores, str(made), profile="paper")
    params = make_ovavel_params("training_free", "paper")
    assert params.strategy == "per_segment"
    want = evaluate_predictions(replay(made / "ib", params).predictions(), truth, profile="paper")
    assert found.find("Table 2", "training-free").measured == want.by_group()
    found = reproduce_ovavel(stores, str(made), strict=True)
    want = evaluate_predictions(replay(made / "ib", make_ovavel_params()).predictions(), truth, batch_size=32)
    assert found.find("Table 2", "training-free").measured == want.by_group()


def test_command(made):
    arguments = ["reproduce", "ovavel", made / "ib", "--annotations", made]
    shown = run(*arguments, "--figure", made / "classes.html")
    assert shown.exit_code == 0, shown.output
    assert "Table A7: temporal layers" in shown.stdout
    assert "not computed: CLIP & CLAP (no store of clip_clap)" in shown.stdout
    assert "training-free: 48 of 48 videos" in shown.stdout
    assert "/ 46.6" in shown.stdout
    table = run(*arguments, "--table", "csv").stdout.splitlines()
    assert table[0] == "table,name,kind,Acc. measured,Acc. paper,Seg. measured,Seg. paper,Eve. measured,Eve. paper," + (
        "Avg. measured,Avg. paper"
    )
    assert re.search(r"^Table 2[^,]*,training-free,total,", table[1])
    assert table[1].endswith(",46.6")
    page = (made / "classes.html").read_text()
    assert "Event F" in page
    run(*arguments, "--figure", made / "again.html")
    assert (made / "again.html").read_text() == page
    result = json.loads(run(*arguments, "--json").stdout)
    row = next(r for r in result["rows"] if r["name"] == "training-free" and r["table"] == "Table 2")
    assert row["printed"]["total"]["avg"] == 46.6
    assert row["measured"]["total"].keys() == {"acc", "seg", "event", "avg"}
    assert (row["videos_scored"], row["videos_expected"]) == (48, 48)


def test_errors(made, tmp_path):
    with pytest.raises(UsageError, match="give OV-AVEBench's annotations"):
        reproduce_ovavel([])
    with pytest.raises(UsageError, match=r"is of no declared backbone.*write imagebind="):
        reproduce_ovavel([str(made / "cc")], str(made))
    with pytest.raises(DataError, match="no store"):
        reproduce_ovavel([f"imagebind={tmp_path}/none"], str(made))
    done = run("reproduce", "ovavel", "--annotations", made, "--figure", tmp_path / "f.html")
    assert done.exit_code == 2
    assert "no baseline was measured" in done.stderr


def test_what_cuerators_paper_prints_stands_beside_what_is_measured(made, tmp_path):
    """AV²A as its authors tuned it is measured; CueRator's own figures cannot be, and are shown with the reason."""
    found = reproduce_ovavel([str(made / "ib")], str(made))
    rows = {r.row.name: r for r in found.rivals}
    assert rows["CueRator, weights by video"].row.printed["unseen"]["avg"] == 59.9
    assert rows["CueRator, weights by video"].row.printed["total"]["avg"] == 60.2
    assert "a policy network gives each video its weights" in rows["CueRator, weights by video"].missing
    assert rows["CueRator, one vector"].row.printed == {"total": {"acc": 61.3, "avg": 50.6}}
    truth, bundle = load_annotations("ovavebench", made), open_store(made / "ib").bundle().select_labels(range(67))
    params = make_params("languagebind").override(
        {"alpha": 0.52, "tau0": 0.96, "tau_r": 0.37, "tau_f": 0.18, "decay": 4.55}
    )
    want = evaluate_predictions(replay(bundle, params).predictions(), truth, metrics="ovavel")
    assert rows["AV²A, as CueRator's authors tuned it"].measured == want.by_group()
    assert rows["CueRator's rule, the middle of the published box"].measured.keys() == want.by_group().keys()
    assert not {r.row.name for r in found.rivals} & {r.row.name for r in found.rows}
    done = run("reproduce", "ovavel", made / "ib", "--annotations", made)
    assert re.search(r"CueRator, weights by video +total +– / 68\.6 +– / 59\.4 +– / 52\.7 +– / 60\.2", done.stdout)
    said = json.loads(run("reproduce", "ovavel", made / "ib", "--annotations", made, "--json").stdout)["rivals"]
    assert [r["name"] for r in said] == list(rows)


def test_a_rivals_decoder_is_measured_where_there_is_one(made, tmp_path):
    """The middle of its published box, and weights of files, each a row."""

    class Rule(OvavelDecoder):
        presets: ClassVar = {"box_middle": {"strategy": "first_agreement"}}
        make_params = Decoder.make_params

    (tmp_path / "w.toml").write_text('[params]\nstrategy = "per_segment"\n')
    DECODERS.register(Rule(), "cuerator", replace=True)
    try:
        found = reproduce_ovavel([str(made / "ib")], str(made), cuerator_params=[str(tmp_path / "w.toml")])
    finally:
        DECODERS.unregister("cuerator")
    truth = load_annotations("ovavebench", made)
    rows = {r.row.name.partition(", ")[2]: r for r in found.rivals if r.row.decoder}
    assert rows.keys() == {"the middle of the published box", str(tmp_path / "w.toml")}
    for r, strategy in zip(rows.values(), ("first_agreement", "per_segment"), strict=True):
        params = make_ovavel_params(values={"strategy": strategy})
        want = evaluate_predictions(replay(made / "ib", params).predictions(), truth)
        assert r.measured == want.by_group()
