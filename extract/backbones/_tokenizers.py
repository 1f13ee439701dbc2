"""Tokens of prompts: CLIP's byte pairs (shipped with open_clip), a checkpoint's own tokenizer, and bytes for random
weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from ...core.errors import DataError
from .weights.failures import reason
from .weights.found import Weights
from .weights.hub import HubId, no_network, side_files_from_hub

Tokenizer = Callable[[Sequence[str]], "dict[str, torch.Tensor]"]
"""Texts to ``input_ids`` and ``attention_mask``, both [n, tokens] int64."""


def clip_tokens(texts: Sequence[str], context: int = 77) -> torch.Tensor:
    """[n, context] int64 tokens of CLIP, filled with 0 after the end."""
    from open_clip.tokenizer import SimpleTokenizer

    found: torch.Tensor = SimpleTokenizer(context_length=context)(list(texts))
    return found


def tokenizer_of(
    weights: Weights,
    other: str | None = None,
    *,
    download: bool = False,
    longest: int | None = None,
    option: str = "the tokenizer",
) -> Tokenizer:
    """The tokenizer in the folder of the weights, or in an ``other`` folder or hub id; for random weights without
    another one the bytes of the text.

    ``option`` : of the backbone that names the other place, for messages.

    Raises
    ------
    UsageError
        the other place is no folder, and not on this machine
    DataError
        weights without a tokenizer beside them, a download that fails
    """
    if weights.random and other is None:
        return byte_tokens
    place = other or weights.folder
    if place is None:
        raise DataError(
            f"the weights {weights.name} have no tokenizer beside them; give the folder that holds both, "
            "as downloaded from the hub"
        )
    from transformers import AutoTokenizer

    id = HubId.parse(str(place))
    if id is not None and not Path(place).is_dir():
        place = side_files_from_hub(id, download, option)
    try:
        with no_network():
            found: Any = AutoTokenizer.from_pretrained(str(place), local_files_only=True)
    except Exception as error:
        raise DataError(
            f"the tokenizer {other or weights.name} cannot be read here ({reason(error)}); give the folder or "
            "repository that has it"
        ) from error

    def tokenize(texts: Sequence[str]) -> dict[str, torch.Tensor]:
        limit = {"truncation": True, "max_length": longest} if longest else {}
        made = found(list(texts), padding=True, return_tensors="pt", **limit)
        return {key: made[key] for key in ("input_ids", "attention_mask")}

    return tokenize


def byte_tokens(texts: Sequence[str]) -> dict[str, torch.Tensor]:
    """Tokens for weights that know no language: 0, each byte plus 4, 2; filled with 1. At most 77 a text."""
    rows = [[0, *(4 + byte for byte in text.encode()[:75]), 2] for text in texts]
    width = max(len(row) for row in rows)
    ids = torch.tensor([row + [1] * (width - len(row)) for row in rows])
    return {"input_ids": ids, "attention_mask": (ids != 1).long()}
