"""Replay's cost on this machine, and when an extraction has paid for itself."""
