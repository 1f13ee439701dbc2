"""What the packages' own loaders, processors and tokenizers make of pictures, films, sounds and texts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from avreplay.extract.backbones._packages import import_models
from backbones.reference import loaders
from numpy.typing import NDArray
from PIL import Image

PE_AV_PROCESSOR = {"video_processor": {"size": {"height": 336, "width": 336}, "resample": 2,
                                       "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}}  # fmt: skip


def picture_files(pictures: Sequence[NDArray[np.uint8]], folder: Path) -> list[str]:
    """The pictures as files, without loss."""
    paths = [str(folder / f"{k}.png") for k in range(len(pictures))]
    for path, picture in zip(paths, pictures, strict=True):
        Image.fromarray(picture).save(path)
    return paths


def sound_files(sounds: Sequence[NDArray[np.float32]], folder: Path) -> list[str]:
    """The sounds at 16 kHz as files, without loss."""
    paths = [str(folder / f"{k}.wav") for k in range(len(sounds))]
    for path, sound in zip(paths, sounds, strict=True):
        soundfile.write(path, sound, 16000, subtype="FLOAT")
    return paths


@contextmanager
def languagebind_processor(sense: str, backbone: Any) -> Iterator[Any]:
    """The package's processor of a tower, without its random mirroring."""
    config = backbone._towers[sense].config
    with loaders("languagebind", f"{sense}.processing_{sense}") as (module,):
        made = getattr(module, f"LanguageBind{sense.capitalize()}Processor")(config)
        if sense == "video":
            mirror = made.transform.transforms.pop()  # the package mirrors half of the videos at random
            assert type(mirror).__name__ == "RandomHorizontalFlipVideo"
        yield made


def languagebind_tokens(texts: Sequence[str], folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask by the package's tokenizer, with the files of CLIP's as they lie in every checkpoint."""
    from open_clip.tokenizer import SimpleTokenizer

    simple = SimpleTokenizer()
    rename = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {rename.get(token, token): k for token, k in simple.encoder.items()}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    merges = [" ".join(pair) for pair, _ in sorted(simple.bpe_ranks.items(), key=lambda item: item[1])]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]))
    (package,) = import_models("languagebind", ["image.tokenization_image"])
    tokenizer = package.LanguageBindImageTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    made = tokenizer(list(texts), max_length=77, padding="max_length", truncation=True, return_tensors="pt")
    return made["input_ids"], made["attention_mask"]


def imagebind_pictures(pictures: Sequence[NDArray[np.uint8]], folder: Path) -> torch.Tensor:
    """[n, 3, 224, 224] of the package's loader."""
    paths = picture_files(pictures, folder)
    with loaders("imagebind", "data") as (data,):
        return data.load_and_transform_vision_data(paths, "cpu")


def imagebind_sounds(sounds: Sequence[NDArray[np.float32]], folder: Path) -> list[torch.Tensor]:
    """[1, 3, 1, 128, 204] of each sound at 16 kHz by the package's loader, which takes 2 s and longer."""
    paths = sound_files(sounds, folder)
    with loaders("imagebind", "data") as (data,):
        return [data.load_and_transform_audio_data([path], "cpu") for path in paths]


def imagebind_texts(texts: Sequence[str]) -> torch.Tensor:
    """[n, 77] of the package's tokenizer."""
    with loaders("imagebind", "data") as (data,):
        return data.load_and_transform_text(list(texts), "cpu")


def pe_av_pictures(frames: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
    """[n, 3, 336, 336] of the package's processor."""
    from transformers import PeVideoVideoProcessor

    settings = PE_AV_PROCESSOR["video_processor"]
    made = PeVideoVideoProcessor(**settings, do_resize=True, do_rescale=True, do_normalize=True, do_convert_rgb=True)
    videos = [torch.from_numpy(frame).permute(2, 0, 1)[None] for frame in frames]
    return made(videos, return_tensors="pt")["pixel_values_videos"][:, 0]


def pe_av_sound(sound: NDArray[np.float32]) -> tuple[torch.Tensor, torch.Tensor]:
    """Values and padding mask of a sound at 48 kHz, each for one item, by the package's feature extractor."""
    from transformers import PeAudioFeatureExtractor

    heard = PeAudioFeatureExtractor()(sound, sampling_rate=48000, return_tensors="pt")
    return heard["input_values"], heard["padding_mask"]
