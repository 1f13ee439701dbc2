"""An S3 server on loopback (moto), started by the test.

Its requests are counted and take place one by one, so that conditional writes are as atomic as those of S3. It can die
at a given request and be started again with its objects, answer with an error, be silent, or ignore conditions.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

BUCKET = "bucket"


class S3Server:
    """A server with an empty bucket; its URL is ``endpoint``.

    Attributes
    ----------
    answer : status, S3's code of the error and body that every request gets instead of its own; None: its own
    silent : seconds that every request waits for its answer
    heeds_conditions : whether ``If-Match`` and ``If-None-Match`` have a meaning
    """

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._app: Callable[..., Iterable[bytes]] = DomainDispatcherApplication(create_backend_app)
        self._one, self._stopping = threading.Lock(), threading.Lock()
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None
        self._port = 0
        self._left: int | None = None
        self._applied = False
        self._which = ""
        self._requests: list[tuple[str, str]] = []
        self.reset()
        self.start()
        self.client = boto3.client(
            "s3", endpoint_url=self.endpoint, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s"
        )
        self.client.create_bucket(Bucket=BUCKET)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which s3fs finds the server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "k",
            "AWS_SECRET_ACCESS_KEY": "s",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def reset(self) -> None:
        """Be an ordinary server."""
        self.answer: tuple[int, str, bytes] | None = None
        self.silent = 0.0
        self.heeds_conditions = True

    def start(self) -> None:
        """Serve, on the same port as before; the objects are still there."""
        self.stop()
        self._left = None
        self._server = make_server("127.0.0.1", self._port, self._serve, True, request_handler=MotoRequestHandler)
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """From now on connections are refused."""
        with self._stopping:
            server, self._server = self._server, None
            if server is not None:
                server.shutdown()
                server.server_close()
                assert self._thread is not None
                self._thread.join()

    def die_at(self, request: int, *, applied: bool, which: str = "") -> None:
        """Die at the request of this number, counted from 0: it gets no answer, whether it was ``applied`` or not.

        ``which`` : only requests with this in their method, path and query count; which others lie between depends on
        how a client's threads take turns
        """
        self._left, self._applied, self._which = request, applied, which

    def counted(self) -> list[tuple[str, str]]:
        """Method and path of the requests so far, which are forgotten."""
        found, self._requests = self._requests, []
        return found

    def objects(self, prefix: str) -> dict[str, bytes]:
        """The objects below a prefix, by the rest of their keys."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/")
        keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
        read = {key: self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}
        return {key[len(prefix) + 1 :]: content for key, content in read.items()}

    def _serve(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        time.sleep(self.silent)
        with self._one:
            self._requests.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
            if self.answer is not None:
                status, code, body = self.answer
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                body = body or f"<Error><Code>{code}</Code><Message>a message</Message></Error>".encode()
                body = b"" if environ["REQUEST_METHOD"] == "HEAD" else body
                head = {"Content-Type": "application/xml", "Content-Length": str(len(body)), "Connection": "close"}
                start_response(f"{status} {code or 'Something'}", list(head.items()))
                return [body]
            if not self.heeds_conditions:
                environ.pop("HTTP_IF_MATCH", None)
                environ.pop("HTTP_IF_NONE_MATCH", None)
            request = "{REQUEST_METHOD} {PATH_INFO}?{QUERY_STRING}".format(**environ)
            if self._left is None or self._which not in request or self._left > 0:
                if self._left is not None and self._which in request:
                    self._left -= 1
                return self._app(environ, start_response)
            if self._applied:
                self._applied = False
                self._app(environ, start_response)
            threading.Thread(target=self.stop, daemon=True).start()
        _hang_up(environ["werkzeug.socket"])
        raise ConnectionAbortedError("the server has died")


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
