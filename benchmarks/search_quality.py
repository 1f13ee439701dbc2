"""What searches find with the same number of settings: the default, plain Sobol, and the default's rule without steps.

    python benchmarks/search_quality.py [--seeds 10] [--data FOLDER] [--only NAME] [--json FILE]

Problems: the golden scores of LLP and AVE with the real annotations of their videos (FOLDER, by default
AVREPLAY_DATA or ../shared), made-up scores of real LLP videos, and small problems of words, numbers and both. For each
problem and number of settings the median over seeds of the best objective, in percent, and its distance to plain Sobol.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import golden_av2a  # noqa: E402
from avreplay.core.bundle import ScoreBundle  # noqa: E402
from avreplay.core.decoders.registry import DECODERS  # noqa: E402
from avreplay.core.params.options import OptionSet  # noqa: E402
from avreplay.core.params.table import ParamTable  # noqa: E402
from avreplay.core.sweep import sweep  # noqa: E402
from avreplay.evaluate.datasets.annotations import Annotations  # noqa: E402
from avreplay.evaluate.datasets.registry import load_annotations  # noqa: E402
from avreplay.evaluate.tuning.local import LocalSearch  # noqa: E402
from avreplay.evaluate.tuning.objective import parse_objective  # noqa: E402
from avreplay.evaluate.tuning.problem import make_problem  # noqa: E402
from avreplay.evaluate.tuning.sampling import sobol_table  # noqa: E402
from avreplay.evaluate.tuning.space import parse_space  # noqa: E402
from tuning_data import made  # noqa: E402

CATEGORICAL = ("method=naive,label_shift,cosine,label_shift_cosine", "fusion=score,late", "refine=true,false",
               "select_classes=true,false", "audio_scores=clip,segment", "min_length=1:3")  # fmt: skip
MIXED = ("alpha=0:1", "tau0=0:1", "tau_f=0.05:1:log", "method=naive,label_shift,cosine,label_shift_cosine",
         "refine=true,false", "min_length=1:4")  # fmt: skip


class Case:
    """A decoder, a space and an objective on some videos."""

    def __init__(
        self, scores: ScoreBundle, truth: Annotations, preset: str | None = None, decoder: str = "av2a",
        space: Sequence[str] = (), values: dict[str, Any] | None = None, objective: str | None = None,
    ) -> None:  # fmt: skip
        of = DECODERS.get(decoder)
        self.problem = make_problem(scores, truth, decoder=of)
        self.start: OptionSet = of.make_params(preset, None, values)
        self.space = parse_space(space, self.start, of.search_space())
        self.objective = parse_objective(objective, self.problem.figures, self.problem.target.metric)

    def score(self, table: ParamTable[Any]) -> np.ndarray:
        p = self.problem
        parts = sweep(p.decoder, p.inputs, table, p.target, self.objective.weights)
        return np.concatenate([part.objective for part in parts])


def default(case: Case, trials: int, seed: int) -> float:
    """`--sampler sobol-local`."""
    plan, best, left = LocalSearch(case.start, case.space, seed), -np.inf, trials
    while left > 0 and (table := plan.next_round()) is not None:
        table = table.part(0, left)
        values = case.score(table)
        plan.tell(values)
        best, left = max(best, values.max()), left - len(values)
    return float(best)


def sobol(case: Case, trials: int, seed: int) -> float:
    """`--sampler sobol`."""
    return float(case.score(sobol_table(case.start, case.space, trials, seed)).max())


def halves(case: Case, trials: int, seed: int) -> float:
    """Half Sobol, then rounds of 32 around the best, with deviates of 0.15 of a range that shrink by 0.97 a round; of
    ranges only."""
    table = sobol_table(case.start, case.space, trials - trials // 2, seed)
    values = case.score(table)
    low = np.array([d.low for d in case.space])
    width = np.array([d.high for d in case.space]) - low
    at = np.column_stack(list(table.columns.values()))[np.argmax(values)]
    best, left, deviation, number = values.max(), trials // 2, 0.15, 0
    while left > 0:
        steps = np.random.default_rng([seed, number]).normal(size=(min(32, left), len(width))) * deviation * width
        rows = np.clip(at + steps, low, low + width)
        values = case.score(ParamTable(case.start, {d.name: rows[:, i] for i, d in enumerate(case.space)}))
        if values.max() > best:
            best, at = values.max(), rows[np.argmax(values)]
        left, deviation, number = left - len(rows), deviation * 0.97, number + 1
    return float(best)


def made_of_real(data: Path, videos: int = 110, seed: int = 0) -> tuple[ScoreBundle, Annotations]:
    """Made-up scores that follow the real annotations of some LLP videos: present labels are louder, by another amount
    in each video, labels have biases in a video, scores drift, and some labels are heard or seen that are not there."""
    truth = load_annotations("llp", data / "data" / "llp", "val")
    rng = np.random.default_rng(seed)
    truth = truth.select(sorted(rng.choice(len(truth.video_ids), videos, replace=False).tolist()))
    lengths, labels = truth.segments_per_video, len(truth.labels)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    raw = np.zeros((2, int(starts[-1]), labels))
    for v, t in enumerate(lengths.tolist()):
        for k in range(2):
            own = raw[k, starts[v] : starts[v + 1]]
            own += rng.normal(0, 0.5, labels) + 0.5 * np.cumsum(rng.normal(0, 0.35, (t, labels)), axis=0)
            own += rng.normal(0, 0.4, (t, labels))
            louder, e = rng.uniform(0.6, 2.2), truth.events
            for i in range(e.starts[3 * v + k], e.starts[3 * v + k + 1]):
                own[e.onset[i] : e.offset[i], e.label[i]] += louder
            for label in rng.choice(labels, 2, replace=False):
                begin, end = sorted(rng.choice(t + 1, 2, replace=False))
                own[begin:end, label] += rng.uniform(0.3, 1.6)
    index = np.array([(v, a, b) for v, t in enumerate(lengths) for a in range(t) for b in range(a + 1, t + 1)])
    windows = np.stack([raw[:, starts[v] + a : starts[v] + b].mean(axis=1) for v, a, b in index], axis=1)
    clips = np.stack([raw[:, a:b].max(axis=1) * 0.6 + raw[:, a:b].mean(axis=1) * 0.4
                      for a, b in pairwise(starts)], axis=1)  # fmt: skip
    windows += rng.normal(0, 0.15, windows.shape)
    clips += rng.normal(0, 0.2, clips.shape)
    raw, windows, clips = ((x / 4).astype(np.float32) for x in (raw, windows, clips))
    bundle = ScoreBundle.create(
        video_ids=list(truth.video_ids), labels=list(truth.labels), segments_per_video=lengths, visual_segments=raw[1],
        visual_features=rng.normal(size=(int(starts[-1]), 16)).astype(np.float32), audio_clip=clips[0],
        visual_clip=clips[1][:, None], window_video=index[:, 0], window_start=index[:, 1], window_end=index[:, 2],
        window_audio=windows[0], window_visual=windows[1][:, None],
    )  # fmt: skip
    return bundle, truth


def cases(data: Path) -> dict[str, tuple[Callable[[], Case], tuple[int, ...]]]:
    """Each problem, and the numbers of settings that are tried on it."""

    def golden(dataset: str, backbone: str, **options: Any) -> Callable[[], Case]:
        preset = {"lb": "languagebind", "cc": "clip_clap"}[backbone] + ("_ave" if dataset == "AVE" else "")

        def case() -> Case:
            truth = load_annotations(dataset.lower(), data / "data" / dataset.lower(), "test")
            return Case(golden_av2a.bundle(dataset, backbone), truth, preset, **options)

        return case

    segment = {"audio_scores": "segment"}
    few, many = (16, 64, 256, 1024), (64, 256, 1024, 8192)
    return {
        "LLP golden, LanguageBind": (golden("LLP", "lb"), many),
        "LLP golden, CLIP and CLAP": (golden("LLP", "cc"), many),
        "LLP golden, Type@AV": (golden("LLP", "lb", objective="type_av_event"), few),
        "LLP golden, two options": (golden("LLP", "lb", space=("tau0=0:1", "tau_f=0:1")), few),
        "LLP golden, one option": (golden("LLP", "lb", space=("tau0=0:1",)), few),
        "AVE golden, LanguageBind": (golden("AVE", "lb"), few),
        "AVE golden, CLIP and CLAP": (golden("AVE", "cc"), few),
        "110 LLP videos, made scores": (lambda: Case(*made_of_real(data), preset="languagebind"), (256, 1024, 4096)),
        "made, words and numbers": (lambda: Case(*made(0, 24), space=MIXED, values=segment), few),
        "made, words only": (lambda: Case(*made(1, 24), space=CATEGORICAL, values=segment), (16, 64, 256)),
        "made, OV-AVEL": (
            lambda: Case(*made(2, 24), decoder="ovavel", space=OVAVEL, values={"background": "none"}),
            (8, 16),
        ),
    }


OVAVEL = (
    "agreed_other=event,background",
    "strategy=first_agreement,per_segment,fused_argmax",
    "negative_pairs=keep,zero",
    "no_positive=first,background",
)


def measure(data: Path, seeds: int, only: str | None, most: int) -> list[dict[str, Any]]:
    rows = []
    for name, (make, counts) in cases(data).items():
        if only and only not in name:
            continue
        case = make()
        searches = {"sobol-local": default, "sobol": sobol}
        if not any(d.choices for d in case.space):
            searches["halves"] = halves
        for trials in (n for n in counts if n <= most):
            begin = time.perf_counter()
            found = {k: [search(case, trials, seed) for seed in range(seeds)] for k, search in searches.items()}
            medians = {k: statistics.median(v) for k, v in found.items()}
            row = {
                "problem": name, "videos": case.problem.num_videos, "options": len(case.space), "trials": trials,
                "seeds": seeds, **{f"median {k}": round(m, 3) for k, m in medians.items()},
                "gain over sobol": round(medians["sobol-local"] - medians["sobol"], 3),
                "worst seed": {k: round(min(v), 3) for k, v in found.items()},
            }  # fmt: skip
            rows.append(row)
            gains = f"{row['gain over sobol']:+.2f}"
            texts = ", ".join(f"{k} {m:.2f}" for k, m in medians.items())
            print(f"{name}, {trials} settings: {texts}; {gains} ({time.perf_counter() - begin:.0f} s)", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AVREPLAY_DATA") or ROOT.parent / "shared"))
    parser.add_argument("--only", help="problems with this in their name")
    parser.add_argument("--most", type=int, default=8192, help="no more settings than these")
    parser.add_argument("--json", type=Path)
    a = parser.parse_args()
    rows = measure(a.data, a.seeds, a.only, a.most)
    if a.json:
        a.json.write_text(json.dumps({"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
