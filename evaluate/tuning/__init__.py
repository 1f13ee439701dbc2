"""Searching the parameters of replay: space, samplers, trials, results."""
