"""The packages' own data loaders, for comparison, where their packages cannot be imported whole.

`make backbones` puts torchaudio and pytorchvideo in a folder of their own: their compiled parts do not load beside the
CPU build of torch, but the Python modules that compute (Kaldi's filter bank, resizing, sampling of clips) do. What the
loaders import and the tests do not run (reading media with FFmpeg, OpenCV) is an empty stand-in.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import soundfile
import torch

FOLDER = Path(sys.prefix) / "reference"

_BARE = ("torchaudio", "torchaudio.compliance", "pytorchvideo", "pytorchvideo.data", "pytorchvideo.transforms")


@contextmanager
def loaders(package: str, *modules: str) -> Iterator[list[Any]]:
    """Submodules of ``imagebind`` or ``languagebind`` that load media, without the package's ``__init__``."""
    before = dict(sys.modules)
    try:
        for name in _BARE:
            _bare(name, FOLDER.joinpath(*name.split(".")))
        spec = find_spec(package)
        assert spec is not None
        assert spec.submodule_search_locations
        _bare(package, Path(spec.submodule_search_locations[0]))
        audio = sys.modules["torchaudio"]
        audio.compliance = sys.modules["torchaudio.compliance"]  # type: ignore[attr-defined]
        audio.compliance.kaldi = import_module("torchaudio.compliance.kaldi")
        audio.load = _load_sound  # type: ignore[attr-defined]
        video = sys.modules["pytorchvideo.transforms"]
        video.functional = import_module("pytorchvideo.transforms.functional")  # type: ignore[attr-defined]
        sys.modules["pytorchvideo"].transforms = video  # type: ignore[attr-defined]
        made = import_module("pytorchvideo.transforms.transforms")
        for name in ("ShortSideScale", "UniformTemporalSubsample", "ApplyTransformToKey"):
            setattr(video, name, getattr(made, name))
        _stand_in("pytorchvideo.data.encoded_video", EncodedVideo=None)
        _stand_in("cv2")
        if find_spec("pkg_resources") is None:
            _stand_in("pkg_resources", resource_filename=lambda p, f: str(Path(sys.modules[p].__path__[0]) / f))
        yield [import_module(f"{package}.{module}") for module in modules]
    finally:
        for name in [name for name in sys.modules if name not in before]:
            if name.split(".")[0] in {package, "torchaudio", "pytorchvideo", "cv2", "pkg_resources"}:
                del sys.modules[name]
        sys.modules.update(before)


def _bare(name: str, folder: Path) -> None:
    module = types.ModuleType(name)
    module.__path__ = [str(folder)]
    sys.modules[name] = module


def _stand_in(name: str, **attributes: Any) -> None:
    module = types.ModuleType(name)
    vars(module).update(attributes)
    sys.modules[name] = module


def _load_sound(path: str) -> tuple[torch.Tensor, int]:
    """torchaudio.load needs FFmpeg's libraries; the tests only read wav files."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return torch.from_numpy(samples.T.copy()), rate


@contextmanager
def laion_features(monkeypatch: Any) -> Iterator[Any]:
    """The module of laion_clap that prepares sounds; its tokenizers, fetched from the hub at import, stay away."""
    import transformers

    before = dict(sys.modules)
    for name in ("BertTokenizer", "RobertaTokenizer", "BartTokenizer"):
        monkeypatch.setattr(getattr(transformers, name), "from_pretrained", lambda *_: None)
    try:
        place = FOLDER / "laion_clap"
        for name, folder in (("laion_clap", place), ("laion_clap.training", place / "training"),
                             ("clap_module", place / "clap_module")):  # fmt: skip
            _bare(name, folder)
        sys.modules["clap_module"].tokenize = None  # type: ignore[attr-defined]
        for name in ("braceexpand", "pandas", "webdataset", "wget", "torchaudio"):
            _stand_in(name, __getattr__=lambda attribute: type(attribute, (), {}))
        yield import_module("laion_clap.training.data")
    finally:
        for name in [name for name in sys.modules if name not in before]:
            if name.split(".")[0] in {"laion_clap", "clap_module", "braceexpand", "pandas", "webdataset", "wget"}:
                del sys.modules[name]
        sys.modules.pop("torchaudio", None)
        sys.modules.update(before)
