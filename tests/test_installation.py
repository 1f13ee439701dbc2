"""What to type to install more: from a clone, a folder, a wheel, a repository, an index; and `avreplay install`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from avreplay.cli import main
from avreplay.core import installation
from avreplay.core.errors import UsageError
from avreplay.core.installation import install_command, requirements_of
from avreplay.core.requirement import Requirement, allows, requirement
from avreplay.extract.backbones import installing
from avreplay.extract.backbones.installing import install, install_lines
from avreplay.extract.command_options import InstallRequest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[1]
PROJECT = '[project]\nname = "avreplay"\n'


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of other packages among which this one is, in place of the clone."""
    site = tmp_path / "site-packages"
    (site / "avreplay").mkdir(parents=True)
    caches = (installation.clone, installation._origin, installation.own_requirements)
    for cached in caches:
        cached.cache_clear()
    monkeypatch.setattr(installation, "FOLDER", site / "avreplay")
    yield site
    for cached in caches:
        cached.cache_clear()


def installed_from(site: Path, said: object) -> None:
    place = site / "avreplay-0.1.0.dist-info"
    place.mkdir()
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: avreplay\nVersion: 0.1.0\n")
    if said is not None:
        (place / "direct_url.json").write_text(said if isinstance(said, str) else json.dumps(said))


def test_from_a_clone() -> None:
    assert install_command("tune") == f'pip install -e "{ROOT}[tune]"'
    assert install_command() == f"pip install -e {ROOT}"


@pytest.mark.parametrize("folder", ["plain", "with space", "$HOME", 'quo"te', "a&b;c", "é"])
def test_from_a_folder_that_is_still_there(elsewhere: Path, tmp_path: Path, folder: str) -> None:
    import shlex

    (tmp_path / folder).mkdir()
    (tmp_path / folder / "pyproject.toml").write_text(PROJECT)
    installed_from(elsewhere, {"url": (tmp_path / folder).as_uri(), "dir_info": {}})
    assert shlex.split(install_command("tune")) == ["pip", "install", f"{tmp_path / folder}[tune]"]


@pytest.mark.parametrize(
    ("said", "want"),
    [
        (None, "avreplay[tune]"),
        ("not json", "avreplay[tune]"),
        ("[]", "avreplay[tune]"),
        ({"url": 5}, "avreplay[tune]"),
        ({"url": "file:///nowhere/at/all", "dir_info": {}}, "avreplay[tune]"),
        ({"url": "https://example.org/a.whl", "archive_info": {}}, "avreplay[tune] @ https://example.org/a.whl"),
        (
            {"url": "https://example.org/a.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "avreplay[tune] @ git+https://example.org/a.git@abc",
        ),
    ],
)
def test_from_elsewhere(elsewhere: Path, said: object, want: str) -> None:
    installed_from(elsewhere, said)
    assert install_command("tune") == f'pip install "{want}"'


def test_from_a_wheel_that_is_still_there(elsewhere: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "avreplay-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"")
    installed_from(elsewhere, {"url": wheel.as_uri(), "archive_info": {}})
    assert install_command("tune") == f'pip install "avreplay[tune] @ {wheel.as_uri()}"'
    wheel.unlink()
    installation._origin.cache_clear()
    assert install_command("tune") == 'pip install "avreplay[tune]"'


# --- avreplay install ----------------------------------------------------------------------------------------------


def test_lines() -> None:
    assert install_lines(["tune"]) == [["-e", f"{ROOT}[tune]"]]
    assert install_lines(["pe_av", "tune", "pe-av"]) == [["-e", f"{ROOT}[pe-av,tune]"]]
    first, second = install_lines(["imagebind"])
    assert first == ["-e", f"{ROOT}[imagebind]"]
    assert second[0] == "--no-deps"
    assert second[1].startswith("imagebind-unofficial==")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Missing argument 'WHAT...'"),
        (["pe_v"], "there is no backbone and no extra 'pe_v'; did you mean 'pe_av'?"),
        (["demo"], "the backbone 'demo' needs nothing more"),
        (["tune", ""], "there is no backbone and no extra ''"),
        (["tune; rm x"], "there is no backbone and no extra"),
        (["-r", "x"], "No such option"),
    ],
)
def test_mistakes(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(main, ["install", *arguments])
    assert done.exit_code == 2
    assert words in done.stderr


def test_dry_run_only_prints() -> None:
    done = CliRunner().invoke(main, ["install", "imagebind", "--dry-run", "--json"])
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert not found["run"]
    assert [line.partition(" install ")[2].split()[0] for line in found["commands"]] == ["-e", "--no-deps"]


@pytest.mark.process
def test_each_line_is_run_up_to_one_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    record = f"import sys; open({str(log)!r}, 'a').write(' '.join(sys.argv[1:]) + chr(10)); print('from pip')"
    monkeypatch.setattr(installing, "_installer", lambda: [sys.executable, "-c", record])
    told: list[str] = []
    done = install(InstallRequest(("imagebind",)), told.append)
    assert log.read_text().splitlines() == [" ".join(line) for line in install_lines(["imagebind"])]
    assert tuple(told) == done.lines
    log.unlink()
    monkeypatch.setattr(installing, "_installer", lambda: [sys.executable, "-c", record + "; sys.exit(4)"])
    ran = CliRunner().invoke(main, ["install", "imagebind"])
    assert ran.exit_code == 1
    assert "failed with exit code 4; its last lines say why" in ran.stderr
    assert ran.stdout == ""
    assert len(log.read_text().splitlines()) == 1


def test_without_pip_uv_installs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing, "find_spec", lambda name: None)
    monkeypatch.setattr(installing.shutil, "which", lambda name: "/bin/uv")
    assert installing._installer() == ["/bin/uv", "pip", "install", "--python", sys.executable]
    monkeypatch.setattr(installing.shutil, "which", lambda name: None)
    with pytest.raises(UsageError, match="-m ensurepip` first"):
        installing._installer()


# --- requirements --------------------------------------------------------------------------------------------------


def test_lines_of_metadata() -> None:
    assert requirement("numpy (>=1.26,<3)") == Requirement("numpy", versions=">=1.26,<3")
    assert requirement('Open_CLIP.t >= 3.0 ; extra == "clip"') == Requirement("open-clip-t", (), ">=3.0", "clip")
    assert requirement("avreplay[tune, hdf5]; extra == 'x'") == Requirement("avreplay", ("tune", "hdf5"), "", "x")
    assert requirement("a>1; python_version < '3.12' and extra == 'x'").conditional
    assert not requirement("a>1; extra == 'x'").conditional
    assert requirement("a @ https://example.org/a.whl") is None


@pytest.mark.parametrize(
    ("versions", "inside", "outside"),
    [
        (">=1.26", ["1.26", "1.26.0", "2.0", "1.100", "1.26.0+cpu"], ["1.25.9", "1.3", "1.26rc1"]),
        (">=3.1,<4", ["3.1.6", "3.99"], ["4.0", "4", "4.0.0rc1", "3.0"]),
        ("==2.13.0", ["2.13", "2.13.0+cpu"], ["2.13.1", "2.13.0rc1"]),
        ("==1.*", ["1.0", "1.9.9"], ["2.0", "0.9"]),
        ("~=1.4.2", ["1.4.2", "1.4.9"], ["1.5", "1.4.1", "2.4.2"]),
        ("!=1.5", ["1.4"], ["1.5", "1.5.0"]),
        ("!=1.5.*", ["1.6"], ["1.5.3"]),
        (">1,<=2", ["1.1", "2"], ["1.0", "2.0.1"]),
        ("", ["0", "99"], []),
        ("nonsense", ["1"], []),
        (">=1", ["odd"], []),
    ],
)
def test_versions(versions: str, inside: list[str], outside: list[str]) -> None:
    assert [v for v in inside if not allows(versions, v)] == []
    assert [v for v in outside if allows(versions, v)] == []


@given(st.lists(st.integers(0, 30), min_size=1, max_size=4), st.lists(st.integers(0, 30), min_size=1, max_size=4))
def test_versions_are_ordered_as_numbers(a: list[int], b: list[int]) -> None:
    one, other = ".".join(map(str, a)), ".".join(map(str, b))
    padded = [numbers + [0] * (4 - len(numbers)) for numbers in (a, b)]
    assert allows(f">={other}", one) == (padded[0] >= padded[1])
    assert allows(f"<{other}", one) == (padded[0] < padded[1])
    assert allows(f"=={other}", one) == (padded[0] == padded[1])


def test_what_this_package_asks_for() -> None:
    assert {r.name for r in requirements_of()} >= {"numpy", "numba", "zarr", "av"}
    assert {r.name for r in requirements_of("tune")} == {"optuna", "scipy", "pyarrow"}
    assert {r.name for r in requirements_of("laion_clap")} >= {"laion-clap", "transformers", "torch"}


def test_from_metadata_where_there_is_no_clone(elsewhere: Path) -> None:
    """The installed distribution of the tests says the same as the clone's pyproject.toml."""
    assert {r.name for r in requirements_of()} >= {"numpy", "numba", "zarr", "av"}
    assert {r.name for r in requirements_of("probe")} == {"scikit-learn"}
