"""Backbones from outside the package: by entry point, by ``module:Class``, registered, or given as an object."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from avreplay.cache import StoreWriter, open_store, verify_store
from avreplay.cache.layout.location import Location
from avreplay.cli import main
from avreplay.core.errors import DataError, UsageError
from avreplay.extract import ExtractSettings, embed_labels, extract_videos, load_backbone, register_backbone
from avreplay.extract.backbones.base import Backbone, backbone_declaration
from avreplay.extract.backbones.listing import list_backbones
from avreplay.extract.backbones.registry import BUILT_IN, backbone_registry, class_path
from avreplay.extract.media.resize import Resize
from avreplay.extract.writing.devices import Job, run_on_devices
from click.testing import CliRunner
from fake_backbone import FakeBackbone
from media_maker import write_media
from store_files import tree

TESTS = Path(__file__).parent
MODULE = """
from fake_backbone import FakeBackbone

class Own(FakeBackbone):
    \"\"\"Colour and loudness, for a test.\"\"\"

    name = "own"
    licence = "CC0"
    needs = ("av", "a_package_nobody_has")
    install = "pip install own-encoder"

    def __init__(self, rows: int = 1, weights: str = "a", device: str = "cpu") -> None:
        super().__init__(rows, weights)
"""


@pytest.fixture
def films(tmp_path: Path) -> Path:
    (tmp_path / "films").mkdir()
    for k in range(3):
        write_media(tmp_path / f"films/v{k}.mp4", seconds=2 + k, channels=1)
    (tmp_path / "labels.txt").write_text("Dog\nSpeech\n")
    (tmp_path / "other.txt").write_text("Rain\n")
    return tmp_path / "films"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of modules as pip leaves it: an encoder, declared as an entry point, and one that is broken."""
    folder = tmp_path / "site"
    info = folder / "own_encoder-2.1.dist-info"
    info.mkdir(parents=True)
    (folder / "own_encoder.py").write_text(MODULE)
    (folder / "broken_encoder.py").write_text("raise RuntimeError('two\\nlines')\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-encoder\nVersion: 2.1\n")
    (info / "entry_points.txt").write_text(
        "[avreplay.backbones]\nown = own_encoder:Own\nbroken = broken_encoder:Own\nlost = own_encoder:Nothing\n"
        "number = own_encoder:__name__\n"
    )
    return folder


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "own_encoder", raising=False)
    return site


@pytest.fixture
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbone_registry, "_registered", {})


def run(*arguments: object, path: Path | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, which finds the modules of a folder, and of the tests."""
    paths = [str(folder) for folder in (path, TESTS) if folder]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", "from avreplay.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd)


def labels_of(store: Path) -> tuple[str, ...]:
    assert open_store(store).bundle().labels == open_store(store).labels
    return open_store(store).labels


@pytest.mark.parametrize("name", ["own", "own_encoder:Own"])
def test_extract_fill_retry_and_embed_text_each_in_its_own_process(
    films: Path, tmp_path: Path, site: Path, name: str
) -> None:
    store, again = tmp_path / "s", ["--backbone", name, "--no-calibration"]
    common = ["extract", films, "--store", store, "--labels", tmp_path / "labels.txt", *again]
    late = tmp_path / "late.mp4"
    shutil.move(films / "v1.mp4", late)
    (tmp_path / "ids.txt").write_text("v0\nv1\nv2\n")
    done = run(*common, "--ids", tmp_path / "ids.txt", "--windows", "none", "--backbone-option", "rows=8", path=site)
    assert done.returncode == 1, done.stderr  # v1 is missing
    assert open_store(store).backbone_class == "own_encoder:Own"
    shutil.move(late, films / "v1.mp4")
    done = run("extract", films, "--store", store, "--retry", *again, "--backbone-option", "rows=8", path=site)
    assert done.returncode == 0, done.stderr
    done = run(*common, "--fill", "--windows", "all", "--backbone-option", "rows=8", path=site)
    assert done.returncode == 0, done.stderr
    done = run("embed-text", store, "--labels", tmp_path / "other.txt", path=site)
    assert done.returncode == 0, done.stderr
    assert labels_of(store) == ("Rain",)
    assert open_store(store).bundle().visual_clip.shape == (3, 8, 1)
    assert verify_store(store) == []


def test_a_second_backbone_and_worker_processes(films: Path, tmp_path: Path, site: Path) -> None:
    store = tmp_path / "s"
    settings = ExtractSettings(windows="none", shard_videos=1)
    extract_videos(films, store, "demo", ("Dog",), settings)
    add = ["extract", films, "--store", store, "--fill", "--backbone", "own_encoder:Own", "--no-calibration"]
    more = ["--devices", "cpu,cpu", "--decode-in", "processes", "--shard-videos", "1"]
    done = run(*add, *more, path=site)
    assert done.returncode == 0, done.stderr
    inner = store / "backbones/own"
    assert labels_of(inner) == ("Dog",)
    done = run("embed-text", inner, "--labels", tmp_path / "other.txt", path=site)
    assert done.returncode == 0, done.stderr
    assert labels_of(inner) == ("Rain",)
    assert labels_of(store) == ("Dog",)
    assert verify_store(store) == []


def test_an_object_of_a_class_that_nobody_registered(films: Path, tmp_path: Path) -> None:
    extract_videos(films, tmp_path / "s", FakeBackbone(rows=8), ("Dog", "Speech"))
    done = run("embed-text", tmp_path / "s", "--labels", tmp_path / "other.txt")
    assert done.returncode == 0, done.stderr
    assert labels_of(tmp_path / "s") == ("Rain",)


def test_a_class_that_cannot_be_found_is_one_sentence_that_says_what_to_do(
    films: Path, tmp_path: Path, site: Path, installed: Path
) -> None:
    class Local(FakeBackbone):
        name = "local"

    extract_videos(films, tmp_path / "local", Local(), ("Dog",))
    assert open_store(tmp_path / "local").backbone_class is None
    extract_videos(films, tmp_path / "own", "own_encoder:Own", ("Dog",))
    for store, words in (
        ("local", "made with the backbone 'local', which is not registered here"),
        ("own", "made with the backbone 'own' of own_encoder:Own, which cannot be imported here"),
    ):
        done = run("embed-text", tmp_path / store, "--labels", tmp_path / "other.txt")
        assert done.returncode == 2
        assert words in done.stderr
        assert "name its class with --backbone package.module:Class" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        assert labels_of(tmp_path / store) == ("Dog",)
    # moved to another module: named once, then remembered
    (tmp_path / "moved").mkdir()
    shutil.copy(site / "own_encoder.py", tmp_path / "moved/new_place.py")
    given = ["embed-text", tmp_path / "own", "--labels", tmp_path / "other.txt"]
    done = run(*given, "--backbone", "new_place:Own", path=tmp_path / "moved")
    assert done.returncode == 0, done.stderr
    assert open_store(tmp_path / "own").backbone_class == "new_place:Own"
    assert run(*given, path=tmp_path / "moved").returncode == 0
    embed_labels(tmp_path / "local", ["Cow"], backbone=Local)
    assert labels_of(tmp_path / "local") == ("Cow",)
    with pytest.raises(DataError, match="name was 'local' and is 'fake' here"):
        embed_labels(tmp_path / "local", ["Cat"], backbone="fake_backbone:FakeBackbone")


def test_a_module_of_the_working_folder_can_be_named(films: Path, tmp_path: Path, site: Path) -> None:
    common = ["--store", tmp_path / "s", "--backbone", "own_encoder:Own", "--no-calibration"]
    done = run("extract", films, "--labels", tmp_path / "labels.txt", *common, cwd=site)
    assert done.returncode == 0, done.stderr
    # a store does not make the command look there
    assert run("embed-text", tmp_path / "s", "--labels", tmp_path / "other.txt", cwd=tmp_path).returncode == 2


def test_stores_of_before_resume_and_those_of_this_package_say_nothing(films: Path, tmp_path: Path) -> None:
    extract_videos(films, tmp_path / "demo", "demo", ("Dog",))
    assert "backbone_class" not in (tmp_path / "demo/zarr.json").read_text()
    extract_videos(films, tmp_path / "s", FakeBackbone(), ("Dog",), ids=["v0"])
    root = Location(tmp_path / "s").attributes()
    assert root is not None
    del root["backbone_class"]
    Location(tmp_path / "s").set_attributes("", root)
    before = open_store(tmp_path / "s")
    assert before.backbone_class is None
    summary = extract_videos(films, tmp_path / "s", FakeBackbone(), ("Dog",))
    assert (summary.new, summary.resumed) == (2, 1)
    after = open_store(tmp_path / "s")
    assert (after.fingerprint, after.config) == (before.fingerprint, before.config)
    assert after.backbone_class == "fake_backbone:FakeBackbone"
    with StoreWriter.open(tmp_path / "s", after.config, ["v9"]):
        pass
    assert open_store(tmp_path / "s").backbone_class == "fake_backbone:FakeBackbone"


@pytest.mark.usefixtures("installed")
def test_plugins_are_listed_with_their_facts_and_broken_ones_with_their_error() -> None:
    found = {b["name"]: b for b in list_backbones()}
    assert list(found) == [*BUILT_IN, "broken", "lost", "number", "own"]
    own = found["own"]
    assert (own["about"], own["licence"], own["source"]) == (
        "Colour and loudness, for a test.",
        "CC0",
        "own-encoder 2.1",
    )
    assert (own["missing"], own["installed"], own["error"]) == (["a_package_nobody_has"], False, "")
    assert (found["demo"]["source"], found["demo"]["installed"]) == ("avreplay", True)
    for name, words in (
        ("broken", "RuntimeError: two lines"), ("lost", "no attribute 'Nothing'"), ("number", "not a subclass"),
    ):  # fmt: skip
        assert words in found[name]["error"]
        assert "\n" not in found[name]["error"]
        assert not found[name]["installed"]
        with pytest.raises(UsageError, match=f"the backbone '{name}' of own-encoder 2.1 cannot be used"):
            load_backbone(name)
    done = CliRunner().invoke(main, ["backbones"])
    assert done.exit_code == 0
    assert "own: Colour and loudness, for a test." in done.stdout
    assert "not installed (no a_package_nobody_has): pip install own-encoder; from own-encoder 2.1" in done.stdout
    assert sum(line.startswith("broken: ") for line in done.stdout.splitlines()) == 1
    assert load_backbone("own", rows=8).spec.visual_rows == 8
    assert load_backbone("demo").name == "demo"


@pytest.mark.usefixtures("empty_registry")
def test_registering_in_a_process(films: Path, tmp_path: Path) -> None:
    @register_backbone
    class Mine(FakeBackbone):
        name = "mine"

    summary = extract_videos(films, tmp_path / "s", "mine", ("Dog",))
    assert summary.counts == {"ok": 3}
    assert list_backbones()[-1]["source"] == "registered in this process"
    embed_labels(tmp_path / "s", ["Cat"])
    assert labels_of(tmp_path / "s") == ("Cat",)
    assert class_path(Mine) is None
    with pytest.raises(
        UsageError, match="other processes cannot import the backbone mine; put its class into a module"
    ):
        run_on_devices(Job((str(films),), str(tmp_path / "t"), "mine", {}, ("Dog",), ExtractSettings()), ["cpu", "cpu"])
    with pytest.raises(UsageError, match="there is a backbone 'mine' already"):
        register_backbone(Mine)
    with pytest.raises(UsageError, match=r"not a subclass of avreplay\.Backbone"):
        register_backbone(dict, "dictionary")  # type: ignore[arg-type]
    with pytest.raises(
        UsageError, match="does not define declaration, encode_audio, encode_images, encode_text, prompts"
    ):
        register_backbone(type("Half", (Backbone,), {"name": "half"}))
    with pytest.raises(UsageError, match="give a word without a colon"):
        register_backbone(type("Nameless", (FakeBackbone,), {"name": ""}))


@pytest.mark.usefixtures("empty_registry", "installed")
def test_what_goes_wrong_in_making_one_is_a_sentence() -> None:
    class Needy(FakeBackbone):
        name, install = "needy", "pip install needs"

        def __init__(self, size: int, kind: str = "a") -> None:
            import a_package_nobody_has  # type: ignore[import-not-found]  # noqa: F401

    register_backbone(Needy)
    with pytest.raises(UsageError, match="needs a_package_nobody_has, which is not installed: pip install needs"):
        load_backbone("needy", size=1)
    with pytest.raises(UsageError, match=r"cannot be made \(TypeError: .*'size'"):
        load_backbone("needy")
    with pytest.raises(UsageError, match="has no option 'colour'; it takes size, kind"):
        load_backbone("needy", colour=1)
    for wrong, words in (
        ("own_encoder:Missing", "has no attribute 'Missing'"),
        ("nothing_here:Own", "No module named 'nothing_here'"),
        ("json:loads", "not a subclass of avreplay.Backbone"),
    ):
        with pytest.raises(UsageError, match=f"the backbone '{wrong}' cannot be used .*{words}"):
            load_backbone(wrong)
    with pytest.raises(UsageError, match="cannot be used as a backbone"):
        extract_videos(Path(__file__), "s", dict)  # type: ignore[arg-type]


def test_the_former_name_of_resize_at_decode_is_read() -> None:
    with pytest.warns(FutureWarning, match="Old.shrink is called resize_at_decode now"):

        class Old(FakeBackbone):
            shrink = Resize(24)

    assert Old().resize_at_decode == Old().shrink == Resize(24)
    backbone = FakeBackbone()
    with pytest.warns(FutureWarning, match="FakeBackbone.shrink"):
        backbone.shrink = Resize(16)
    assert backbone.resize_at_decode == Resize(16)


def test_a_function_that_no_other_process_can_be_given_is_called_here(films: Path, tmp_path: Path) -> None:
    backbone = FakeBackbone()
    for name, function in (("lambda", lambda frame: frame[::2, ::2]), ("missing", _elsewhere)):
        backbone.resize_at_decode = function
        for place in ("processes", "threads"):
            settings = ExtractSettings(decode_in=place, workers=2)
            assert extract_videos(films, tmp_path / name / place, backbone, settings=settings).counts == {"ok": 3}
        assert tree(tmp_path / name / "threads") == tree(tmp_path / name / "processes")


def _elsewhere(frame):  # type: ignore[no-untyped-def]
    return frame[::2, ::2]


_elsewhere.__module__ = "a_module_of_this_program"
sys.modules["a_module_of_this_program"] = sys.modules[__name__]


def test_what_lacks_a_name_or_sizes_is_refused(films: Path, tmp_path: Path) -> None:
    for missing in ("name", "spec"):
        backbone = FakeBackbone()
        setattr(backbone, missing, None)
        with pytest.raises(UsageError, match=f"the backbone FakeBackbone has no {missing}; give the class"):
            extract_videos(films, tmp_path / "s", backbone)
    assert not (tmp_path / "s").exists()


def test_representations_are_short(films: Path, tmp_path: Path) -> None:
    summary = extract_videos(films, tmp_path / "s", FakeBackbone(), ids=["v0", "gone"])
    assert repr(summary) == f"<ExtractSummary {tmp_path}/s: 2 new, 2 videos (1 missing, 1 ok)>"
    assert repr(FakeBackbone()) == "<FakeBackbone 'fake'>"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda self: None, "gave NoneType, not a dict"),
        (lambda self: {"weights": object()}, "TypeError"),
        (lambda self: {"scale": float("nan")}, "ValueError"),
        (lambda self: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_declaration_is_held_to_what_it_must_be(monkeypatch, given, message):
    monkeypatch.setattr(FakeBackbone, "declaration", given)
    with pytest.raises(DataError, match=rf"backbone '.*' failed .*{message}"):
        backbone_declaration(FakeBackbone())
