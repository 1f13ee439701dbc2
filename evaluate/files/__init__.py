"""The files that evaluation reads and writes: predictions, parameters, texts."""
