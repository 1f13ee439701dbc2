"""Processors and memory that this process may use, and where weights come from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from ...core.health import NOTE, OK, Check, size_text
from ..backbones.weights.failures import OFFLINE, switched_on
from ..media.processors import memory_limit, usable_processors

LITTLE_MEMORY = 4 << 30

_PLACES = ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE", "TORCH_HOME", "XDG_CACHE_HOME")
_SWITCHES = (*OFFLINE, "HF_HUB_DISABLE_XET", "HF_HUB_ENABLE_HF_TRANSFER")
_URLS = ("HF_ENDPOINT", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
_FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


def processor_checks() -> Iterator[Check]:
    """Processors and memory."""
    usable, there = usable_processors(), os.cpu_count() or 1
    bound = "" if usable == there else f" of {there}: affinity or a control group allows no more"
    yield Check("processors", OK, f"{usable}{bound}")
    there_bytes, limit = _memory(), memory_limit()
    if limit is not None and (there_bytes is None or limit < there_bytes):
        of = "" if there_bytes is None else f" of {size_text(there_bytes)}"
        found = f"{size_text(limit)}{of}: a control group or a limit of the process allows no more"
        least = limit
    elif there_bytes is not None:
        found, least = size_text(there_bytes), there_bytes
    else:
        yield Check("memory", NOTE, "the system does not say how much there is")
        return
    if least < LITTLE_MEMORY:
        yield Check("memory", NOTE, f"{found}, which is little for extraction", "extract with fewer --workers")
    else:
        yield Check("memory", OK, found)


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError, AttributeError):
        return None


def weights_checks() -> Iterator[Check]:
    """Where weights are looked for, and the variables that change it; nothing is asked of any server."""
    home = os.environ.get("HF_HOME") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"), "huggingface"
    )
    cache = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or os.path.join(home, "hub")
    yield _cache(Path(os.path.expandvars(os.path.expanduser(cache))))
    for name in (*_PLACES, *_FILES):
        value = os.environ.get(name)
        if value and not os.path.exists(os.path.expandvars(os.path.expanduser(value))):
            state = NOTE if name in _FILES else OK
            yield Check(name, state, f"{value}, which does not exist", "correct or unset it" if name in _FILES else "")
        elif value:
            yield Check(name, OK, value)
    for name in _SWITCHES:
        value = os.environ.get(name)
        if value is None:
            continue
        offline = name in OFFLINE and switched_on(name)
        yield Check(name, NOTE if offline else OK, f"{value}" + (": nothing is downloaded" if offline else ""),
                    f"unset {name} to fetch weights" if offline else "")  # fmt: skip
    for name in _URLS:
        if os.environ.get(name):
            yield Check(name, OK, _without_password(os.environ[name]))
    for name in _SECRETS:
        if os.environ.get(name):
            yield Check(name, OK, "is set")


def _cache(folder: Path) -> Check:
    try:
        models = sorted(p.name.removeprefix("models--").replace("--", "/") for p in folder.glob("models--*"))
    except OSError as error:
        return Check("downloaded weights", NOTE, f"{folder} cannot be read ({error.strerror})", "set HF_HOME")
    above = folder
    while not above.exists() and above != above.parent:
        above = above.parent
    few = ", ".join(models[:5]) + (f" and {len(models) - 5} more" if len(models) > 5 else "")
    found = f"{folder}: {few or 'none yet'}"
    if not os.access(above, os.W_OK | os.X_OK):
        return Check(
            "downloaded weights", NOTE, f"{found}; it cannot be written", "set HF_HOME to a folder that can be"
        )
    return Check("downloaded weights", OK, found)


def _without_password(url: str) -> str:
    """A URL without the user and password in it."""
    try:
        parts = urlsplit(url)
        return url if "@" not in url else f"{parts.scheme}://…@{parts.netloc.rpartition('@')[2]}"
    except ValueError:
        return "is set"
