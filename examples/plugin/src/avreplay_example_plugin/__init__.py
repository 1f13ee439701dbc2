"""A dataset, a metric, a decoder and a backbone for avreplay; `pyproject.toml` declares them as entry points."""
