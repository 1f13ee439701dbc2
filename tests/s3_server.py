"""An S3 server on loopback (moto), started by the test: its requests are counted and take place one by one, so that
conditional writes are as atomic as those of S3; and it can die at a given request, with its objects kept for a restart.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

BUCKET = "bucket"


class S3Server:
    """A server with one empty bucket; its URL is ``endpoint``.

    requests : method and path of every request since the last :meth:`counted`
    """

    def __init__(self) -> None:
        self._app: Callable[..., Iterable[bytes]] = DomainDispatcherApplication(create_backend_app)
        self._one = threading.Lock()
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None
        self._port = 0
        self._left: int | None = None
        self._applied = False
        self.requests: list[tuple[str, str]] = []
        self.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Serve, on the same port as before; the objects are still there."""
        self._left = None
        self._server = make_server("127.0.0.1", self._port, self._serve, True, request_handler=MotoRequestHandler)
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """From now on connections are refused."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            assert self._thread is not None
            self._thread.join()
            self._server = None

    def die_at(self, request: int, *, applied: bool) -> None:
        """Die at the request of this number, counted from 0: it gets no answer, whether it was ``applied`` or not."""
        self._left, self._applied = request, applied

    def counted(self) -> list[tuple[str, str]]:
        """The requests so far, which are forgotten."""
        found, self.requests = self.requests, []
        return found

    def _serve(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with self._one:
            self.requests.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
            if self._left is None or self._left > 0:
                self._left = None if self._left is None else self._left - 1
                return self._app(environ, start_response)
            if self._applied:
                self._applied = False
                self._app(environ, start_response)
            sock: socket.socket = environ["werkzeug.socket"]
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            threading.Thread(target=self.stop, daemon=True).start()
            raise ConnectionAbortedError("the server has died")
