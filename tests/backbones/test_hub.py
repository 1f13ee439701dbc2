"""Weights from the hub, played by a server on loopback: ids, what is fetched, and what fails in one sentence."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("huggingface_hub")

from avreplay.core.errors import AvreplayError, DataError, UsageError
from avreplay.extract.backbones.weights.cards import licence_of
from avreplay.extract.backbones.weights.choice import OF_OPEN_CLIP, OF_TRANSFORMERS
from avreplay.extract.backbones.weights.found import Weights, find_weights
from avreplay.extract.backbones.weights.url import fetch_url
from backbones.hub_server import COMMIT, Hub, loopback_only, own_hub
from huggingface_hub import constants

LAION = [
    "630k-audioset-best.pt", "630k-audioset-fusion-best.pt", "630k-best.pt", "630k-fusion-best.pt",
    "music_audioset_epoch_15_esc_90.14.pt", "music_speech_audioset_epoch_15_esc_89.98.pt",
    "music_speech_epoch_15_esc_89.25.pt",
]  # fmt: skip
"""The files of weights of lukewys/laion_clap."""

CARD = b"---\nlicense: cc0-1.0\ntags:\n- audio\n---\n# A card\nlicense: mit\n"


no_sockets, empty_hub = loopback_only, own_hub


@pytest.fixture
def hub(empty_hub: Hub) -> Hub:
    """The hub, with two repositories of several files of weights."""
    empty_hub.repositories["laion/CLIP-ViT-B-32-laion2B-s34B-b79K"] = {
        "README.md": CARD, "config.json": b"{}", "open_clip_config.json": b"[]", "vocab.json": b"[1]",
        "open_clip_model.safetensors": b"open clip", "model.safetensors": b"transformers",
        "pytorch_model.bin": b"old", "open_clip_pytorch_model.bin": b"old too",
    }  # fmt: skip
    empty_hub.repositories["lukewys/laion_clap"] = {"README.md": CARD, **{name: name.encode() for name in LAION}}
    return empty_hub


def refused(given: str, **options: Any) -> str:
    """The one sentence with which weights are refused; it takes no time."""
    began = time.perf_counter()
    with pytest.raises(AvreplayError) as raised:
        find_weights(given, download=True, **options)
    assert time.perf_counter() - began < 20
    text = str(raised.value)
    assert "\n" not in text
    assert "allow the download" not in text
    return text


def names(weights: Weights) -> list[str]:
    return [path.name for path in weights.files]


@pytest.mark.parametrize("prefer", [OF_OPEN_CLIP, OF_TRANSFORMERS])
def test_of_several_files_the_packages_own_is_fetched_alone(hub: Hub, prefer: tuple[str, ...]) -> None:
    repository = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
    found = find_weights(repository, download=True, prefer=prefer)
    assert names(found) == [prefer[0]]
    assert found.files[0].read_bytes() == hub.repositories[repository][prefer[0]]
    assert set(hub.fetched(repository)) == {
        prefer[0], "README.md", "config.json", "open_clip_config.json", "vocab.json",
    }  # fmt: skip
    assert (found.name, found.given, found.repository) == (repository, repository, repository)
    assert found.config(None) == {}
    assert licence_of(found, "unknown") == "CC0-1.0"
    before = len(hub.asked)
    assert find_weights(repository, prefer=prefer) == found
    assert len(hub.asked) == before, "what is in the cache needs no network"


def test_several_files_are_listed_before_anything_is_fetched_and_one_can_be_named(hub: Hub) -> None:
    told = refused("lukewys/laion_clap", option="clap_weights")
    assert all(name in told for name in LAION)
    assert "clap_weights=lukewys/laion_clap:630k-audioset-best.pt" in told
    assert hub.fetched("lukewys/laion_clap") == []
    for form in ("lukewys/laion_clap:{}", "lukewys/laion_clap@v1:{}", f"lukewys/laion_clap@{COMMIT}:{{}}"):
        found = find_weights(form.format(LAION[4]), download=True)
        assert found.files[0].read_bytes() == LAION[4].encode()
        assert found.given == form.format(LAION[4])
    assert {name for name in hub.fetched("lukewys/laion_clap") if name.endswith(".pt")} == {LAION[4]}
    assert licence_of(found, "unknown") == "CC0-1.0"
    told = refused("lukewys/laion_clap:other.pt")
    assert "has no file other.pt; its files of weights are 630k-audioset-best.pt" in told
    told = refused("lukewys/laion_clap:README.md")
    assert "README.md in the repository lukewys/laion_clap is no file of weights" in told


def test_files_in_folders_and_in_parts(hub: Hub) -> None:
    index = {"weight_map": {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}}
    parts = {"model-1-of-2.safetensors": b"1", "model-2-of-2.safetensors": b"2"}
    hub.repositories["owner/parts"] = {"model.safetensors.index.json": json.dumps(index).encode(), **parts}
    assert names(find_weights("owner/parts", download=True)) == sorted(parts)
    assert names(find_weights("owner/parts")) == sorted(parts)
    hub.repositories["owner/less"] = dict(list(hub.repositories["owner/parts"].items())[:2])
    assert "lacks model-2-of-2.safetensors" in refused("owner/less")
    hub.repositories["owner/folders"] = {"a/model.pt": b"a", "b/model.pt": b"b", "b/config.json": b'{"b": 1}'}
    assert "weights in folders (a/model.pt, b/model.pt)" in refused("owner/folders")
    found = find_weights("owner/folders:b/model.pt", download=True)
    assert found.files[0].read_bytes() == b"b"
    hub.repositories["owner/training"] = {"model.pt": b"m", "optimizer.pt": b"o", "rng_state_0.pth": b"r"}
    assert names(find_weights("owner/training", download=True)) == ["model.pt"]
    hub.repositories["owner/none"] = {"README.md": b""}
    assert "has no weights" in refused("owner/none")


def test_a_renamed_repository_is_followed(hub: Hub) -> None:
    hub.repositories["new/name"] = {"model.safetensors": b"moved", "config.json": b"{}"}
    hub.moved["old/name"] = "new/name"
    assert find_weights("old/name", download=True).files[0].read_bytes() == b"moved"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "has no repository owner/x that it shows here (status 401); check the name, or log in"),
        (404, "has no repository owner/x that it shows here (status 404)"),
        (403, "is gated; accept its terms there and log in with `hf auth login`"),
        (429, "takes no more requests for now (status 429); run the same command later"),
        (500, "fails (status 500); run the same command later, or name a mirror with HF_ENDPOINT"),
        (503, "fails (status 503)"),
        (418, "refuses it (status 418)"),
    ],
)  # fmt: skip
def test_what_the_hub_refuses_is_one_sentence(hub: Hub, status: int, words: str) -> None:
    hub.statuses["owner/x"] = status
    told = refused("owner/x", option="clap_weights")
    assert words in told
    assert told.startswith("clap_weights owner/x")
    assert hub.url in told


def test_a_revision_that_is_not_there(hub: Hub) -> None:
    told = refused("lukewys/laion_clap@v2:630k-best.pt")
    assert "has no revision 'v2'; name a branch, tag or commit" in told
    with pytest.raises(UsageError, match=r"laion_clap@v2 are not on this machine; allow the download"):
        find_weights("lukewys/laion_clap@v2")


@pytest.mark.timeout(120)
def test_a_connection_that_breaks_in_the_middle(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)  # the client waits between its tries
    hub.repositories["owner/large"] = {"config.json": b"{}", "model.safetensors": bytes(1 << 16)}
    hub.dropped.add("owner/large/model.safetensors")
    told = refused("owner/large")
    assert "weights owner/large:model.safetensors cannot be downloaded whole" in told
    assert "run the same command again" in told
    with pytest.raises(UsageError, match="not on this machine"):
        find_weights("owner/large")
    hub.dropped.clear()
    assert find_weights("owner/large", download=True).files[0].stat().st_size == 1 << 16


def test_a_disk_that_is_too_small(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
    hub.claimed[f"{repository}/model.safetensors"] = 10**15
    find_weights(repository, download=True, prefer=OF_OPEN_CLIP)  # it does not take that file
    told = refused(repository, prefer=OF_TRANSFORMERS)
    assert "would take 1000000.00 GB" in told
    assert "HF_HOME" in told
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1))
    assert "has 0.00 MB left; free some" in refused("lukewys/laion_clap:630k-best.pt")
    assert not any(name.endswith(".pt") for name in hub.fetched("lukewys/laion_clap"))


def test_no_server_at_all_is_told_quickly_and_the_cache_is_used(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_weights("lukewys/laion_clap:630k-best.pt", download=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    began = time.perf_counter()
    told = refused("owner/x")
    assert time.perf_counter() - began < 5
    assert "cannot be reached" in told
    assert "HTTPS_PROXY" in told
    assert "give their folder" in told
    assert find_weights("lukewys/laion_clap:630k-best.pt", download=True) == found


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_variables_that_forbid_the_network_win(hub: Hub, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(UsageError, match=f"{variable} is set and forbids the download that download=true allows"):
        find_weights("lukewys/laion_clap:630k-best.pt", download=True)
    assert hub.asked == []


def test_what_is_no_id(hub: Hub) -> None:
    for given, words in (
        ("a/b/c/d", "no hub id"),
        ("owner/x@", "no hub id"),
        ("owner/x:", "no hub id"),
        ("./nowhere.pt", "check the path"),
        ("weights/clip.pt", "no file here, and no id of a repository; check the path"),
        ("owner/a..b--c", "is no id of a repository"),
    ):
        with pytest.raises((UsageError, DataError), match=words):
            find_weights(given, download=True)
    assert hub.asked == []


def test_any_exception_of_a_library_is_one_sentence(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    import http.client
    import ssl
    import urllib.error

    class Foreign(Exception):
        """Of a library that is not known here."""

    for error in (
        Foreign("proxy\nhtml"), ssl.SSLError("certificate verify failed"), TimeoutError(), OSError("x"),
        ConnectionResetError(104, "reset"), urllib.error.URLError("no route"), http.client.IncompleteRead(b"x"),
        RuntimeError("client closed"),
    ):  # fmt: skip
        for place in ("huggingface_hub.HfApi.model_info", "huggingface_hub.hf_hub_download"):

            def fail(*args: Any, error: Exception = error, **options: Any) -> None:
                raise error

            with monkeypatch.context() as patched:
                patched.setattr(place, fail)
                told = refused("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", prefer=OF_OPEN_CLIP)
            assert "cannot be downloaded" in told
    for number, words in ((28, "no space is left"), (13, "cannot be written"), (122, "no space is left")):

        def full(*args: Any, number: int = number, **options: Any) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr("huggingface_hub.hf_hub_download", full)
        assert words in refused("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", prefer=OF_OPEN_CLIP)


def test_a_mirror_and_the_place_of_the_cache_follow_the_environment(hub: Hub, tmp_path: Path) -> None:
    """As the variables are read when the hub's client is imported, in a process of its own."""
    script = (
        "import sys; from avreplay.extract.backbones.weights.found import find_weights; "
        "print(find_weights('lukewys/laion_clap:630k-best.pt', download=True).files[0])"
    )
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGINGFACE"))}
    given = {**clean, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "NO_PROXY": "127.0.0.1"}
    made = subprocess.run([sys.executable, "-c", script], env=given, capture_output=True, text=True, timeout=120)
    assert made.returncode == 0, made.stderr
    path = Path(made.stdout.strip())
    assert path.is_relative_to(tmp_path / "home" / "hub")
    assert path.read_bytes() == b"630k-best.pt"
    assert hub.fetched("lukewys/laion_clap")


def test_one_file_from_its_address_comes_whole_or_not_at_all(hub: Hub, tmp_path: Path) -> None:
    hub.repositories["owner/x"] = {"a.txt": b"x" * 1000}
    url, path = f"{hub.url}/owner/x/resolve/main/a.txt", tmp_path / "kept" / "a.txt"
    hub.dropped.add("owner/x/a.txt")
    with pytest.raises(DataError, match=r"the file cannot be downloaded whole: the connection to http://127.* broke"):
        fetch_url(url, path, "the file")
    hub.dropped.clear()
    with pytest.raises(DataError, match="other bytes than they should"):
        fetch_url(url, path, "the file", sha256="00")
    with pytest.raises(DataError, match=r"refuses it \(status 404\)"):
        fetch_url(f"{hub.url}/owner/x/resolve/main/b.txt", path, "the file")
    assert list(path.parent.iterdir()) == []
    fetch_url(url, path, "the file")
    assert path.read_bytes() == b"x" * 1000
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]
