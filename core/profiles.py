"""The two profiles, under which the quirks of released code are followed or the papers are."""

PROFILES = ("release", "paper")
"""As the authors' code does it, or as the paper says."""
