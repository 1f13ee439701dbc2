"""avreplay: extract audio-visual embeddings once, replay event perception from the cache in microseconds."""

__version__ = "0.1.0"
