"""Fine-tuning on cached embeddings (OV-AVEL's second baseline); the only training here."""
