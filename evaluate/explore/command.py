"""``avreplay explore``: read everything once, listen on this machine, and answer until Ctrl-C."""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ...cache.store import Store
from ...core.errors import AvreplayError, DataError, UsageError
from ...core.installation import install_command
from ...core.threads import Worker
from ..datasets.registry import load_annotations
from ..explore_options import ExploreRequest
from ..made_from import settings_for
from .session import Session
from .setting import Setting
from .smallest_change import Unwanted
from .timeline import why
from .tools import Media, Words

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

HOST = "127.0.0.1"


@dataclass(frozen=True, eq=False)
class Listening:
    """An explorer that listens, and answers once :meth:`serve` runs."""

    url: str
    browser: bool
    session: Session
    _server: Any
    _socket: socket.socket
    _media: Media | None

    def serve(self) -> int:
        """Answer until Ctrl-C or SIGTERM; then everything that was made is removed. The exit code that this has."""
        Worker(self._warm).start()
        try:
            if self.browser:
                webbrowser.open(self.url)
            with suppress(KeyboardInterrupt):
                self._server.run(sockets=[self._socket])
            return INTERRUPTED
        finally:
            self._socket.close()
            if self._media is not None:
                self._media.close()

    def _warm(self, _: Worker) -> None:
        """Compile or load, beside the first moves, what the first question after a label needs."""
        with suppress(AvreplayError, Unwanted):
            start = self.session.start
            why(self.session, 0, start.decoder.tracks[0], 0, 0, start, lambda: not self._server.should_exit)


def open_explorer(
    request: ExploreRequest,
    *,
    media_of: Callable[[list[str], list[str]], Media],
    words_of: Callable[[Store], Words],
) -> Listening:
    """Read the store and the annotations, and listen.

    Parameters
    ----------
    request : what was asked for
    media_of : the files of videos, from folders and ids
    words_of : what encodes new labels for a store

    Raises
    ------
    UsageError
        a package that is missing, a port that is taken, an unknown decoder, preset, option or dataset
    DataError
        a store without scores, annotations of other videos, or files that cannot be read
    """
    uvicorn = _server_package()
    from .app import Explorer
    from .guard import Guard, new_token

    r = request
    listening = _listen(r.port)
    try:
        chosen = settings_for(r.store, r.decoder, r.preset, r.profile, r.params_file, r.settings, r.scores)
        truth = None
        if r.dataset is not None and r.annotations is not None:
            truth = load_annotations(r.dataset, r.annotations, r.split)
        start = Setting.of_params(chosen.decoder, chosen.preset, r.profile, chosen.params)
        session = Session(
            chosen.store, start, truth, metrics=r.metrics, scores=r.scores, threads=r.threads,
            words=words_of(chosen.store),
        )  # fmt: skip
        if not session.video_ids:
            raise DataError(f"{chosen.store.url} holds no video with scores; extract some with `avreplay extract`")
        chosen.say_misfits(session.bundle.kind)
        session.answer(start)  # kernels are compiled or loaded before the first move
        media = media_of(list(r.videos), list(session.video_ids)) if r.videos else None
        port, token = listening.getsockname()[1], new_token()
        explorer = Explorer(session, r.store, media)
        app = Guard(explorer.app(), port, token)
        config = uvicorn.Config(
            app, log_level="critical", access_log=False, lifespan="off", server_header=False, ws="none", http="h11",
            timeout_graceful_shutdown=1, h11_max_incomplete_event_size=1 << 16,
        )  # fmt: skip
        server = uvicorn.Server(config)
        explorer.closing = lambda: bool(server.should_exit)
        url = f"http://{HOST}:{port}/?token={token}"
        return Listening(url, not r.no_browser, session, server, listening, media)
    except BaseException:
        listening.close()
        raise


def _server_package() -> Any:
    """uvicorn. Raises: UsageError where the explorer's packages are not installed."""
    try:
        import starlette  # noqa: F401
        import uvicorn
    except ImportError:
        raise UsageError(f"the explorer needs starlette and uvicorn: {install_command('explore')}") from None
    return uvicorn


def _listen(port: int) -> socket.socket:
    """A socket on this machine alone. Raises: UsageError for a port that is taken or may not be used."""
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((HOST, port))
        found.listen(128)
    except OSError as error:
        found.close()
        raise UsageError(
            f"port {port} of this machine cannot be used ({error.strerror}); choose another --port, or 0 for any"
        ) from None
    return found
