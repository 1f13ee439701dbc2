"""What is asked of packages in a process of its own (``cache/doctor/imports.py``): each function returns JSON,
or raises what is wrong."""

from __future__ import annotations

from typing import Any

DECODERS = ("h264", "hevc", "vp9", "av1", "mpeg4", "aac", "mp3", "opus", "vorbis", "flac")
"""Decoders of what videos of today are made of."""


def torch_facts() -> dict[str, Any]:
    """The build of torch, and the GPUs that it sees."""
    import torch

    cuda = torch.cuda.is_available()
    mps = getattr(torch.backends, "mps", None)
    return {
        "version": str(torch.__version__),
        "cuda_build": torch.version.cuda,
        "rocm_build": getattr(torch.version, "hip", None),
        "cuda": cuda,
        "mps": bool(mps is not None and mps.is_available()),
        "architectures": list(torch.cuda.get_arch_list()) if cuda else [],
        "gpus": [_gpu(torch.cuda.get_device_properties(k)) for k in range(torch.cuda.device_count())] if cuda else [],
    }


def _gpu(found: Any) -> dict[str, Any]:
    return {"name": found.name, "memory": int(found.total_memory), "capability": [found.major, found.minor]}


def av_facts() -> dict[str, Any]:
    """PyAV, the FFmpeg in it, and which decoders that lacks."""
    import av
    from av.codec import Codec

    lacking = []
    for name in DECODERS:
        try:
            Codec(name, "r")
        except Exception:  # PyAV raises one of its own for a codec that it does not know
            lacking.append(name)
    libraries = {name: ".".join(map(str, numbers)) for name, numbers in av.library_versions.items()}
    return {"version": av.__version__, "libavcodec": libraries.get("libavcodec"), "lacking": lacking}


def torchcodec_facts() -> dict[str, Any]:
    """torchcodec and the FFmpeg that it loads, tried on a generated file."""
    from ..media.torchcodec import torchcodec_declaration

    return torchcodec_declaration("cpu")


def nvdec_facts() -> dict[str, Any]:
    """The same on a GPU; nothing where torch sees none."""
    import torch

    from ..media.torchcodec import torchcodec_declaration

    return torchcodec_declaration("cuda") if torch.cuda.is_available() else {}


def clip_clap() -> dict[str, Any]:
    """What the backbone ``clip_clap`` imports."""
    import open_clip  # noqa: F401
    from transformers import AutoTokenizer, ClapModel  # noqa: F401

    return {}


def pe_core() -> dict[str, Any]:
    """What the backbone ``pe_core`` imports, and whether its architecture is there."""
    return _image_and_clap("PE-Core-L-14-336")


def siglip2() -> dict[str, Any]:
    """The same of ``siglip2``."""
    return _image_and_clap("ViT-SO400M-16-SigLIP2-384")


def mobileclip2() -> dict[str, Any]:
    """The same of ``mobileclip2``."""
    return _image_and_clap("MobileCLIP2-S4")


def _image_and_clap(model: str) -> dict[str, Any]:
    import open_clip

    if model not in open_clip.list_models():
        raise ImportError(f"open_clip {open_clip.__version__} has no {model}; a newer one has")
    return clip_clap()


def laion_clap() -> dict[str, Any]:
    """The models of laion_clap."""
    from transformers import RobertaModel  # noqa: F401

    from ..backbones._packages import import_models

    import_models("laion_clap", ["clap_module.model"], bare=["clap_module"])
    return {}


def languagebind() -> dict[str, Any]:
    """What the backbone ``languagebind`` imports."""
    import open_clip  # noqa: F401

    from ..backbones._packages import import_models

    import_models("languagebind", [f"{sense}.modeling_{sense}" for sense in ("image", "video", "audio")])
    return {}


def imagebind() -> dict[str, Any]:
    """What the backbone ``imagebind`` imports."""
    import open_clip  # noqa: F401

    from ..backbones._packages import import_models

    import_models("imagebind", ["models.imagebind_model"])
    return {}


def pe_av() -> dict[str, Any]:
    """What the backbone ``pe_av`` imports."""
    from transformers import AutoTokenizer, PeAudioModel, PeVideoModel  # noqa: F401

    return {}


def pe_av_joint() -> dict[str, Any]:
    """What the backbone ``pe_av_joint`` imports."""
    from transformers import PeAudioVideoModel  # noqa: F401

    return pe_av()


def pe_a_frame() -> dict[str, Any]:
    """What the backbone ``pe_a_frame`` imports."""
    from transformers import PeAudioFrameLevelModel  # noqa: F401

    return pe_av()
