"""Fetching one file from its address, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from ....core.errors import DataError
from .failures import check_space, failed_download

_BLOCK = 1 << 20
_TIMEOUT = 20


def fetch_url(url: str, path: Path, what: str, sha256: str = "") -> None:
    """Fetch a file. It appears under its name once all of it is there; proxies are those of the environment.

    Parameters
    ----------
    what : is fetched, for messages
    sha256 : what its hash begins with; empty: unknown

    Raises
    ------
    DataError
        the server is not reached or breaks off, the disk is full, other bytes than expected
    """
    server, part = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}", path.with_name(f".{path.name}.{os.getpid()}")
    begun = False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as source, open(part, "wb") as file:
            begun, digest, length = True, hashlib.sha256(), int(source.headers.get("Content-Length") or -1)
            check_space(what, length, path.parent)
            while block := source.read(_BLOCK):
                digest.update(block)
                file.write(block)
            if 0 <= length != file.tell():
                raise ConnectionError(f"{file.tell()} of {length} bytes arrived")
        if not digest.hexdigest().startswith(sha256):
            raise DataError(f"{what} from {server} have other bytes than they should (sha256); fetch them elsewhere")
        os.replace(part, path)
    except DataError:
        raise
    except Exception as error:  # what a connection can raise has no common base
        raise failed_download(what, server, error, path.parent, begun=begun) from error
    finally:
        part.unlink(missing_ok=True)
