"""Requests to S3 and what speaks its protocol, one for each file, through s3fs.

s3fs asks for a file's size before it reads it and lists a folder before it removes it; a store knows both, so that the
requests are made here. They are conditional by ``If-None-Match: *`` (create) and ``If-Match`` (replace, remove).
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import count, islice
from typing import Any

import fsspec
from fsspec.asyn import sync

from ...core.errors import Changed
from .objects import ABSENT, PROBE, Found, Objects
from .remote_errors import error_codes

CONNECT_SECONDS = 5
READ_SECONDS = 8
ATTEMPTS = 3
"""A server that does not answer is given up after at most ATTEMPTS × READ_SECONDS and short pauses: half a minute."""

LARGE = 100 << 20
"""Files from this size on, in bytes, go in several requests, and are there when the last one is answered."""

PART = 50 << 20
"""Bytes of each of them."""

_MOST_DELETED = 1000
_NO_VERSION = '"00000000000000000000000000000000"'
_REFUSED = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}
_GONE = {"NoSuchKey", "404"}
_NO_UPLOAD = {"NoSuchUpload"}  # its last answer was lost, and botocore tried again


def connect(protocol: str) -> Any:
    """An s3fs filesystem with limits of time and tries, unless the user has set some (fsspec's configuration,
    ``AWS_MAX_ATTEMPTS``)."""
    given = {**fsspec.config.conf.get("s3", {}), **fsspec.config.conf.get(protocol, {})}
    limits: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS}
    if "AWS_MAX_ATTEMPTS" not in os.environ:
        limits["retries"] = {"total_max_attempts": ATTEMPTS, "mode": "standard"}
    fs = fsspec.filesystem(
        protocol, config_kwargs={**limits, **given.get("config_kwargs", {})}, use_listings_cache=False
    )
    fs.retries = 1  # botocore has tried again already
    return fs


class S3Objects(Objects):
    """The objects of S3 by ``bucket/key``."""

    def __init__(self, fs: Any) -> None:
        super().__init__(fs)
        put = fs.s3.meta.service_model.operation_model("PutObject").input_shape.members
        # an older botocore leaves the headers out
        self.is_conditional: bool = "IfMatch" in put and "IfNoneMatch" in put

    def get(self, path: str) -> Found:
        content, answer = sync(self.fs.loop, self._get, self._key(path))
        written = answer.get("LastModified")
        now = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        age = None
        if written is not None and now is not None:
            from email.utils import parsedate_to_datetime

            age = (parsedate_to_datetime(now) - written).total_seconds()
        return Found(content, answer["ETag"], age)

    def ranges(self, path: str) -> Callable[[int, int], bytes]:
        """As :meth:`Objects.ranges`; what is read is of one version, that of the first range."""
        known: dict[str, str] = {}

        def get(first: int, last: int) -> bytes:
            key = {**self._key(path), "Range": f"bytes={first}-{last - 1}", **known}
            try:
                content, answer = sync(self.fs.loop, self._get, key)
            except OSError as error:
                if error_codes(error) & (_REFUSED | _GONE):
                    return b""
                raise
            known.setdefault("IfMatch", answer["ETag"])
            return bytes(content)

        return get

    async def _get(self, key: dict[str, str]) -> tuple[bytes, dict[str, Any]]:
        from aiohttp import ClientPayloadError

        for last in (False, True):
            answer = await self.fs._call_s3("get_object", **key)
            try:
                async with answer["Body"] as body:
                    return await body.read(), answer
            except Exception as error:  # the connection broke in the middle; botocore does not try that again
                if last or not isinstance(error, (OSError, TimeoutError, ClientPayloadError)):
                    raise
        raise AssertionError

    def put(self, path: str, content: bytes, version: str | None = None) -> str:
        if len(content) >= LARGE:
            try:
                mode = "create" if version == ABSENT else "overwrite"
                self.fs.pipe_file(path, content, chunksize=PART, mode=mode)
            except OSError as error:
                if version is None or not (_is_refusal(error, version) or error_codes(error) & _NO_UPLOAD):
                    raise
                return self._own_write(path, content, error)
            return ""
        try:
            return self._put(path, content, version)
        except OSError as error:
            if version is None or not _is_refusal(error, version):
                raise
            return self._own_write(path, content, error)

    def put_pieces(self, path: str, pieces: Iterable[memoryview], version: str | None = None) -> None:
        """As :meth:`Objects.put_pieces`; a large file goes in several requests, and is there when the last is
        answered."""
        parts = _parts(pieces, PART)
        first = deque(islice(parts, 2))
        if len(first) < 2:
            self.put(path, b"".join(first), version)
            return
        digest = hashlib.sha256()
        key = self._key(path)
        condition = {"IfNoneMatch": "*"} if version == ABSENT else {}
        upload = self.fs.call_s3("create_multipart_upload", **key)["UploadId"]
        done = []
        try:
            for number in count(1):
                part = first.popleft() if first else next(parts, None)
                if part is None:
                    break
                digest.update(part)
                answer = self.fs.call_s3("upload_part", **key, PartNumber=number, UploadId=upload, Body=part)
                done.append({"PartNumber": number, "ETag": answer["ETag"]})
            self.fs.call_s3(
                "complete_multipart_upload", **key, UploadId=upload, MultipartUpload={"Parts": done}, **condition
            )
        except BaseException as error:
            with suppress(Exception):
                self.fs.call_s3("abort_multipart_upload", **key, UploadId=upload)
            lost = isinstance(error, OSError) and error_codes(error) & (_REFUSED | _NO_UPLOAD)
            if version is None or not lost:
                raise
            if self._digest(path) != digest.hexdigest():
                raise Changed(f"s3://{path} has changed at the same time; run the same command again") from error

    def _digest(self, path: str) -> str | None:
        """sha256 of what is there, in hex; None where nothing is."""
        get, digest, at = self.ranges(path), hashlib.sha256(), 0
        with suppress(OSError):
            size = int(self.fs.call_s3("head_object", **self._key(path))["ContentLength"])
            while at < size:
                content = get(at, min(at + PART, size))
                if not content:
                    return None
                digest.update(content)
                at += len(content)
            return digest.hexdigest()
        return None

    def _put(self, path: str, content: bytes, version: str | None) -> str:
        condition = {} if version is None else {"IfNoneMatch": "*"} if version == ABSENT else {"IfMatch": version}
        return str(self.fs.call_s3("put_object", **self._key(path), Body=content, **condition)["ETag"])

    def _own_write(self, path: str, content: bytes, error: OSError) -> str:
        """The version of what is there if it is what was to be written: an answer was lost, and botocore tried again.

        Raises: Changed.
        """
        try:
            found = self.get(path)
        except FileNotFoundError:
            found = None
        if found is None or found.content != content:
            raise Changed(f"s3://{path} has changed at the same time; run the same command again") from error
        return found.version

    def delete(self, paths: Sequence[str]) -> None:
        for i in range(0, len(paths), _MOST_DELETED):
            keys = [self._key(path) for path in paths[i : i + _MOST_DELETED]]
            if len(keys) == 1:
                self.fs.call_s3("delete_object", **keys[0])
                continue
            listed = {"Objects": [{"Key": key["Key"]} for key in keys], "Quiet": True}
            answer = self.fs.call_s3("delete_objects", Bucket=keys[0]["Bucket"], Delete=listed)
            for failed in answer.get("Errors", []):
                raise OSError(f"{failed.get('Key')} cannot be removed: {failed.get('Code')} {failed.get('Message')}")

    def delete_version(self, path: str, version: str) -> None:
        """As :meth:`Objects.delete_version`; servers that know ``If-Match`` here look once more as they remove it."""
        self._refuse_changed(path, version)
        try:
            self.fs.call_s3("delete_object", **self._key(path), IfMatch=version)
        except OSError as error:
            if not _is_refusal(error, version):
                raise
            raise Changed(f"s3://{path} has changed at the same time") from error

    def heeds_conditions(self, path: str) -> bool:
        """As :meth:`Objects.heeds_conditions`; servers that do not know the headers write in any case."""
        for version in (ABSENT, _NO_VERSION):
            try:
                self._put(path, PROBE, version)
            except OSError as error:
                if _is_refusal(error, version):
                    continue
                raise
            return False
        return True

    def copy(self, source: str, target: str) -> None:
        self.fs.call_s3("copy_object", **self._key(target), CopySource=self._key(source))

    def sizes(self, folder: str) -> dict[str, int]:
        parent, _, name = folder.rpartition("/")
        # by its parent and a prefix: s3fs looks for a file of the folder's name where it finds nothing in it
        found = self.fs.find(parent, prefix=f"{name}/", detail=True) if parent else self.fs.find(folder, detail=True)
        return {path: int(info["size"]) for path, info in found.items() if not path.endswith("/")}

    def entries(self, folder: str) -> list[tuple[str, bool]]:
        listed = sync(self.fs.loop, self._entries, folder)
        return [(name.rstrip("/").rpartition("/")[2], is_folder) for name, is_folder in listed]

    async def _entries(self, folder: str) -> list[tuple[str, bool]]:
        listed = await self.fs._lsdir(folder)
        return [(e["name"], e["type"] == "directory") for e in listed if e["name"].rstrip("/") != folder]

    def _key(self, path: str) -> dict[str, str]:
        bucket, _, key = path.partition("/")
        return {"Bucket": bucket, "Key": key}


def _is_refusal(error: OSError, version: str) -> bool:
    """Whether a server refused a write because the file has not this version; it may also be gone."""
    codes = error_codes(error)
    return bool(codes & _REFUSED) or (version != ABSENT and bool(codes & _GONE))


def _parts(pieces: Iterable[memoryview], size: int) -> Iterator[bytes]:
    """The bytes of pieces in parts of ``size`` bytes, and a rest."""
    part = bytearray()
    for piece in pieces:
        part += piece
        while len(part) >= size:
            yield bytes(part[:size])
            del part[:size]
    if part:
        yield bytes(part)
