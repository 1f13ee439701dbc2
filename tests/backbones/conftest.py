"""For tests of the real architectures: no network, small models, generated media and the real clips.

They run in environments of their own (``make backbones``), since LanguageBind needs transformers 4 and PE-AV
transformers 5.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))  # for the small architectures

import pytest
from backbones.material import company, films, made, pictures, real_clip, sounds
from backbones.shims import no_sockets
from gpu.models import TINY_CLIP

__all__ = ["TINY_CLIP", "company", "films", "made", "no_sockets", "pictures", "real_clip", "sounds"]


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a small CLIP that open_clip knows of."""
    import open_clip

    folder = tmp_path_factory.mktemp("clip")
    (folder / "tiny-clip.json").write_text(json.dumps(TINY_CLIP))
    open_clip.add_model_config(folder)
    return "tiny-clip"
