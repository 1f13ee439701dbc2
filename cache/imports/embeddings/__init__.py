"""Embeddings made elsewhere: arrays in files and folders, read by a mapping (TOML) into a store of embeddings."""
