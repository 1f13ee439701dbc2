"""The addresses of the explorer: what the page asks for, as JSON in and out."""

from __future__ import annotations

import base64
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ...core.errors import AvreplayError, UsageError
from .outputs import params_file, report_page
from .session import Answer, Session
from .setting import Setting, SettingForm, decoder_of_name, described
from .smallest_change import Unwanted
from .summary import session_summary
from .timeline import check_index, timeline, why
from .tools import Media
from .videos import ListForm, listed

PAGE = Path(__file__).with_name("page")

F = TypeVar("F", bound=msgspec.Struct)

_REPORTS = 4
_CLIENTS = 64
"""Pages that are told apart, at most."""

_MOST_THUMBNAILS, _MOST_BINS = 100, 4000


class _Settings(msgspec.Struct, kw_only=True):
    """A setting, and the one that it is compared with."""

    setting: SettingForm
    baseline: SettingForm | None = None


class _FiguresForm(_Settings, kw_only=True):
    """``client`` and ``seq`` number the moves of a page: of those that wait, only the last is answered in full."""

    client: str = ""
    seq: int = 0


class _VideosForm(ListForm, kw_only=True):
    setting: SettingForm
    baseline: SettingForm | None = None


class _VideoForm(_Settings, kw_only=True):
    index: int


class _WhyForm(_Settings, kw_only=True):
    """``changes``: also the smallest changes, which take longer; a newer question ends them."""

    changes: bool = True
    client: str = ""
    index: int
    track: str
    label: int
    segment: int


class _WordForm(msgspec.Struct):
    label: str


class _Nothing(msgspec.Struct):
    """No more than the address says."""


class Explorer:
    """Answers the page's requests about a session.

    name : of the store, as the user gave it
    media : the files of its videos; None where no folder was given
    closing : whether the server is about to end, set by who runs it
    """

    def __init__(self, session: Session, name: str, media: Media | None) -> None:
        self.session: Session = session
        self.name: str = name
        self.media: Media | None = media
        self._latest: OrderedDict[str, int] = OrderedDict()
        self._latest_lock = threading.Lock()
        self._reports: OrderedDict[str, str] = OrderedDict()
        self._questions: dict[str, object] = {}
        self.closing: Callable[[], bool] = lambda: False

    def app(self) -> Starlette:
        """The application, without its guard."""
        routes = [
            Route("/", self._page),
            Route("/api/session", _answered(lambda _: self.summary())),
            Route("/api/decoder/{name:path}", _answered(self.decoder)),
            _posted("figures", _FiguresForm, self.figures),
            _posted("videos", _VideosForm, self.videos),
            _posted("video", _VideoForm, self.video),
            _posted("why", _WhyForm, self.why),
            _posted("word", _WordForm, self.word),
            _posted("word/drop", _WordForm, self.drop_word),
            _posted("word/keep", _Nothing, self.keep_words),
            _posted("params", _Settings, self.params),
            _posted("report", _Settings, self.report),
            Route("/report/{key}", self._report),
            Route("/media/{index:int}", self._file),
            Route("/media/{index:int}/thumbnails", _answered(self.thumbnails)),
            Route("/media/{index:int}/waveform", _answered(self.waveform)),
            Mount("/static", StaticFiles(directory=PAGE)),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: _refused, Exception: _failed})

    # --- what it answers -------------------------------------------------------------------------------------------

    def summary(self) -> dict[str, Any]:
        """What the page is told first."""
        return session_summary(self.session, self.name, self.media is not None)

    def decoder(self, request: Request) -> dict[str, Any]:
        """A decoder with its options."""
        return described(decoder_of_name(request.path_params["name"], self.session.decoders))

    def figures(self, form: _FiguresForm) -> dict[str, Any]:
        """Figures of a setting, and of the baseline."""
        if form.client and not self._is_newest(form.client, form.seq):
            return {"seq": form.seq, "stale": True}
        answer, baseline = self._answers(form)
        return {
            "seq": form.seq,
            "values": answer.setting.params.as_dict(),
            "metrics": answer.figures,
            "baseline": None if baseline is None else baseline.figures,
            "events": len(answer.events.label),
            "command": answer.setting.command(self.name, self.session.scores),
            "milliseconds": round(answer.milliseconds, 3),
        }

    def videos(self, form: _VideosForm) -> dict[str, Any]:
        """The list of videos."""
        found = listed(self.session, form, *self._answers(form))
        for row in found["rows"]:
            row["media"] = self.media is not None and self.media.has_file(row["id"])
        return found

    def video(self, form: _VideoForm) -> dict[str, Any]:
        """One video."""
        answer, baseline = self._answers(form)
        return {**timeline(self.session, form.index, answer, baseline), "media": self._media_of(form.index)}

    def why(self, form: _WhyForm) -> dict[str, Any]:
        """Why a label is, or is not, an event at a segment."""
        setting = Setting.of(form.setting, self.session.decoders)
        if len(self._questions) > _CLIENTS:
            self._questions.clear()
        question = self._questions[form.client[:64]] = object()

        def wanted() -> bool:
            return not self.closing() and self._questions.get(form.client[:64]) is question

        try:
            at = (form.index, form.track, form.label, form.segment)
            return why(self.session, *at, setting, wanted if form.changes else None)
        except Unwanted:
            return {"stale": True}

    def word(self, form: _WordForm) -> dict[str, Any]:
        """Add a label."""
        index, milliseconds = self.session.add_word(form.label)
        label = self.session.labels[index]
        return {
            "label": label, "index": index, "milliseconds": round(milliseconds, 3), "note": self.session.note_of(label),
            "labels": list(self.session.labels), "words": list(self.session.words),
        }  # fmt: skip

    def drop_word(self, form: _WordForm) -> dict[str, Any]:
        """Forget a label that was added."""
        self.session.drop_word(form.label)
        return {"labels": list(self.session.labels), "words": list(self.session.words)}

    def keep_words(self, _: Any) -> dict[str, Any]:
        """Write added labels into the store."""
        labels = self.session.keep_words()
        note = "" if self.session.annotations is None else (
            "Their events do not count here. `avreplay evaluate` refuses labels that the dataset does not have: "
            "give the store those of the dataset again, with `avreplay embed-text`, before you score it."
        )  # fmt: skip
        return {"labels": list(labels), "words": [], "note": note}

    def params(self, form: _Settings) -> dict[str, Any]:
        """The setting as a parameter file."""
        return {"name": "params.toml", "text": params_file(self.session, self._answers(form)[0].setting)}

    def report(self, form: _Settings) -> dict[str, Any]:
        """Where the report of a setting is."""
        key = secrets.token_urlsafe(12)
        self._reports[key] = report_page(self.session, *self._answers(form))
        while len(self._reports) > _REPORTS:
            self._reports.popitem(last=False)
        return {"url": f"/report/{key}"}

    def thumbnails(self, request: Request) -> dict[str, Any]:
        """Pictures of a span of a video."""
        video, start, end = self._span(request)
        assert self.media is not None
        times, pictures = self.media.thumbnails(video, start, end, _number(request, "count", 1, _MOST_THUMBNAILS))
        images = [f"data:image/jpeg;base64,{base64.b64encode(p).decode()}" for p in pictures]
        return {"times": times, "images": images}

    def waveform(self, request: Request) -> dict[str, Any]:
        """The sound of a span of a video."""
        video, start, end = self._span(request)
        assert self.media is not None
        low, high = self.media.waveform(video, start, end, _number(request, "bins", 1, _MOST_BINS))
        return {"low": [round(float(x), 4) for x in low], "high": [round(float(x), 4) for x in high]}

    # --- files -----------------------------------------------------------------------------------------------------

    async def _page(self, _: Request) -> Response:
        return FileResponse(PAGE / "index.html", content_disposition_type="inline")

    async def _report(self, request: Request) -> Response:
        page = self._reports.get(request.path_params["key"])
        if page is None:
            raise HTTPException(404, "this report is gone; open it anew in the explorer")
        # its own policy stands in the page: hashes of its scripts, and nothing from elsewhere
        policy = "frame-ancestors 'none'; connect-src 'none'; form-action 'none'; base-uri 'none'"
        return Response(page, media_type="text/html; charset=utf-8", headers={"content-security-policy": policy})

    async def _file(self, request: Request) -> Response:
        def found() -> Any:
            if self.media is None:
                raise UsageError("no folder of videos was given; start with --videos FOLDER")
            check_index(self.session, request.path_params["index"])
            return self.media.file(self.session.video_ids[request.path_params["index"]])

        try:
            file = await run_in_threadpool(found)
        except AvreplayError as error:
            raise HTTPException(404, str(error)) from error
        return FileResponse(file.path, media_type=file.content_type, content_disposition_type="inline")

    # --- parts -----------------------------------------------------------------------------------------------------

    def _answers(self, form: _Settings | _VideosForm) -> tuple[Answer, Answer | None]:
        decoders = self.session.decoders
        answer = self.session.answer(Setting.of(form.setting, decoders))
        return answer, None if form.baseline is None else self.session.answer(Setting.of(form.baseline, decoders))

    def _is_newest(self, client: str, seq: int) -> bool:
        """Whether no later move of a page has come, once what is under way is answered."""
        client = client[:64]
        with self._latest_lock:
            self._latest[client] = max(seq, self._latest.pop(client, seq))
            while len(self._latest) > _CLIENTS:
                self._latest.popitem(last=False)
        with self.session.turn:
            return self._latest.get(client, seq) <= seq

    def _media_of(self, index: int) -> dict[str, Any]:
        if self.media is None:
            why = "no folder of videos was given; start with --videos FOLDER to play them"
            return {"state": "missing", "why": why, "url": None, "offset": 0.0}
        found = self.media.media(self.session.video_ids[index])
        url = f"/media/{index}" if found.state in ("playable", "preview") else None
        return {"state": found.state, "why": found.why, "url": url, "offset": found.offset}

    def _span(self, request: Request) -> tuple[str, float, float]:
        index = request.path_params["index"]
        check_index(self.session, index)
        if self.media is None:
            raise UsageError("no folder of videos was given; start with --videos FOLDER")
        b = self.session.bundle
        length = float(b.segments_per_video[index] * b.segment_seconds)
        start, end = (_float(request, name, default) for name, default in (("start", 0.0), ("end", length)))
        start, end = max(start, 0.0), min(end, length)
        if not start < end:
            raise UsageError(f"the span from {start:g} to {end:g} s is not within the {length:g} s of the video")
        return self.session.video_ids[index], start, end


def _posted(name: str, form: type[F], answer: Callable[[F], Any]) -> Route:
    """An address that takes a form as JSON, in a thread of its own."""
    decoder = msgspec.json.Decoder(form)

    async def address(request: Request) -> Response:
        try:
            read = decoder.decode(await request.body() or b"{}")
        except (msgspec.DecodeError, RecursionError) as error:
            return JSONResponse({"error": f"the request is not what this address takes: {error}"}, 400)
        return await run_in_threadpool(_told, lambda: answer(read))

    return Route(f"/api/{name}", address, methods=["POST"])


def _answered(answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
    async def address(request: Request) -> Response:
        return await run_in_threadpool(_told, lambda: answer(request))

    return address


def _told(answer: Callable[[], Any]) -> Response:
    """What it gives as JSON, or its error in one sentence."""
    try:
        return Response(msgspec.json.encode(answer()), media_type="application/json")
    except AvreplayError as error:
        return JSONResponse({"error": str(error)}, 400)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


async def _failed(_: Request, error: Exception) -> Response:
    text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return JSONResponse({"error": f"avreplay has a fault here ({text}); please report it"}, 500)


def _number(request: Request, name: str, low: int, high: int) -> int:
    return int(min(max(_float(request, name, high), low), high))


def _float(request: Request, name: str, default: float) -> float:
    text = request.query_params.get(name)
    try:
        value = default if text is None else float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < 1e9:
        raise UsageError(f"{name} is {str(text)[:40]!r}; it must be a number")
    return value
