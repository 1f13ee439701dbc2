"""Evaluation: annotations, replay of stores, figures, reports.

The verb itself is :func:`avreplay.evaluate_predictions`.
"""
