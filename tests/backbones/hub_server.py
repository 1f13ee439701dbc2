"""A server on loopback that plays the Hugging Face hub, with every way in which the real one fails."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

COMMIT = "a" * 40
LFS = (".safetensors", ".bin", ".pt", ".pth")

Files = dict[str, bytes]


class Hub:
    """What is served.

    Attributes
    ----------
    repositories : files of each ``owner/name``, at the revisions ``main`` and ``v1`` and their commit
    statuses : with which status a repository, or ``owner/name/file``, is refused
    moved : the new name of a repository
    claimed : sizes that are told instead of the real ones, by ``owner/name/file``
    dropped : files of which only a half is sent before the connection is closed
    asked : every request, as "METHOD path"
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Files] = {}
        self.statuses: dict[str, int] = {}
        self.moved: dict[str, str] = {}
        self.claimed: dict[str, int] = {}
        self.dropped: set[str] = set()
        self.asked: list[str] = []
        self.url = ""

    def fetched(self, repository: str) -> list[str]:
        """The files of a repository whose bytes were asked for, in order."""
        paths = [line.removeprefix("GET /") for line in self.asked if line.startswith("GET /")]
        small = [path.split("/", 4)[4] for path in paths if path.startswith(f"{repository}/resolve/")]
        return small + [path.split("/", 3)[3] for path in paths if path.startswith(f"cdn/{repository}/")]


@contextmanager
def playing_the_hub() -> Iterator[Hub]:
    """A hub that can be asked at ``url`` while the context lasts."""
    hub = Hub()

    class Handler(_Handler):
        served = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    served: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.served.asked.append(f"{self.command} {path}")
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"] and len(parts) >= 4:
            self._listing("/".join(parts[2:4]), "/".join(parts[5:]) or "main")
        elif len(parts) >= 5 and parts[2] == "resolve":
            self._file("/".join(parts[:2]), parts[3], "/".join(parts[4:]), body)
        elif parts[0] == "cdn":
            self._bytes("/".join(parts[1:3]), "/".join(parts[3:]), body)
        else:
            self._refuse(404, "")

    def _listing(self, repository: str, revision: str) -> None:
        hub = self.served
        if repository in hub.moved:
            self._redirect(307, f"/api/models/{hub.moved[repository]}/revision/{revision}?blobs=true", {})
        elif repository in hub.statuses:
            status = hub.statuses[repository]
            self._refuse(status, {401: "RepoNotFound", 403: "GatedRepo", 404: "RepoNotFound"}.get(status, ""))
        elif repository not in hub.repositories:
            self._refuse(401, "RepoNotFound")
        elif revision not in ("main", "v1", COMMIT):
            self._refuse(404, "RevisionNotFound")
        else:
            files = hub.repositories[repository]
            siblings = [
                {"rfilename": name, "size": hub.claimed.get(f"{repository}/{name}", len(data)), "blobId": _etag(data)}
                for name, data in files.items()
            ]
            self._send(200, json.dumps({"id": repository, "sha": COMMIT, "siblings": siblings}).encode(), {})

    def _file(self, repository: str, revision: str, name: str, body: bool) -> None:
        hub = self.served
        if repository in hub.moved:
            self._redirect(307, f"/{hub.moved[repository]}/resolve/{revision}/{name}", {})
            return
        if f"{repository}/{name}" in hub.statuses:
            self._refuse(hub.statuses[f"{repository}/{name}"], "")
            return
        data = hub.repositories.get(repository, {}).get(name)
        if data is None:
            self._refuse(404, "EntryNotFound")
            return
        if name.endswith(LFS):
            about = {"X-Repo-Commit": COMMIT, "X-Linked-Size": str(len(data)), "X-Linked-Etag": f'"{_etag(data)}"'}
            self._redirect(302, f"{hub.url}/cdn/{repository}/{name}", about)
        else:
            self._bytes(repository, name, body)

    def _bytes(self, repository: str, name: str, body: bool) -> None:
        data = self.served.repositories[repository][name]
        about = {"X-Repo-Commit": COMMIT, "ETag": f'"{_etag(data)}"'}
        if f"{repository}/{name}" in self.served.dropped and body:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            return
        self._send(200, data, about, body)

    def _redirect(self, status: int, place: str, about: dict[str, str]) -> None:
        self._send(status, b"", {**about, "Location": place})

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b'{"error": "no"}', {"X-Error-Code": code} if code else {}, self.command != "HEAD")

    def _send(self, status: int, data: bytes, about: dict[str, str], body: bool = True) -> None:
        self.send_response(status)
        for name, value in about.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put in the place of `no_sockets`: only loopback may be reached."""
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def check(host: Any) -> None:
        if host not in ("127.0.0.1", "localhost"):
            pytest.fail(f"a test reached for {host}")

    monkeypatch.setattr(socket.socket, "connect", lambda self, to: (check(to[0]), connect(self, to))[1])
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: (check(host), resolve(host, *a, **k))[1])


@pytest.fixture
def own_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """The hub, with a cache of its own."""
    from huggingface_hub import constants, file_download

    with playing_the_hub() as served:
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", served.url)
        template = f"{served.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        for module in (constants, file_download):  # the client of transformers 4 has it in both
            monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        yield served
