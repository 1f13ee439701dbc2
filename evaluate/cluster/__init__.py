"""Replay and search on the nodes of a Ray cluster: scores and decoders there; what is written, and what a search knows,
here."""
