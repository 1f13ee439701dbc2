"""A running explorer for the tests: over a made store with annotations, asked as its page asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from avreplay.cache.store import open_store
from avreplay.core.decoders.registry import DECODERS
from avreplay.evaluate.datasets.registry import load_annotations
from avreplay.evaluate.explore.app import Explorer
from avreplay.evaluate.explore.guard import Guard
from avreplay.evaluate.explore.session import Session
from avreplay.evaluate.explore.setting import Setting
from starlette.testclient import TestClient

PORT, TOKEN = 4321, "the-token"
START = {"decoder": "av2a", "preset": None, "profile": None, "values": {"audio_scores": "segment"}}


class Asked:
    """A client that carries the token."""

    def __init__(self, client: TestClient, explorer: Explorer) -> None:
        self.client, self.explorer = client, explorer

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(path, params={**query, "token": TOKEN})

    def post(self, name: str, **content: Any) -> Any:
        return self.client.post(f"/api/{name}", params={"token": TOKEN}, json=content)

    def of(self, name: str, **content: Any) -> Any:
        """The answer, which is no error."""
        found = self.post(name, **content)
        assert found.status_code == 200, found.text
        return found.json()


@contextmanager
def exploring(store: Path, annotations: Path | None, split: str = "val", **options: Any) -> Iterator[Asked]:
    """An explorer over a store: the application with its guard, without a socket."""
    media = options.pop("media", None)
    decoder = options.pop("decoder", DECODERS.get("av2a"))
    truth = None if annotations is None else load_annotations("json", annotations, split)
    values = START["values"] if decoder.name == "av2a" else {}
    start = Setting.of_params(decoder, None, None, decoder.make_params(values=values))
    session = Session(open_store(store), start, truth, **options)
    explorer = Explorer(session, str(store), media)
    app = Guard(explorer.app(), PORT, TOKEN)
    with TestClient(app, base_url=f"http://127.0.0.1:{PORT}", raise_server_exceptions=False) as client:
        yield Asked(client, explorer)
