"""Decoders: from scores to events, one file each; ``base`` says what a decoder is."""
