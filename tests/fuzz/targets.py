"""Every kind of input that is mutated, with its share of the mutants."""

from __future__ import annotations

from .annotation_files import ave, llp, ovave, own_annotations, predictions
from .cases import Target
from .embedding_files import embeddings
from .media import media
from .score_files import bundle, mapping, scores, trace
from .stores import checkpoint, search, store, url
from .text_files import aliases, answers, labels, params

TARGETS = {
    t.name: t
    for t in (
        Target("predictions", predictions, 3),
        Target("annotations", own_annotations, 2),
        Target("llp", llp, 2),
        Target("ave", ave),
        Target("ovavebench", ovave, 2),
        Target("aliases", aliases),
        Target("answers", answers, 2),
        Target("params", params, 2),
        Target("labels", labels),
        Target("bundle", bundle, 3),
        Target("scores", scores, 3),
        Target("mapping", mapping, 2),
        Target("embeddings", embeddings, 2),
        Target("trace", trace),
        Target("store", store, 5),
        Target("search", search, 2),
        Target("urls", url),
        Target("checkpoint", checkpoint),
        Target("media", media, 2),
    )
}
"""Every kind of input, with its share of the mutants."""
