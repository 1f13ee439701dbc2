"""Checkpoints in their published forms, small: what is chosen, what is read beside it, and what is refused and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest

torch = pytest.importorskip("torch")

from avreplay.core.errors import AvreplayError, UsageError  # noqa: E402
from avreplay.extract.backbones.base import Backbone  # noqa: E402
from avreplay.extract.backbones.registry import load_backbone  # noqa: E402
from avreplay.extract.backbones.weights.fill import fill  # noqa: E402
from avreplay.extract.backbones.weights.found import Weights  # noqa: E402
from backbones.conftest import TINY_CLIP  # noqa: E402
from backbones.contract import LABELS, error  # noqa: E402
from backbones.hub_server import Hub, loopback_only, own_hub  # noqa: E402
from backbones.published import open_clip_folder, openai_archive, transformers_folder  # noqa: E402
from backbones.small_checkpoints import save_byte_tokenizer  # noqa: E402
from backbones.test_clip_clap import TINY_CLAP, reference_clap, rows  # noqa: E402
from PIL import Image  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from transformers import ClapConfig  # noqa: E402

no_sockets, hub = loopback_only, own_hub

MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.25, 0.3]


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Two architectures that differ in the activation only, as open_clip has them."""
    folder = tmp_path_factory.mktemp("twins")
    for name, quick in (("twin", False), ("twin-quickgelu", True)):
        (folder / f"{name}.json").write_text(json.dumps({**TINY_CLIP, "quick_gelu": quick}))
    open_clip.add_model_config(folder)
    return "twin", "twin-quickgelu"


@pytest.fixture(scope="module")
def clap(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("clap") / "clap.json"
    path.write_text(json.dumps(TINY_CLAP))
    return str(path)


def made(model: str, seed: int = 1) -> Any:
    built = open_clip.create_model(model, pretrained=None)
    fill(built, Weights("", None, seed=seed))
    return built.eval()


def clip(clap: str, model: str, weights: Any, **options: Any) -> Backbone:
    given = {"clap_weights": "random:2", "clap_config": clap, **options}
    return load_backbone("clip_clap", clip_model=model, clip_weights=str(weights), **given)


def refused(clap: str, model: str, weights: Any, **options: Any) -> str:
    with pytest.raises(AvreplayError) as raised:
        clip(clap, model, weights, **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@torch.no_grad()
def test_a_folder_as_open_clip_pushes_it(twins: tuple[str, str], clap: str, pictures: list, tmp_path: Path) -> None:
    """Of four files of weights its own are taken, with the activation and the preparation of its configuration."""
    exact, quick = twins
    for model, quick_gelu in ((exact, False), (quick, True)):
        config = {**TINY_CLIP, "quick_gelu": quick_gelu}
        folder = open_clip_folder(tmp_path / model, made(model), config, mean=MEAN, std=STD)
        theirs, prepare = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
        want = theirs.eval().encode_image(torch.stack([prepare(Image.fromarray(p)) for p in pictures])).numpy()
        ours = clip(clap, model, folder)
        assert error(ours.encode_images(pictures), want) <= 1e-4
        assert ours.declaration()["clip"]["picture"]["mean"] == MEAN
    told = refused(clap, quick, tmp_path / exact)
    assert "trained without QuickGELU and twin-quickgelu computes with it; choose clip_model=twin" in told
    told = refused(clap, exact, tmp_path / quick)
    assert "trained with QuickGELU and twin computes without it; choose clip_model=twin-quickgelu" in told


def test_a_file_that_does_not_say_its_activation(twins: tuple[str, str], clap: str, tmp_path: Path) -> None:
    exact, quick = twins
    save_file(made(exact).state_dict(), tmp_path / "mine.safetensors")
    for model in twins:
        told = refused(clap, model, tmp_path / "mine.safetensors")
        assert "clip_quick_gelu=true (OpenAI's, MetaCLIP's, DFN's) or clip_quick_gelu=false" in told
    assert "choose clip_model=twin" in refused(clap, quick, tmp_path / "mine.safetensors", clip_quick_gelu=False)
    clip(clap, quick, tmp_path / "mine.safetensors", clip_quick_gelu=True)
    loaded = clip(clap, exact, tmp_path / "mine.safetensors", clip_quick_gelu=False)
    assert "clip_quick_gelu" not in loaded.declaration()["options"], "it belongs to the file, which is not named either"


def test_the_activation_of_published_weights_is_known_by_their_name(clap: str, tmp_path: Path) -> None:
    """Names of open_clip's tags: OpenAI's file, and LAION's with the exact activation."""
    for name, other in (
        ("ViT-B-32.pt", "ViT-B-32"),
        ("vit_b_32-quickgelu-laion400m_e32-46683a32.pt", "ViT-B-32"),
        ("vit_b_16-laion400m_e32-55e67d44.pt", "ViT-B-16-quickgelu"),
    ):
        torch.save({"visual.conv1.weight": torch.zeros(1)}, tmp_path / name)
        with pytest.raises(UsageError, match=f"the weights {name} were trained with"):
            clip(clap, other, tmp_path / name)


def test_openais_own_file_is_a_program(twins: tuple[str, str], clap: str, tmp_path: Path) -> None:
    path = openai_archive(tmp_path / "ViT-B-32.pt", made("twin").state_dict())
    told = refused(clap, "twin-quickgelu", path)
    assert (
        "is a TorchScript archive, a program that is not run here; for OpenAI's CLIP use the tag: clip_weights=openai"
        in told
    )


@torch.no_grad()
@pytest.mark.parametrize("pickled", [True, False])
def test_clap_as_transformers_saved_it_years_ago(
    twins: tuple[str, str], clap: str, sounds: list, tmp_path: Path, pickled: bool
) -> None:
    model = reference_clap(TINY_CLAP, 2)
    model.save_pretrained(tmp_path / "new")
    save_byte_tokenizer(tmp_path / "new")
    positions = {"text_model.embeddings.position_ids": torch.arange(90)[None]}
    folder = transformers_folder(tmp_path / "old", tmp_path / "new", pickled=pickled, extra=positions)
    loaded = clip(clap, "twin", "random:1", clap_weights=str(folder), clap_config=None)
    same = clip(clap, "twin", "random:1")
    assert np.array_equal(loaded.encode_audio(sounds[:2]), same.encode_audio(sounds[:2]))
    (folder / "README.md").write_text("---\nlicense: other\nlicense_name: my-own\n---\n")
    again = clip(clap, "twin", "random:1", clap_weights=str(folder), clap_config=None)
    assert again.spec.licence.endswith("CLAP my-own")
    config = json.loads((folder / "config.json").read_text())
    config["audio_config"]["hidden_size"] = "wide"
    (folder / "config.json").write_text(json.dumps(config))
    told = refused(clap, "twin", "random:1", clap_weights=str(folder), clap_config=None)
    assert "no model can be made of the configuration of old" in told


@pytest.mark.parametrize("damage", ["half", "page", "empty", "other", "numbers"])
@pytest.mark.parametrize("name", ["a.safetensors", "a.pt", "a.bin"])
def test_truncated_and_foreign_files(twins: tuple[str, str], clap: str, tmp_path: Path, damage: str, name: str) -> None:
    path, state = tmp_path / name, made("twin").state_dict()
    if damage == "other":
        state = {"tok_embeddings.weight": torch.zeros(2, 2)}
    save = save_file if name.endswith("safetensors") else torch.save
    save(state, path)
    if damage != "other":
        data = path.read_bytes()
        changed = {"half": data[: len(data) // 2], "page": b"<html>403 Forbidden</html>" * 9, "empty": b""}
        path.write_bytes(changed.get(damage, bytes(range(256)) * 20))
    told = refused(clap, "twin", path, clip_quick_gelu=False)
    assert name in told
    assert "fetch it again" in told or "choose the architecture they were trained for" in told


def test_a_tag_is_fetched_from_the_hub_as_open_clip_would(
    hub: Hub, twins: tuple[str, str], clap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = open_clip_folder(tmp_path / "clip", made("twin"), TINY_CLIP)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    hub.repositories["timm/twin.made"] = {**files, "README.md": b"---\nlicense: mit\n---\n"}
    tag = {"hf_hub": "timm/twin.made/", "url": "", "mean": MEAN, "std": STD, "quick_gelu": False}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "twin", {"made": tag, "gone": {**tag, "hf_hub": "timm/no/"}})
    with pytest.raises(
        UsageError, match=r"clip_weights made timm/twin\.made are not on this machine; allow the download"
    ):
        clip(clap, "twin", "made")
    assert hub.asked == []
    loaded = clip(clap, "twin", "made", download=True)
    assert [name for name in hub.fetched("timm/twin.made") if "model" in name] == ["open_clip_model.safetensors"]
    declared = loaded.declaration()
    assert declared["clip"]["weights"] == "timm/twin.made:made"
    assert declared["clip"]["picture"]["mean"] == MEAN
    assert declared["options"]["clip_weights"] == "made"
    before = len(hub.asked)
    assert clip(clap, "twin", "made").declaration() == declared
    assert len(hub.asked) == before
    told = refused(clap, "twin", "gone", download=True)
    assert "has no repository timm/no" in told
    assert "allow the download" not in told


@torch.no_grad()
def test_clap_from_the_hub_with_its_tokenizer(hub: Hub, twins: tuple[str, str], clap: str, tmp_path: Path) -> None:
    reference_clap(TINY_CLAP, 2).save_pretrained(tmp_path / "clap")
    save_byte_tokenizer(tmp_path / "clap")
    files = {path.name: path.read_bytes() for path in (tmp_path / "clap").iterdir()}
    hub.repositories["owner/clap"] = {**files, "README.md": b"---\nlicense: cc-by-nc-4.0\n---\n", "optimizer.pt": b"x"}
    options = {"clap_weights": "owner/clap@v1", "clap_config": None}
    loaded = clip(clap, "twin", "random:1", **options, download=True)
    want = rows(reference_clap(TINY_CLAP, 2).get_text_features(**loaded._clap._tokenizer(list(LABELS))))
    assert error(loaded.encode_text(LABELS, "audio"), want) <= 1e-4
    assert loaded.spec.licence == "CLIP as its weights, CLAP CC-BY-NC-4.0"
    declared = loaded.declaration()
    assert declared["options"]["clap_weights"] == "owner/clap@v1"
    assert "optimizer.pt" not in hub.fetched("owner/clap")
    assert clip(clap, "twin", "random:1", **options).declaration() == declared


def test_a_device_that_is_too_small(twins: tuple[str, str], clap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    move = torch.nn.Module.to

    def no_room(self: Any, *args: Any, **options: Any) -> Any:
        if "dtype" in options:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB\nmore")
        return move(self, *args, **options)

    monkeypatch.setattr(torch.nn.Module, "to", no_room)
    told = refused(clap, "twin", "random:1")
    assert (
        "CLIP takes 0.0 GB as torch.float32 and does not fit on cpu; choose --precision fp16, a smaller model" in told
    )


def test_configurations_stay_as_they_were() -> None:
    """`ClapConfig` of both versions reads the old form."""
    assert ClapConfig.from_dict({**TINY_CLAP, "torch_dtype": "float32"}).projection_dim == TINY_CLAP["projection_dim"]
