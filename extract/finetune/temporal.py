"""The layers that are trained: transformer blocks over the segments of a video, or a linear map a segment.

Parameters are named as in the released module (``a_sa_blocks.0.self_attn.q.weight``); those that it builds and never
uses do not exist here.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from ...core.errors import DataError
from .config import LayerConfig


class Attention(nn.Module):
    """Attention of every segment to all segments. The scale is that of the full width, whatever the heads."""

    def __init__(self, dim: int, config: LayerConfig) -> None:
        super().__init__()
        self.heads: int = config.heads
        self.window: int = config.window
        self.power_norm: bool = config.power_norm
        self.q: nn.Linear = nn.Linear(dim, config.hidden)
        self.k: nn.Linear = nn.Linear(dim, config.hidden)
        self.v: nn.Linear = nn.Linear(dim, config.hidden)
        self.o: nn.Linear = nn.Linear(config.hidden, dim)
        if self.window:
            self.alpha: nn.Parameter = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, source: Tensor, bias: Tensor | None, keys: Tensor | None) -> Tensor:
        """``x`` (B, T, D) asks, ``source`` (B, T, D) answers; ``bias`` (T, T) is added to the logits; ``keys`` (B, T)
        is False for segments that do not exist."""
        q, k, v = (self._split(f(y)) for f, y in ((self.q, x), (self.k, source), (self.v, source)))
        hidden = self.q.out_features
        logits = q @ k.transpose(-1, -2) / math.sqrt(hidden)
        if bias is not None:
            logits = logits + bias
        if keys is not None:
            logits = logits.masked_fill(~keys[:, None, None, :], -1e9)
        out = logits.softmax(-1) @ v
        if self.window:
            near = neighbours(x.shape[1], self.window, x.device)
            local = logits.masked_fill(~near, -1e9).softmax(-1) @ v
            share = torch.sigmoid(self.alpha)
            out = share * out + (1 - share) * local
        out = out.transpose(1, 2).reshape(*x.shape[:2], hidden)
        if self.power_norm:
            # segments that do not exist count for nothing over time; 1 before the root, whose slope at 0 is infinite
            absent = torch.zeros(1, 1, 1, dtype=torch.bool, device=x.device) if keys is None else ~keys[..., None]
            out = out.masked_fill(absent, 1.0)
            rooted = torch.sign(out) * torch.sqrt(torch.abs(out))
            out = nn.functional.normalize(rooted.masked_fill(absent, 0.0), dim=1)
        found: Tensor = self.o(out)
        return found

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


class FeedForward(nn.Module):
    """ReLU between two linear maps, dropout before the second."""

    def __init__(self, dim: int, config: LayerConfig) -> None:
        super().__init__()
        self.w_1: nn.Linear = nn.Linear(dim, config.feedforward)
        self.w_2: nn.Linear = nn.Linear(config.feedforward, dim)
        self.dropout: nn.Dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.w_2(self.dropout(torch.relu(self.w_1(x))))
        return found


class DistanceBias(nn.Module):
    """exp(-|w d^2 - b|) of the distance d of two segments."""

    def __init__(self) -> None:
        super().__init__()
        self.w: nn.Parameter = nn.Parameter(torch.full((1,), 0.6))
        self.b: nn.Parameter = nn.Parameter(torch.full((1,), 0.2))

    def forward(self, segments: int) -> Tensor:
        at = torch.arange(segments, device=self.w.device, dtype=self.w.dtype)
        squared = (at[:, None] - at[None, :]) ** 2
        return torch.exp(-torch.abs(self.w * squared - self.b))


class Block(nn.Module):
    """Post-norm transformer block without positions: LayerNorm(x + attention), LayerNorm(that + feed-forward)."""

    def __init__(self, dim: int, config: LayerConfig) -> None:
        super().__init__()
        self.self_attn: Attention = Attention(dim, config)
        self.ffn: FeedForward = FeedForward(dim, config)
        self.norm1: nn.LayerNorm = nn.LayerNorm(dim)
        self.norm2: nn.LayerNorm = nn.LayerNorm(dim)
        self.loc_adj: DistanceBias | None = DistanceBias() if config.distance_bias else None

    def forward(self, x: Tensor, source: Tensor, keys: Tensor | None) -> Tensor:
        bias = None if self.loc_adj is None else self.loc_adj(x.shape[1])
        x = self.norm1(x + self.self_attn(x, source, bias, keys))
        found: Tensor = self.norm2(x + self.ffn(x))
        return found


class TemporalLayer(nn.Module):
    """The trained layers of both modalities, after the frozen encoders and before the comparison with text.

    Audio and visual blocks have parameters of their own that start from the same values, as do the blocks of a stack
    (the release copies one block), where both are of one width. The release builds its cross-modal blocks and never
    calls them, and has no linear layers; ``attention=cross|both`` and ``layer=linear`` are readings of the paper's
    Tables A9 and 5, which give no equations: in a cross block a modality asks and the other one, as it stands before
    that block, answers.
    """

    a_sa_blocks: nn.ModuleList
    v_sa_blocks: nn.ModuleList
    a_xa_blocks: nn.ModuleList
    v_xa_blocks: nn.ModuleList
    a_linear: nn.ModuleList
    v_linear: nn.ModuleList

    def __init__(self, dim: int, config: LayerConfig, visual_dim: int | None = None) -> None:
        """Layers for audio embeddings of width ``dim`` and visual ones of ``visual_dim`` (None: the same width).

        Raises: DataError for two widths where a modality attends to the other one.
        """
        super().__init__()
        self.config = config
        self.dim = dim
        widths = {"a": dim, "v": dim if visual_dim is None else visual_dim}
        apart = widths["a"] != widths["v"]  # then the two cannot start from the same values
        if config.layer == "linear":
            first = {"a": nn.Linear(dim, dim)}
            first["v"] = nn.Linear(widths["v"], widths["v"]) if apart else first["a"]
            self.a_linear, self.v_linear = (
                nn.ModuleList(copy.deepcopy(first[m]) for _ in range(config.layers)) for m in "av"
            )
            return
        if apart and config.attention != "intra":
            raise DataError(
                f"audio embeddings are {dim} wide and visual ones {visual_dim}, so that neither can attend to the "
                "other; train with attention=intra"
            )
        block = {"a": Block(dim, config)}
        block["v"] = Block(widths["v"], config) if apart else block["a"]
        for kind, wanted in (("sa", config.attention != "cross"), ("xa", config.attention != "intra")):
            for modality in "av":
                stack = [copy.deepcopy(block[modality]) for _ in range(config.layers if wanted else 0)]
                setattr(self, f"{modality}_{kind}_blocks", nn.ModuleList(stack))

    def forward(self, audio: Tensor, visual: Tensor, keys: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Embeddings (B, T, Da) and (B, T, Dv) in and out; ``keys`` (B, T) is False where a segment does not exist
        (None: all exist)."""
        if self.config.layer == "linear":
            for audio_map, visual_map in zip(self.a_linear, self.v_linear, strict=True):
                audio, visual = audio_map(audio), visual_map(visual)
            return audio, visual
        for audio_block, visual_block in zip(self.a_sa_blocks, self.v_sa_blocks, strict=True):
            audio, visual = audio_block(audio, audio, keys), visual_block(visual, visual, keys)
        for audio_block, visual_block in zip(self.a_xa_blocks, self.v_xa_blocks, strict=True):
            audio, visual = audio_block(audio, visual, keys), visual_block(visual, audio, keys)
        return audio, visual


def neighbours(segments: int, window: int, device: torch.device | None = None) -> Tensor:
    """(T, T) bool: segment j reaches the segments j - window // 2 + k for k below ``window``, held within the video."""
    at = torch.arange(segments, device=device)
    reach = (at[:, None] - window // 2 + torch.arange(window, device=device)).clamp(0, segments - 1)
    near = torch.zeros(segments, segments, dtype=torch.bool, device=device)
    return near.scatter_(1, reach, True)
