"""Commands made of requests: help, examples, defaults, former spellings, names anyone registers, completion."""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from importlib.metadata import EntryPoint

import avreplay
import click
import numpy as np
import pytest
from avreplay.cache.command_options import ImportRequest
from avreplay.cache.imports.third_party import import_scores
from avreplay.cli import main
from avreplay.core.command_options import REQUIRED, fields_of
from avreplay.core.decoders.registry import DECODERS
from avreplay.core.errors import UsageError
from avreplay.evaluate import command_options as evaluate_options
from avreplay.evaluate import leaderboard_options, tune_options
from avreplay.evaluate.command_options import CompareRequest, EvaluateRequest, ProbeRequest, ReportRequest
from avreplay.evaluate.probe.run import probe
from avreplay.evaluate.tune_options import TuneSettings
from avreplay.extract.command_options import BenchRequest, DemoRequest, ExtractRequest
from avreplay.extract.demo.run import extract_demo
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from tuning_data import write_made

HEAVY = ("numpy", "numba", "zarr", "fsspec", "rich", "jinja2", "plotly", "av", "torch", "optuna", "scipy", "sklearn",
         "importlib.metadata", "logging", "json", "asyncio")  # fmt: skip


def commands(group=main, path=()):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands())

SEEDED = [(module, name) for module in (evaluate_options, tune_options, leaderboard_options)
          for name, of in vars(module).items()
          if dataclasses.is_dataclass(of) and any(f.name == "seed" for f in dataclasses.fields(of))]  # fmt: skip


@pytest.mark.parametrize(("module", "name"), SEEDED, ids=lambda of: of if isinstance(of, str) else "")
@pytest.mark.parametrize("seed", [-1, 1 << 80])
def test_a_seed_out_of_range_is_refused_in_a_sentence(module, name, seed):
    of = getattr(module, name)
    needed = {f.name: "x" for f in dataclasses.fields(of) if f.default is REQUIRED} | {"seed": seed}
    if "modality" in needed:
        needed["modality"] = "audio"
    with pytest.raises(UsageError, match=rf"the seed is {seed}; it must be from 0 to"):
        of(**needed)


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


# --- help --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_says_what_it_does_with_json_and_an_example_that_parses(path):
    done = run(*path, "--help")
    assert done.exit_code == 0
    assert COMMANDS[path].help
    assert "--json" in done.output
    example = done.output.split("Example:\n  ")[1].splitlines()[0]
    words = shlex.split(example.partition(">")[0])
    assert words[: len(path) + 1] == ["avreplay", *path]
    made = COMMANDS[path].make_context(path[-1], words[len(path) + 1 :])
    assert made.args == []


def test_commands_stand_in_groups_in_the_order_of_the_work():
    shown = run("--help").output
    headings = [line[:-1] for line in shown.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert headings == ["Options", *main.headings]
    assert sorted(n for names in main.headings.values() for n in names) == sorted(main.commands)
    order = [
        shown.index(f"\n  {name} ") for name in ("demo", "extract", "replay", "evaluate", "tune", "info", "options")
    ]
    assert order == sorted(order)


def test_help_imports_nothing_heavy():
    """What keeps the help of every command within a tenth of a second; CliRunner alone would import json."""
    shown = [list(path) for path in ((), *COMMANDS)]
    code = (
        "import os, sys, avreplay.cli\n"
        f"for path in {shown}:\n"
        "    try: avreplay.cli.main([*path, '--help'], prog_name='avreplay')\n"
        "    except SystemExit as end: assert end.code == 0\n"
        f"print('imported', [m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=os.sep)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "imported []"
    assert done.stdout.count("Example:") == len(COMMANDS)


def test_python_m():
    done = subprocess.run([sys.executable, "-m", "avreplay", "--version"], capture_output=True, text=True, cwd=os.sep)
    assert done.stdout.strip() == f"avreplay, version {avreplay.__version__}"


# --- declarations ------------------------------------------------------------------------------------------------

SAME = [
    (EvaluateRequest, avreplay.evaluate_predictions, {"batch_size"}),  # given only with --strict
    (CompareRequest, avreplay.compare, set()),
    (ReportRequest, avreplay.write_report, {"videos"}),
    (ProbeRequest, probe, {"train_store", "train_labels"}),  # by the dataset
    (ImportRequest, import_scores, set()),
    (DemoRequest, extract_demo, set()),
    (TuneSettings, avreplay.compare, set()),
]


@pytest.mark.parametrize(("request_", "function", "differ"), SAME, ids=[r.__name__ for r, _, _ in SAME])
def test_a_command_and_its_function_have_the_same_defaults(request_, function, differ):
    declared = {f.name: f.default for f in dataclasses.fields(request_)}
    own = {n: p.default for n, p in inspect.signature(function).parameters.items() if p.default is not p.empty}
    shared = declared.keys() & own.keys() - differ - {"profile"}
    assert {n: declared[n] for n in shared} == {n: own[n] for n in shared}
    if request_ is not TuneSettings and "profile" in declared:
        assert declared["profile"] == own.get("profile", "release")
    assert shared


def test_an_option_has_one_kind_of_value_in_all_commands():
    """Two meanings would be told apart by nothing but the command."""
    kinds: dict[str, set[object]] = {}
    for command in COMMANDS.values():
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                kind = (option.is_flag, "text" if isinstance(option.type, click.Choice) else option.type.name)
                for flag in (*option.opts, *option.secondary_opts):
                    kinds.setdefault(flag, set()).add(kind)
    # a number of videos for `tune` and `plan`, folders of them for `explore`: which is which shows at once
    assert {flag for flag, kind in kinds.items() if len(kind) > 1} == {"--videos"}
    readers = [path for path, c in COMMANDS.items() if any("--video-reader" in p.opts for p in c.params)]
    decoders = [path for path, c in COMMANDS.items() if any("--decoder" in p.opts and not p.hidden for p in c.params)]
    assert readers == [("extract",), ("plan",), ("bench",)]
    assert decoders == [("replay",), ("explore",), ("tune",), ("options",)]


def test_every_option_says_what_it_is_and_its_default():
    for path, command in COMMANDS.items():
        shown = " ".join(run(*path, "--help").output.split())
        for request in command.requests:
            for s in fields_of(request):
                assert s.help, (path, s.name)
                if not s.flags:
                    continue
                assert s.flags[0].partition("/")[0] in shown
                if s.default not in (REQUIRED, None, False, True, "", ()):
                    default = ", ".join(s.default) if isinstance(s.default, tuple) else s.default
                    assert f"[default: {default}]" in shown, (path, s.name)


@pytest.mark.parametrize(
    ("request_", "former"),
    [(ExtractRequest, ["--set", "--decoder"]), (BenchRequest, ["--videos", "--decoder"])],
)
def test_former_spellings_are_declared_and_hidden(request_, former):
    path = (request_.__name__.removesuffix("Request").lower(),)
    assert [flag for s in fields_of(request_) for flag in s.former] == former
    hidden = [p.opts[0] for p in COMMANDS[path].params if isinstance(p, click.Option) and p.hidden]
    assert set(former) <= set(hidden)


def test_a_former_spelling_works_with_a_note(tmp_path):
    done = run("extract", tmp_path / "none", "-o", tmp_path / "s", "--set", "a=1", "--set", "b=2")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[:2] == [
        "Note: --set a=1 is called --backbone-option a=1 now",
        "Note: --set b=2 is called --backbone-option b=2 now",
    ]
    done = run("bench", "--made-up", 0)
    assert done.stderr.splitlines() == [
        "Note: --made-up 0 is called --synthetic-videos 0 now",
        "Error: synthetic_videos is 0; it must be at least 1",
    ]
    done = run("bench", "--made-up", 3, "--synthetic-videos", 4)
    assert (done.exit_code, done.stderr) == (2, "Error: --made-up is called --synthetic-videos now; give one of them\n")


# --- names anyone registers --------------------------------------------------------------------------------------


class Constant(avreplay.Metric):
    """Always 12.5, for every video."""

    name = "constant"

    def names(self, truth):
        return ("always",)

    def score(self, predicted, truth):
        videos = np.full((predicted.num_settings, len(truth.segments), 1), 12.5)
        return avreplay.Scores(("always",), videos.mean(axis=1), videos)


class Everything(avreplay.Decoder):
    """The first label is audible from the first second on."""

    name = "everything"
    presets: dict = {"loud": {}}  # noqa: RUF012

    @avreplay.option_set
    class Options(avreplay.OptionSet):
        """One option."""

        share: float = avreplay.option(1.0, "share of the video", low=0, high=1)

    params = Options

    def decode(self, inputs, params):
        lengths = inputs.scores.segments_per_video.tolist()
        return avreplay.Events.from_tracks([[[(0, 0, max(1, round(n * params.share)))], [], []] for n in lengths])


METRIC, DECODER = f"{__name__}:Constant", f"{__name__}:Everything"


@pytest.fixture(scope="module")
def val(tmp_path_factory):
    """A store, its annotations and predictions."""
    folder = tmp_path_factory.mktemp("val")
    store, truth = write_made(folder)
    done = run("replay", store, "--decoder", DECODER, "--set", "share=0.5", "--out", folder / "p.json", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["params"] == {"decoder": DECODER, "share": 0.5}
    return folder, store, ["--dataset", "json", "--annotations", truth, "--split", "val"]


def test_a_metric_by_its_place_in_every_command_that_scores(val):
    folder, store, on = val
    p = folder / "p.json"
    scored = json.loads(run("evaluate", p, *on, "--metrics", METRIC, "--json").stdout)
    assert (scored["metric"], scored["metrics"]) == (METRIC, {"always": 12.5})
    compared = json.loads(run("compare", p, p, *on, "--metrics", METRIC, "--resamples", 10, "--json").stdout)
    assert compared["differences"]["always"]["figure"] == 0
    assert run("report", p, *on, "--metrics", METRIC, "--out", folder / "r.html").exit_code == 0
    assert "always" in (folder / "r.html").read_text()
    tuned = run("tune", store, *on, "--metrics", METRIC, "--decoder", DECODER, "--sampler", "grid", "--points", 2,
                "--report-split", "", "--videos", 0, "--out", folder / "t", "--json")  # fmt: skip
    assert tuned.exit_code == 1, tuned.output
    assert "the objective always is 12.5 for each of the 2 settings tried" in tuned.output


def test_options_of_any_decoder(val):
    shown = json.loads(run("options", "--decoder", DECODER, "--json").stdout)
    assert shown["presets"] == {"loud": {}}
    assert [o["name"] for o in shown["options"]] == ["share"]
    assert shown["search"] == ["share=0:1"]
    assert "tune searches: share=0:1" in run("options", "--decoder", DECODER).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["replay", "{store}", "--decoder", "av2"], "there is no decoder 'av2'; did you mean 'av2a'?"),
        (["options", "--decoder", "ovavels"], "did you mean 'ovavel'?"),
        (["evaluate", "{p}", "{on}", "--metrics", "llq"], "there is no metric 'llq'; did you mean 'llp'?"),
        (["compare", "{p}", "{p}", "{on}", "--metrics", "llq"], "did you mean 'llp'?"),
        (["report", "{p}", "{on}", "--metrics", "llq"], "did you mean 'llp'?"),
        (["tune", "{store}", "{on}", "--metrics", "llq", "--report-split", ""], "did you mean 'llp'?"),
        (["labels", "aves"], "there is no dataset 'aves'; did you mean 'ave'?"),
        (["evaluate", "{p}", "--dataset", "no.such:Thing", "--annotations", "x"], "No module named 'no'"),
        (["extract", "{p}", "-o", "s", "--backbone", "dem"], "did you mean 'demo'?"),
    ],
)
def test_an_unknown_name_is_one_line_with_the_nearest(val, arguments, words):
    folder, store, on = val
    given = []
    for a in arguments:
        given += on if a == "{on}" else [a.format(store=store, p=folder / "p.json")]
    done = run(*given)
    assert done.exit_code == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_plugins_lists_everything_and_a_broken_one_costs_nothing_else(monkeypatch):
    before = json.loads(run("plugins", "--json").stdout)
    assert {p["kind"] for p in before} == {"dataset", "metric", "decoder", "backbone"}
    assert {p["name"] for p in before if p["kind"] == "dataset"} >= {"llp", "ave", "ovavebench", "json"}
    assert all(p.keys() == {"kind", "name", "source", "error"} for p in before)
    assert all(len(line.split()) > 4 for line in run("plugins").stdout.splitlines())  # what each is

    def declared(group):
        return [EntryPoint("broken", "no_such_module:Thing", group)] if group == "avreplay.metrics" else []

    monkeypatch.setattr("avreplay.core.registry.entry_points", declared)
    done = run("plugins", "--json")
    assert done.exit_code == 0
    (broken,) = [p for p in json.loads(done.stdout) if p["error"]]
    assert (broken["kind"], broken["name"]) == ("metric", "broken")
    assert "no_such_module" in broken["error"]
    shown = run("plugins")
    assert shown.exit_code == 0
    assert any("broken" in line and "no_such_module" in line for line in shown.stdout.splitlines())
    assert run("labels", "ave").exit_code == 0


# --- completion --------------------------------------------------------------------------------------------------


def offered(*words):
    return [c.value for c in ShellComplete(main, {}, "avreplay", "x").get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize(
    ("words", "want"),
    [
        (["re"], ["replay", "report", "response", "reproduce"]),
        (["reproduce", ""], ["av2a", "ovavel"]),
        (["evaluate", "p", "--dataset", "ov"], ["ovavebench"]),
        (["labels", "a"], ["ave", "avepm", "audioset_strong"]),
        (["compare", "--metrics", "a"], ["auto", "ave_accuracy"]),
        (["replay", "s", "--decoder", ""], DECODERS.names()),
        (["replay", "s", "--preset", "naive_l"], ["naive_languagebind"]),
        (["replay", "s", "--decoder", "ovavel", "--preset", "fine"], ["finetuned"]),
        (["replay", "s", "--decoder", DECODER, "--preset", ""], ["loud"]),
        (["replay", "s", "--decoder", "nobody", "--preset", ""], []),
        (["tune", "s", "--profile", ""], ["release", "paper"]),
        (["extract", "--backbone", "cl"], ["clip_clap"]),
        (["extract", "--video-reader", "n"], ["nvdec"]),
        (["embed-text", "s", "--backbone", "d"], ["demo"]),
        (["tune", "--dec"], ["--decoder"]),
        (["backbones", "im"], ["imagebind"]),
        (["ids", "ov"], ["ovavebench", "ov"]),  # or the folder of a store
        (["replay", "s", "--tracks", ""], ["audio", "visual", "audio_visual"]),
        (["replay", "s", "--tracks", "audio,"], ["audio,visual", "audio,audio_visual"]),
        (["replay", "s", "--set", "tau"], ["tau0=", "tau_f=", "tau_r="]),
        (["replay", "s", "--set", "score_norm=s"], ["score_norm=sigmoid"]),
        (["replay", "s", "--decoder", "ovavel", "--set", "no_such="], []),
        (["replay", "s", "--decoder", "nobody", "--set", "tau"], []),
    ],
)
def test_completion_offers_names(val, words, want):
    assert offered(*words) == want


def test_completion_leaves_files_and_folders_to_the_shell():
    def kind(*words):
        (found,) = ShellComplete(main, {}, "avreplay", "x").get_completions(list(words[:-1]), words[-1])
        return found.type

    assert kind("replay", "st") == "dir"
    assert kind("replay", "s", "--out", "p") == "file"
    assert kind("tune", "s", "--out", "p") == "dir"
    assert kind("evaluate", "p") == "file"
    assert kind("import", "s") == kind("join-stills", "s") == "file"


def test_completion_as_bash_asks_for_it_imports_nothing_heavy():
    code = (
        "import sys, avreplay.cli\n"
        "try: avreplay.cli.main(prog_name='avreplay')\n"
        "except SystemExit: pass\n"
        f"print('imported', [m for m in {[m for m in HEAVY if m not in ('importlib.metadata', 'json', 'logging')]} "
        "if m in sys.modules])"
    )
    for words, last, want in (
        ("avreplay evaluate p --dataset ", 4, "plain,ovavebench"),
        ("avreplay tune s --preset ", 4, "plain,languagebind"),
        ("avreplay extract --backbone ", 3, "plain,imagebind"),
        ("avreplay compare --metrics ", 3, "plain,ave_accuracy"),
        ("avreplay replay s --set ", 4, "plain,tau0="),
    ):
        env = {**os.environ, "_AVREPLAY_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(last)}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=os.sep)
        assert done.returncode == 0, done.stderr
        assert want in done.stdout.splitlines()
        assert done.stdout.splitlines()[-1] == "imported []"


def test_options_of_one_benchmark_stand_under_a_heading_of_their_own():
    """Every option is shown; those of one benchmark or metric come after those of everybody."""
    for name, command in main.commands.items():
        requests = getattr(command, "requests", ())
        sections = {s.section: s for request in requests for s in fields_of(request) if s.section}
        text = CliRunner().invoke(main, [name, "--help"]).output
        for request in requests:
            for s in fields_of(request):
                if s.flags:
                    spelled = s.flags[0].split("/")[0]
                    assert len(re.findall(rf"^ +(?:-\w, )?{spelled}\b(?!-)", text, re.M)) >= 1, (name, s.name)
        for heading, s in sections.items():
            assert text.index("Options:") < text.index(f"{heading}:") < text.index(s.flags[0].split("/")[0])
    assert "Options of OV-AVEBench's figures:" in CliRunner().invoke(main, ["evaluate", "--help"]).output
