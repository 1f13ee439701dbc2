"""From decoded pieces to embeddings: what to encode, in which batches, at what cost."""
