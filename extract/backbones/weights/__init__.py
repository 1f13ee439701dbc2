"""Weights of encoders: finding and fetching them, reading their files without plain unpickling, filling models."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ....core.errors import UsageError

if TYPE_CHECKING:
    from .convert import Converted


def convert_file(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> Converted:
    """Write the tensors of a checkpoint as safetensors, see :func:`.convert.convert_weights`, without running what is
    in it.

    Raises: UsageError and DataError as it does; UsageError where torch or safetensors is not installed.
    """
    try:
        import safetensors.torch  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"convert-weights needs {error.name or 'torch'}, which is not installed: pip install torch safetensors"
        ) from error
    from .convert import convert_weights

    return convert_weights(Path(source), Path(target))
