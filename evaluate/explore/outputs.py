"""What leaves the explorer: a setting as a parameter file, and the report of what is on screen."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ... import __version__
from ...core.decoders.replayed import replayed
from ..made_from import made_from
from ..replay import ReplayResult
from ..report.build import report_data
from ..report.page import write_report
from ..tuning.outputs import params_toml
from .session import Answer, Session
from .setting import Setting


def params_file(session: Session, setting: Setting) -> str:
    """A setting as ``replay --params`` takes it."""
    return params_toml([f"chosen in avreplay {__version__} explore"], setting.decoder, setting.params, None)


def report_page(session: Session, answer: Answer, baseline: Answer | None) -> str:
    """The report of a setting, beside the baseline, with the timelines of the videos that it is worst at.

    Raises: as :func:`..report.build.report_data`.
    """
    runs, traces = [], {}
    named = [("baseline", baseline), ("setting", answer)] if baseline is not None else [("setting", answer)]
    for name, of in named:
        if of is None:
            continue
        traced = of.setting.decoder.traces
        inputs = session.inputs(of.setting)
        done = replayed(of.setting.decoder, inputs, [of.setting.params], threads=session.threads, trace=traced)
        made = made_from(session.store, session.scores)
        result = ReplayResult(inputs.scores, (of.setting.params,), done, of.setting.decoder, made)
        runs.append((name, result.predictions()))
        if traced:
            traces[name] = result.trace_arrays()
    data = report_data(runs, session.annotations, traces=traces, metrics=session.metrics)
    with tempfile.TemporaryDirectory(prefix="avreplay-") as folder:
        file = Path(folder) / "report.html"
        write_report(file, data)
        return file.read_text(encoding="utf-8")
