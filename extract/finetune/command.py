"""What ``avreplay finetune`` does: a request in, a checkpoint and a score set out."""

from __future__ import annotations

from ...core.errors import UsageError
from ...core.segment_targets import SegmentTargets
from .config import FinetuneRequest
from .run import FinetuneSummary, apply_checkpoint, finetune_store


def finetune_command(request: FinetuneRequest, targets: SegmentTargets | None = None) -> FinetuneSummary:
    """Train, or score the store with a checkpoint.

    Parameters
    ----------
    targets : of the request's annotations; None where the request only applies a checkpoint

    Raises: as `finetune_store` and `apply_checkpoint` do.
    """
    name, device, overwrite = request.name, request.device, request.overwrite
    if request.apply_to is not None:
        return apply_checkpoint(request.store, request.apply_to, name=name, device=device, overwrite=overwrite)
    if targets is None:
        raise UsageError("training needs targets; load them from the annotations")
    return finetune_store(
        request.store,
        targets,
        request.training(),
        name=name,
        checkpoint=request.checkpoint,
        device=device,
        overwrite=overwrite,
        skip_missing=request.skip_missing,
    )
