"""Metrics: one file each; ``base`` says what a metric is."""
