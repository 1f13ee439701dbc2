"""A small checkpoint for every encoder of the package, random values in the published form: what loads it is what loads
the real one. For tests, and for ``benchmarks/weights_check.py --small``."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from avreplay.extract.backbones._packages import import_models
from avreplay.extract.backbones.registry import backbone_facts
from avreplay.extract.backbones.weights.fill import randomise
from backbones.pe_models import SMALL_SOUND
from gpu.models import SMALL, TINY_CLIP
from safetensors.torch import save_file

Options = dict[str, Any]

MAJOR = {"languagebind": "4.", "pe_av": "5.", "pe_av_joint": "5.", "pe_a_frame": "5."}
"""Of transformers, where an encoder needs one."""


def encoders_here() -> list[str]:
    """What this environment can make; the two environments of ``make backbones`` together can make all."""
    version = import_module("transformers").__version__
    return [name for name in MADE if not backbone_facts(name).missing and version.startswith(MAJOR.get(name, ""))]


def small_checkpoint(name: str, folder: Path) -> Options:
    """Write one for an encoder; returns the options of `load_backbone` that choose it.

    Raises: KeyError for an encoder without one here: write it where a new encoder is added.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return MADE[name](folder)


def _clip_clap(folder: Path) -> Options:
    import open_clip

    (folder / "architecture").mkdir()
    (folder / "architecture" / "small-clip.json").write_text(json.dumps(TINY_CLIP))
    open_clip.add_model_config(folder / "architecture")
    model = open_clip.create_model("small-clip", pretrained=None)
    randomise(model, 1)
    _save(model, folder / "clip" / "open_clip_model.safetensors")
    described = {"model_cfg": TINY_CLIP, "preprocess_cfg": {}}
    (folder / "clip" / "open_clip_config.json").write_text(json.dumps(described))
    return {"clip_model": "small-clip", "clip_weights": str(folder / "clip"), **_clap(folder)}


def _clap(folder: Path) -> Options:
    from transformers import ClapConfig, ClapModel

    model = ClapModel(ClapConfig.from_dict(SMALL["clip_clap"]["clap_config"]))
    randomise(model, 2)
    model.save_pretrained(folder / "clap")
    save_byte_tokenizer(folder / "clap")
    return {"clap_weights": str(folder / "clap")}


def _image_model(family: str) -> Callable[[Path], Options]:
    def make(folder: Path) -> Options:
        from backbones.tiny_image_models import known_to_open_clip, save_checkpoint
        from transformers import AutoTokenizer

        save_byte_tokenizer(folder / "bytes")
        tokenizer = AutoTokenizer.from_pretrained(folder / "bytes")
        (folder / "architectures").mkdir()
        names = known_to_open_clip(folder / "architectures")
        save_checkpoint(family, folder / "image", tokenizer=tokenizer if family == "siglip2" else None)
        return {"model": names[family], "weights": str(folder / "image"), **_clap(folder)}

    return make


def _languagebind(folder: Path) -> Options:
    options: Options = {}
    for seed, sense in enumerate(("image", "video", "audio")):
        config = SMALL["languagebind"][f"{sense}_config"]
        modeling, configuration = import_models(
            "languagebind", [f"{sense}.modeling_{sense}", f"{sense}.configuration_{sense}"]
        )
        settings = getattr(configuration, f"LanguageBind{sense.capitalize()}Config")(**config)
        for part in (settings, settings.vision_config, settings.text_config):
            part._attn_implementation = "eager"
        model = getattr(modeling, f"LanguageBind{sense.capitalize()}")(settings)
        randomise(model, seed)
        place = folder / sense
        place.mkdir()
        torch.save(model.state_dict(), place / "pytorch_model.bin")
        (place / "config.json").write_text(json.dumps(config))
        options[f"{sense}_weights"] = str(place)
    return options


def _imagebind(folder: Path) -> Options:
    from avreplay.extract.backbones.imagebind import HUGE

    config = SMALL["imagebind"]["config"]
    (package,) = import_models("imagebind", ["models.imagebind_model"])
    model = package.ImageBindModel(**{**HUGE, **config})
    randomise(model, 4)
    torch.save(model.state_dict(), folder / "imagebind_huge.pth")
    (folder / "architecture.json").write_text(json.dumps(config))
    return {"weights": str(folder / "imagebind_huge.pth"), "config": str(folder / "architecture.json")}


def _pe_av(folder: Path) -> Options:
    from transformers import PeAudioVideoConfig, PeAudioVideoModel

    config = deepcopy(SMALL["pe_av"]["config"])
    vision = config["audio_video_config"]["video_config"]["vision_config"]["model_args"]
    vision |= {"img_size": 112, "ref_feat_shape": [7, 7]}
    model = PeAudioVideoModel(PeAudioVideoConfig.from_dict(config))
    randomise(model, 3)
    model.save_pretrained(folder)
    size = {"size": {"height": 112, "width": 112}, "resample": 2}
    (folder / "processor_config.json").write_text(json.dumps({"video_processor": size}))
    save_byte_tokenizer(folder)
    return {"weights": str(folder)}


def _pe_a_frame(folder: Path) -> Options:
    from transformers import PeAudioConfig, PeAudioFrameLevelModel

    model = PeAudioFrameLevelModel(PeAudioConfig.from_dict(SMALL_SOUND))
    randomise(model, 5)
    with torch.no_grad():
        model.text_audio_logit_scale.fill_(12.5)
        model.text_audio_logit_bias.fill_(-4)
    for name in ("sounds", "pictures"):
        (folder / name).mkdir()
    model.save_pretrained(folder / "sounds")
    save_byte_tokenizer(folder / "sounds")
    return {"weights": str(folder / "sounds"), "video_weights": _pe_av(folder / "pictures")["weights"]}


def _save(model: torch.nn.Module, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, path)


def save_byte_tokenizer(folder: Path) -> None:
    """A tokenizer of single bytes in the files of a checkpoint."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: k for k, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)


MADE: dict[str, Callable[[Path], Options]] = {
    "demo": lambda folder: {},
    "clip_clap": _clip_clap,
    "pe_core": _image_model("pe_core"),
    "siglip2": _image_model("siglip2"),
    "mobileclip2": _image_model("mobileclip2"),
    "languagebind": _languagebind,
    "imagebind": _imagebind,
    "pe_av": _pe_av,
    "pe_av_joint": _pe_av,
    "pe_a_frame": _pe_a_frame,
}
