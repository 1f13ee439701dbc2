"""Prompts: the text that stands for a label, by a template."""

from __future__ import annotations

from collections.abc import Sequence

from ...core.errors import UsageError


def text_of(labels: Sequence[str], template: str) -> list[str]:
    """A prompt per label: ``{label}`` is the label as it is, ``{words}`` in lower case with spaces for underscores."""
    return [template.replace("{label}", label).replace("{words}", label.lower().replace("_", " ")) for label in labels]


def checked_template(template: str) -> str:
    """The template, if it has a place for the label.

    Raises
    ------
    UsageError
        it has none, so that all labels would get the same text
    """
    if "{label}" not in template and "{words}" not in template:
        raise UsageError(f"the prompt {template!r} has no place for the label; write {{label}} or {{words}} in it")
    return template
