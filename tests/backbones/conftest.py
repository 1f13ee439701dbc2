"""For tests of the real architectures: no network, small models, generated media and the real clips.

They run in environments of their own (``make backbones``), since LanguageBind needs transformers 4 and PE-AV
transformers 5.
"""

from __future__ import annotations

import json

import pytest
from backbones.material import films, pictures, real_clip, sounds
from backbones.shims import no_sockets

__all__ = ["films", "no_sockets", "pictures", "real_clip", "sounds"]

TINY_CLIP = {
    "embed_dim": 32,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 224, "layers": 2, "width": 64, "patch_size": 32, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a small CLIP that open_clip knows of."""
    import open_clip

    folder = tmp_path_factory.mktemp("clip")
    (folder / "tiny-clip.json").write_text(json.dumps(TINY_CLIP))
    open_clip.add_model_config(folder)
    return "tiny-clip"
