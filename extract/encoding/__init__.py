"""From decoded frames and sound to embeddings: what to encode, in which batches, at what cost."""
