"""Published weights of this package's backbones: what to write for them, how large they are, and their licences.

Parameters are counted from the architectures, towers that are not used and texts' included; those of LanguageBind and
PE-A-Frame are rounded, PE-A-Frame's as its cards say them. Nothing is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Checkpoint:
    """Published weights of a backbone, or of one of its models.

    Attributes
    ----------
    options : that choose it
    parameters : their number
    licence : of the weights
    """

    options: Mapping[str, str]
    parameters: int
    licence: str

    @property
    def bytes(self) -> int:
        """In memory, in float32."""
        return 4 * self.parameters

    def as_dict(self) -> dict[str, Any]:
        """What there is to know, as JSON values."""
        return {
            "options": dict(self.options),
            "parameters": self.parameters,
            "bytes": self.bytes,
            "licence": self.licence,
        }


def checkpoint_text(c: Mapping[str, Any]) -> str:
    """One line of what `Checkpoint.as_dict` gives."""
    said = " ".join(f"{key}={value}" for key, value in c["options"].items())
    size = f"{_counted(c['parameters'])} parameters, {c['bytes'] / 1e9:.1f} GB in float32"
    return f"{said}: {size}; {c['licence']}"


def _counted(parameters: int) -> str:
    return f"{parameters / 1e6:.0f} M" if parameters < 1e9 else f"{parameters / 1e9:.2f} G"


def _tagged(tag: str, licence: str, sizes: Mapping[str, int], prefix: str = "") -> tuple[Checkpoint, ...]:
    """Models of open_clip under one tag."""
    model, weights = f"{prefix}model", f"{prefix}weights"
    return tuple(Checkpoint({model: name, weights: tag}, count, licence) for name, count in sizes.items())


CLAP = Checkpoint({"clap_weights": "laion/clap-htsat-unfused"}, 153_492_890, "Apache-2.0")

CHECKPOINTS: dict[str, tuple[Checkpoint, ...]] = {
    "clip_clap": (
        *_tagged(
            "openai",
            "MIT",
            {
                "ViT-B-32-quickgelu": 151_277_313,
                "ViT-B-16-quickgelu": 149_620_737,
                "ViT-L-14-quickgelu": 427_616_513,
                "ViT-L-14-336-quickgelu": 427_944_193,
            },
            "clip_",
        ),
        CLAP,
    ),
    "pe_core": (
        *_tagged(
            "meta",
            "Apache-2.0",
            {
                "PE-Core-L-14-336": 671_138_817,
                "PE-Core-T-16-384": 69_546_113,
                "PE-Core-S-16-384": 87_188_225,
                "PE-Core-B-16": 447_660_545,
                "PE-Core-bigG-14-448": 2_419_267_841,
            },
        ),
        CLAP,
    ),
    "siglip2": (
        *_tagged(
            "webli",
            "Apache-2.0",
            {
                "ViT-SO400M-16-SigLIP2-384": 1_136_039_602,
                "ViT-B-32-SigLIP2-256": 376_856_066,
                "ViT-B-16-SigLIP2": 375_187_970,
                "ViT-B-16-SigLIP2-256": 375_234_050,
                "ViT-B-16-SigLIP2-384": 375_479_810,
                "ViT-B-16-SigLIP2-512": 375_823_874,
                "ViT-L-16-SigLIP2-256": 881_526_786,
                "ViT-L-16-SigLIP2-384": 881_854_466,
                "ViT-L-16-SigLIP2-512": 882_313_218,
                "ViT-SO400M-14-SigLIP2": 1_135_463_602,
                "ViT-SO400M-14-SigLIP2-378": 1_136_008_498,
                "ViT-SO400M-16-SigLIP2-256": 1_135_670_962,
                "ViT-SO400M-16-SigLIP2-512": 1_136_555_698,
                "ViT-gopt-16-SigLIP2-256": 1_871_393_906,
                "ViT-gopt-16-SigLIP2-384": 1_871_885_426,
            },
        ),
        CLAP,
    ),
    "mobileclip2": (
        *_tagged(
            "dfndr2b",
            "Apple-AMLR (research only)",
            {
                "MobileCLIP2-S4": 445_435_137,
                "MobileCLIP2-S0": 74_835_073,
                "MobileCLIP2-S2": 99_243_329,
                "MobileCLIP2-B": 149_777_153,
                "MobileCLIP2-S3": 248_885_953,
                "MobileCLIP2-L-14": 427_617_281,
            },
        ),
        CLAP,
    ),
    "languagebind": (
        Checkpoint({"image_weights": "LanguageBind/LanguageBind_Image"}, 427_600_000, "MIT"),
        Checkpoint({"video_weights": "LanguageBind/LanguageBind_Video_FT"}, 528_600_000, "MIT"),
        Checkpoint({"audio_weights": "LanguageBind/LanguageBind_Audio_FT"}, 428_000_000, "MIT"),
    ),
    "imagebind": (Checkpoint({"weights": "imagebind_huge.pth"}, 1_200_800_000, "CC-BY-NC-SA-4.0"),),
    "pe_av": (Checkpoint({"weights": "facebook/pe-av-large-16-frame"}, 1_458_747_854, "Apache-2.0"),),
    "pe_av_joint": (Checkpoint({"weights": "facebook/pe-av-large-16-frame"}, 1_458_747_854, "Apache-2.0"),),
    "pe_a_frame": (
        Checkpoint({"weights": "facebook/pe-a-frame-large"}, 1_400_000_000, "Apache-2.0"),
        Checkpoint({"weights": "facebook/pe-a-frame-base"}, 560_000_000, "Apache-2.0"),
        Checkpoint({"weights": "facebook/pe-a-frame-small"}, 450_000_000, "Apache-2.0"),
        Checkpoint({"video_weights": "facebook/pe-av-large-16-frame"}, 1_458_747_854, "Apache-2.0"),
    ),
}
"""By backbone, the default first."""
