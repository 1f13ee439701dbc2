"""Backbones by name: what is known of each before it is imported, and how one is made.

A name is one of :data:`BUILT_IN`, one that an installed distribution declares as an entry point of the group
``avreplay.backbones``, one given to :func:`register_backbone`, or ``package.module:Class``. This module imports only
the standard library: the command line reads names from it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ...core.errors import AvreplayError, DataError, UsageError
from ...core.installation import install_command
from ...core.registry import Registry, add_working_folder, import_object
from ._versions import trouble_of

if TYPE_CHECKING:
    from .base import Backbone


@dataclass(frozen=True)
class BackboneFacts:
    """What is known of a backbone without making one.

    Attributes
    ----------
    path : ``module:Class``
    about : one line
    dims : widths of the audio and visual embeddings with the default weights
    licence : of the default weights
    needs : the packages it imports
    extra : the extra of this package that installs them, empty for a plug-in
    install : the command that installs what it needs; empty if it needs nothing
    alone : a package of which the models are used and not what it asks for; installed after the extra, on its own
    sample_rate : of the sound it wants, in Hz, with the default weights; None: unknown before it is made
    window_frames : frames of a window with the default weights; None likewise
    frame_rate : rows of sound a second beside that of a segment, with the default weights; 0: none
    audio_visual : width of its embeddings of sound and pictures together; 0: it has none
    """

    path: str
    about: str = ""
    dims: str = ""
    licence: str = ""
    needs: tuple[str, ...] = ()
    extra: str = ""
    install: str = ""
    alone: str = ""
    sample_rate: int | None = None
    window_frames: int | None = None
    frame_rate: float = 0.0
    audio_visual: int = 0

    @property
    def missing(self) -> list[str]:
        """The packages it needs that are not installed."""
        return [name for name in self.needs if find_spec(name) is None]


def _own(module: str, extra: str = "", alone: str = "", **facts: Any) -> BackboneFacts:
    install = f"avreplay install {extra}" if alone else install_command(extra) if extra else ""
    return BackboneFacts(f"{__package__}.{module}", extra=extra, install=install, alone=alone, **facts)


BUILT_IN: dict[str, BackboneFacts] = {
    "demo": _own(
        "demo:DemoBackbone",
        about="small encoder that ships with the package, for generated videos",
        dims="audio 48, visual 48",
        licence="Apache-2.0",
        sample_rate=16000,
        window_frames=8,
    ),
    "clip_clap": _own(
        "clip_clap:ClipClapBackbone",
        extra="clip-clap",
        about="CLIP (any open_clip model) for pictures, CLAP for sounds",
        dims="audio 512, visual 512",
        licence="CLIP MIT, CLAP Apache-2.0",
        needs=("torch", "open_clip", "transformers"),
        sample_rate=48000,
        window_frames=8,
    ),
    "pe_core": _own(
        "pe_core:PeCoreBackbone",
        extra="clip-clap",
        about="Perception Encoder (PE-Core, any size) for pictures, CLAP for sounds",
        dims="audio 512, visual 1024",
        licence="pictures Apache-2.0, CLAP Apache-2.0",
        needs=("torch", "open_clip", "transformers", "timm"),
        sample_rate=48000,
        window_frames=8,
    ),
    "siglip2": _own(
        "siglip2:SigLip2Backbone",
        extra="clip-clap",
        about="SigLIP 2 (any size) for pictures, with its own probabilities; CLAP for sounds",
        dims="audio 512, visual 1152",
        licence="pictures Apache-2.0, CLAP Apache-2.0",
        needs=("torch", "open_clip", "transformers", "timm"),
        sample_rate=48000,
        window_frames=8,
    ),
    "mobileclip2": _own(
        "mobileclip2:MobileClip2Backbone",
        extra="clip-clap",
        about="MobileCLIP2 (any size) for pictures, CLAP for sounds",
        dims="audio 512, visual 768",
        licence="pictures Apple-AMLR (research only), CLAP Apache-2.0",
        needs=("torch", "open_clip", "transformers", "timm"),
        sample_rate=48000,
        window_frames=8,
    ),
    "languagebind": _own(
        "languagebind:LanguageBindBackbone",
        extra="languagebind",
        about="LanguageBind: images for segments, 8-frame videos for windows; transformers 4",
        dims="audio 768, visual 768",
        licence="MIT",
        needs=("torch", "languagebind", "transformers", "peft", "open_clip"),
        sample_rate=16000,
        window_frames=8,
    ),
    "imagebind": _own(
        "imagebind:ImageBindBackbone",
        extra="imagebind",
        # it asks for decord, which has no wheels for ARM, and for torchaudio, beside which transformers
        # cannot be imported where it does not fit torch. Its models need neither
        alone="imagebind-unofficial==0.1.1",
        about="ImageBind-Huge, as in OV-AVEL",
        dims="audio 1024, visual 1024",
        licence="CC-BY-NC-SA-4.0",
        needs=("torch", "imagebind", "open_clip", "timm", "einops", "iopath"),
        sample_rate=16000,
        window_frames=8,
    ),
    "pe_av": _own(
        "pe_av:PeAvBackbone",
        extra="pe-av",
        about="Perception Encoder Audio-Visual, 16-frame windows; transformers 5",
        dims="audio 1024, visual 1024",
        licence="Apache-2.0",
        needs=("torch", "transformers", "timm"),
        sample_rate=48000,
        window_frames=16,
    ),
    "pe_av_joint": _own(
        "pe_av_joint:PeAvJointBackbone",
        extra="pe-av",
        about="PE-AV with its tower for sound and pictures together (av_scores=given); transformers 5",
        dims="audio 1024, visual 1024, audio-visual 1024",
        licence="Apache-2.0",
        needs=("torch", "transformers", "timm"),
        sample_rate=48000,
        window_frames=16,
        audio_visual=1024,
    ),
    "pe_a_frame": _own(
        "pe_a_frame:PeAFrameBackbone",
        extra="pe-av",
        about="PE-A-Frame for sounds, scored every 40 ms (--pool), with PE-AV for pictures; transformers 5",
        dims="audio 1024, visual 1024",
        licence="Apache-2.0",
        needs=("torch", "transformers", "timm"),
        sample_rate=48000,
        window_frames=16,
        frame_rate=25.0,
    ),
}
"""The backbones of this package."""


def _checked(item: object) -> type[Backbone]:
    from .base import Backbone

    if not isinstance(item, type) or not issubclass(item, Backbone):
        raise TypeError("it is not a subclass of avreplay.Backbone")
    if inspect.isabstract(item):
        raise TypeError(f"it does not define {', '.join(sorted(item.__abstractmethods__))}")
    return item


backbone_registry: Registry[type[Backbone]] = Registry(
    "backbone", "avreplay.backbones", {name: facts.path for name, facts in BUILT_IN.items()}, _checked
)


def register_backbone(backbone: type[Backbone], name: str | None = None, *, replace: bool = False) -> type[Backbone]:
    """Make a class known by name in this process, for a script or a notebook; usable as a decorator.

    Parameters
    ----------
    backbone : a subclass of `Backbone`
    name : by default the class's own ``name``
    replace : allow a name that is taken

    Raises
    ------
    UsageError
        no subclass of `Backbone`, or a name that is taken
    """
    return backbone_registry.register(backbone, str(name or getattr(backbone, "name", "")), replace=replace)


def backbone_class(name: str) -> type[Backbone]:
    """The class of a backbone: of a name, or of ``package.module:Class``.

    Raises
    ------
    UsageError
        an unknown name (the nearest one is named), an extra that is not installed, a plug-in that is broken
    """
    with _needing(name, BUILT_IN[name].install if name in BUILT_IN else ""):
        return backbone_registry.get(name)


def backbone_facts(name: str) -> BackboneFacts:
    """What is known of a backbone: of one of :data:`BUILT_IN` without importing it, of another from its class.

    Raises: UsageError as :func:`backbone_class`.
    """
    if backbone_registry.is_own(name):
        return BUILT_IN[name]
    found = backbone_class(name)
    spec = getattr(found, "spec", None)  # where it is an attribute of the class
    return BackboneFacts(
        path=f"{found.__module__}:{found.__qualname__}",
        about=found.about or next(iter((found.__doc__ or "").strip().splitlines()), ""),
        dims=found.dims or (f"audio {spec.audio_dim}, visual {spec.visual_dim}" if spec else ""),
        licence=found.licence or (spec.licence if spec else ""),
        needs=tuple(found.needs),
        install=found.install,
        sample_rate=spec.sample_rate if spec else None,
        window_frames=spec.window_frames if spec else None,
        frame_rate=spec.frame_rate if spec else 0.0,
        audio_visual=spec.audio_visual_dim if spec else 0,
    )


def load_backbone(name: str, **options: Any) -> Backbone:
    """Make a backbone by name, or by ``package.module:Class``.

    Raises
    ------
    UsageError
        an unknown name (the nearest one is named), an option it does not take, an extra that is not installed, a
        plug-in that is broken
    """
    return _made(name, backbone_class(name), options)


def as_backbone(backbone: Backbone | type[Backbone] | str) -> Backbone:
    """A backbone as it is, or made of its class or name without options. Raises: UsageError as `load_backbone`."""
    from .base import Backbone

    if isinstance(backbone, Backbone):
        return _complete(backbone)
    if isinstance(backbone, str):
        return load_backbone(backbone)
    try:
        return _made(getattr(backbone, "__name__", ""), _checked(backbone), {})
    except TypeError as error:
        raise UsageError(f"{backbone!r} cannot be used as a backbone: {error}") from error


def reload_backbone(
    declared: Mapping[str, Any],
    class_path: str | None = None,
    *,
    backbone: Backbone | type[Backbone] | str | None = None,
    **options: Any,
) -> Backbone:
    """Make the backbone that a store declares (see `backbone_declaration`).

    Parameters
    ----------
    declared : the entry ``backbone`` of the store's configuration
    class_path : ``module:Class`` that the store remembers for a class that is not of this package
    backbone : what to take instead of the declared name: a backbone, its class, its name or ``package.module:Class``
    options : add to the declared ones

    Raises
    ------
    DataError
        the store names no backbone, or the one made here declares something else (say, other weights)
    UsageError
        as `load_backbone`
    """
    from .base import Backbone, backbone_declaration

    name = declared.get("name")
    if not isinstance(name, str):
        raise DataError("the store declares no backbone, so its labels cannot be encoded here")
    if isinstance(backbone, Backbone):
        found = backbone
    else:
        if isinstance(backbone, str):
            factory = backbone_class(backbone)
        else:
            factory = _stored_class(name, class_path) if backbone is None else _checked(backbone)
        found = _made(name, factory, {**declared.get("options", {}), **options})
    here = backbone_declaration(found)
    # what the hub says of a licence may change, and changes no embedding
    keys = {*declared, *here} - {"licence"}
    changed = [key for key in sorted(keys) if declared.get(key) != here.get(key)]
    if changed:
        key = changed[0]
        raise DataError(
            f"the store was made with another {name!r} backbone: {key} was {declared.get(key)!r} "
            f"and is {here.get(key)!r} here; install the version that made the store, or extract again"
        )
    return found


def class_path(backbone: type[Backbone]) -> str | None:
    """``module:Class``, from which another process imports the class; None for one of this package, and for one that
    cannot be imported: of a function, of a notebook or of the script that runs."""
    if f"{backbone.__module__}:{backbone.__qualname__}" in {facts.path for facts in BUILT_IN.values()}:
        return None
    path = f"{backbone.__module__}:{backbone.__qualname__}"
    if backbone.__module__ == "__main__" or "<" in path:
        return None
    try:
        return path if import_object(path) is backbone else None
    except Exception:  # whatever its module raises, it cannot be imported so
        return None


def _stored_class(name: str, path: str | None) -> type[Backbone]:
    """The class of a store: the one it remembers, else that of the name."""
    if path is None:
        try:
            return backbone_class(name)
        except UsageError as error:
            if name in backbone_registry:
                raise
            raise UsageError(
                f"the store was made with the backbone {name!r}, which is not registered here; "
                "name its class with --backbone package.module:Class"
            ) from error
    add_working_folder()
    try:
        return _checked(import_object(path))
    except Exception as error:  # a module that the store names, not the user: whatever it raises
        if name in backbone_registry:
            return backbone_class(name)
        raise UsageError(
            f"the store was made with the backbone {name!r} of {path}, which cannot be imported here "
            f"({type(error).__name__}: {error}); name its class with --backbone package.module:Class"
        ) from error


def _made(name: str, factory: type[Backbone], options: Mapping[str, Any]) -> Backbone:
    parameters = [p for p in inspect.signature(factory).parameters.values() if p.name != "self"]
    taken = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        for option in options:
            if option not in taken:
                offer = f"it takes {', '.join(taken)}" if taken else "it takes none"
                raise UsageError(f"backbone {name!r} has no option {option!r}; {offer}")
    own = factory.__module__.startswith(f"{__package__}.")
    with _needing(name, BUILT_IN[name].install if own and name in BUILT_IN else factory.install):
        try:
            return _complete(factory(**options))
        except (AvreplayError, ImportError):
            raise
        except Exception as error:
            if own:
                raise
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise UsageError(f"the backbone {name!r} cannot be made ({reason}); see its options") from error


def _complete(backbone: Backbone) -> Backbone:
    """The backbone. Raises: UsageError where it lacks what a store declares of it."""
    from .base import BackboneSpec

    for attribute, kind in (("name", str), ("spec", BackboneSpec)):
        if not isinstance(getattr(backbone, attribute, None), kind):
            raise UsageError(
                f"the backbone {type(backbone).__name__} has no {attribute}; give the class, or the object it makes, "
                f"an attribute {attribute} that is a {kind.__name__}"
            )
    return backbone


@contextmanager
def _needing(name: str, install: str) -> Iterator[None]:
    """Says what to install where a package is missing, or where two do not fit together."""
    try:
        yield
    except AvreplayError:
        raise
    except Exception as error:
        if told := trouble_of(error):
            raise UsageError(f"backbone {name!r} cannot be used: {told}") from error
        if not isinstance(error, ImportError):
            raise
        if (error.name or "").startswith(__package__.partition(".")[0]):
            raise
        missing = error.name or "a package"
        how = f": {install}" if install else "; install it"
        raise UsageError(f"backbone {name!r} needs {missing}, which is not installed{how}") from error
