"""What predictions and traces were made from, and what is said where things do not fit: an encoder and the preset or
the parameter file of another one, a toy encoder and real videos, a trace and the predictions of something else."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..cache.inner_stores import backbone_name
from ..cache.joined import JoinedStore, open_stores, unfinished
from ..cache.reading.json_file import parse_json
from ..cache.reading.schema import checked
from ..cache.store import Store
from ..core.decoders.base import Decoder
from ..core.errors import DataError
from ..core.params.options import OptionSet
from ..core.pooling import POOL
from ..core.toy import TOY, foreign_video
from .files.params_file import params_of_values, read_params_file
from .files.predictions import MadeFromForm

_AGAIN = "write the trace again"

_log = logging.getLogger("avreplay")


def made_from(store: Store, scores: str | None = None) -> dict[str, Any]:
    """What the scores of a store, or of one of its score sets, were made from, as predictions and traces carry it:
    ``store`` (hash of its content; None for a store of version 1), ``backbone`` and ``scores``."""
    content = store.content_hash if store.schema_version > 1 else None
    return {"store": content, "backbone": backbone_name(store.config), "scores": scores}


def is_own(scores: str | None) -> bool:
    """Whether scores are a store's own, pooled or not, and not those of a score set."""
    return scores is None or scores.startswith(POOL)


def settings_digest(params: Mapping[str, Any]) -> str:
    """A hash of the options of a setting, by name."""
    return hashlib.sha256(json.dumps(dict(params), sort_keys=True).encode()).hexdigest()


def own_preset(decoder: Decoder[Any], backbone: str | None) -> str | None:
    """The first preset that is for the scores of an encoder; None where there is none."""
    return next((name for name, made in decoder.made_for.items() if backbone in made.backbones), None)


@dataclass(frozen=True)
class Chosen:
    """A decoder and its params for the scores of a store, and where they come from.

    preset : that they began with, the store's own where none was given
    tuned_on : the encoder of the search that wrote the parameter file
    own : the preset of the store's encoder
    bare : no preset, no parameter file and no option was given
    asked : options that were given by themselves or in a parameter file
    """

    decoder: Decoder[Any]
    params: OptionSet
    preset: str | None
    tuned_on: str | None
    own: str | None
    store: Store
    scores: str | None
    bare: bool
    asked: frozenset[str]

    @property
    def encoder(self) -> str | None:
        """The encoder of the scores; None where they are imported or those of a trained model."""
        return backbone_name(self.store.config) if is_own(self.scores) else None

    def say_misfits(self, kind: str, *, searched: bool = False) -> None:
        """Say what the settings were not made for, given the kind of the scores; searched : they begin a search."""
        for said in self._misfits(kind, searched):
            _log.warning(said)

    def say_defaults(self) -> None:
        """Say that every option has its default, where nothing says whose scores these are."""
        if self.bare and self.encoder is None and self.decoder.made_for:
            _log.warning(
                "no --preset was given, and nothing says which encoder the scores of %s are of: every option keeps its "
                "default, which was chosen for other scores; find settings with `avreplay tune`",
                self.store.url,
            )

    def _misfits(self, kind: str, searched: bool) -> Iterator[str]:
        of, url, backbone = self.decoder, self.store.url, backbone_name(self.store.config)
        find = "the search only begins there" if searched else "find settings with `avreplay tune`"
        mend = f"choose --preset {self.own}" if self.own else find
        made = of.made_for.get(self.preset or "")
        if made is not None and made.kind != kind:
            fitting = [name for name, other in of.made_for.items() if other.kind == kind]
            other = mend if self.own or not fitting else f"choose one of {', '.join(fitting)}"
            yield f"the preset {self.preset} is for scores of kind {made.kind}, and those of {url} are {kind}; {other}"
        elif made is not None and made.score_set and is_own(self.scores):
            yield (
                f"the preset {self.preset} is for a score set of `avreplay finetune`, and the scores of {url} are its "
                f"encoder's own; give --scores NAME, or {mend}"
            )
        elif is_own(self.scores) and made is not None and made.backbones:
            if backbone not in (None, *made.backbones):
                yield (
                    f"the preset {self.preset} is for scores of {' or '.join(made.backbones)}, and {url} is of "
                    f"{backbone}, for which its figures mean little; {mend}"
                )
        elif is_own(self.scores) and backbone and of.made_for and not (self.preset or self.tuned_on or self.own):
            yield (
                f"{of.name} has no preset for {backbone}, the encoder of {url}: what is not given keeps its default, "
                f"which was chosen for other scores; {find}"
            )
        if is_own(self.scores) and "audio_scores" not in self.asked and _repeats_a_mean(self.params, self.store.config):
            yield (
                f"every audio event of {url} spans its whole video: audio_scores=clip, the default and what the "
                "authors' code does, repeats the score of the clip, here made of its segments; "
                "--set audio_scores=segment takes each segment's own"
            )
        if self.tuned_on is not None and backbone not in (None, self.tuned_on):
            yield (
                f"the parameter file was tuned on scores of {self.tuned_on}, and {url} is of {backbone}; tune on this "
                "store as well"
            )


def settings_for(
    store: Store | str | os.PathLike[str] | Sequence[str],
    decoder: str | None,
    preset: str | None,
    profile: str | None,
    file: str | os.PathLike[str] | None,
    settings: Sequence[str],
    scores: str | None = None,
) -> Chosen:
    """A decoder and its params for a store, layered as by :func:`.files.params_file.decoder_params`.

    Without a preset and a file the preset is that of the store's encoder, where the decoder has one; it is said which.

    Raises: as ``decoder_params`` and :func:`open_stores` do.
    """
    values = read_params_file(file) if file is not None else {}
    found, params = params_of_values(values, file, decoder, preset, profile, settings)
    opened = store if isinstance(store, Store) else open_stores(store)
    if not isinstance(opened, JoinedStore) and opened.kind != "scores" and opened.committed:
        for line in unfinished([opened]):  # of several it is said when they are opened
            _log.warning(line)
    own = own_preset(found, backbone_name(opened.config)) if is_own(scores) else None
    chosen = preset or values.get("preset")
    if chosen is None and file is None and own is not None:
        chosen = own
        found, params = params_of_values(values, file, decoder, own, profile, settings)
        _log.warning("no --preset was given: it is %s, that of the encoder of %s", own, opened.url)
    return Chosen(
        found,
        params,
        chosen,
        values.get("tuned_on"),
        own,
        opened,
        scores,
        chosen is None and file is None and not settings,
        frozenset((*values, *(one.partition("=")[0].strip() for one in settings))),
    )


def _repeats_a_mean(params: OptionSet, config: Mapping[str, Any]) -> bool:
    """Whether every segment gets the audio score of a clip that no encoder has heard, but an import has pooled."""
    imported = config.get("imported")
    audio = imported.get("audio") if isinstance(imported, Mapping) else None
    pooled = isinstance(audio, Mapping) and "clip" in audio and audio["clip"] is None
    return pooled and getattr(params, "audio_scores", None) == "clip"


def made_from_text(found: NDArray[Any] | None, where: str) -> dict[str, Any] | None:
    """What a trace carries, from its array; None where it has none. Raises: DataError for anything else than that."""
    if found is None:
        return None
    if found.shape != () or found.dtype.kind != "U":
        raise DataError(f"made_from in {where} is no text; write the trace again")
    read = checked(parse_json(str(found), f"made_from in {where}"), MadeFromForm, f"made_from in {where}", _AGAIN)
    return dict(msgspec.to_builtins(read))


def stored_text(found: Mapping[str, Any] | None) -> dict[str, NDArray[Any]]:
    """What :func:`made_from_text` reads, as the array of a trace by its name; nothing of None."""
    return {} if found is None else {"made_from": np.array(json.dumps(found))}


def toy_note(found: Mapping[str, Any] | None, ids: Sequence[str]) -> str | None:
    """What must be said of figures of the toy encoder on other videos than those that it was made for."""
    if found is None or found.get("backbone") != TOY or foreign_video(ids) is None:
        return None
    return (
        "these predictions are of the demo encoder, a toy that knows the twelve classes of generated videos alone: its "
        "figures on other videos mean nothing; extract with a real encoder (`avreplay backbones`)"
    )


def refuse_other(what: str, trace: Mapping[str, Any] | None, run: Mapping[str, Any] | None) -> None:
    """Refuse a trace that was made from other scores or under other settings than the predictions beside it; say so
    where one of them carries nothing.

    what : the trace, in messages, with its run

    Raises: DataError naming both sides.
    """
    if trace is None or run is None:
        side = "the trace does not say what it was" if trace is None else "the predictions do not say what they were"
        _log.warning("%s: %s made from, so that only videos, segments and labels were compared", what, side)
        return
    names = {"store": "content hash of the store", "scores": "score set", "settings": "hash of the settings"}
    for key, name in names.items():
        if trace.get(key) != run.get(key):
            raise DataError(
                f"{what} and its predictions are not of one `replay`: the {name} is {_short(trace.get(key))} there and "
                f"{_short(run.get(key))} here; write both with one `replay`"
            )


def _short(value: Any) -> str:
    return "none" if value is None else str(value)[:16]
