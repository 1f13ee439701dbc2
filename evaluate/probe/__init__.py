"""Linear classifiers on cached embeddings (paper, Table 7)."""
