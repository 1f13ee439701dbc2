"""Extraction on the nodes of a Ray cluster: encoders there, the store and its only writer here."""
