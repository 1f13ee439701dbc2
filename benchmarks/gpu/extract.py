"""``avreplay`` with an architecture that open_clip has to be told of: python extract.py FOLDER extract ..."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from gpu.parts import prepare_for_small

    prepare_for_small()
    import open_clip
    from avreplay.cli import main

    open_clip.add_model_config(sys.argv.pop(1))
    main()
