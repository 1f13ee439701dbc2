"""Where a store may lie: a local folder, or the URL of one filesystem that keeps files and lists them.

Only protocols of :data:`WRITTEN` and :data:`READ` are taken, so that a URL can never make a filesystem that unpacks an
archive, follows a list of references, or reads elsewhere (``zip://x::/etc/passwd``). What is refused is refused before
any filesystem object is made or any server asked.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from ...core.errors import UsageError, did_you_mean, shown

LOCAL = ("file", "local")
"""Protocols of local paths."""

CONDITIONAL = ("s3", "s3a", "memory")
"""Protocols whose writes can depend on what is there, so that two writers exclude each other."""

WRITTEN = (*CONDITIONAL, "gs", "gcs", "az", "abfs", "abfss", "oss", "oci", "hdfs", "webhdfs", "sftp", "ssh", "smb")
"""Protocols of filesystems that a store can be written to."""

READ = ("http", "https")
"""Protocols of filesystems that a store is only read from."""

_LONGEST = 4096
"""Characters of a path or URL: the most that Linux takes."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+._-]*):/(?=/)")


@dataclass(frozen=True)
class Address:
    """The place that a path or URL names.

    Attributes
    ----------
    url : as it was given, without slashes at its end
    protocol : of the URL, in lower case; ``file`` for a local path
    path : absolute for a local path; else as the filesystem spells it, with the bucket first
    """

    url: str
    protocol: str
    path: str

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine."""
        return self.protocol in LOCAL

    @property
    def can_be_written(self) -> bool:
        """Whether its filesystem takes files."""
        return self.is_local or self.protocol in WRITTEN

    @property
    def is_conditional(self) -> bool:
        """Whether its filesystem has conditional writes that this package uses."""
        return self.protocol in CONDITIONAL

    def check_writable(self) -> None:
        """Raises: UsageError where the protocol only reads."""
        if not self.can_be_written:
            raise UsageError(
                f"{self.url} cannot be written: {self.protocol} only reads; give a local folder or the URL of an "
                "object store, such as s3://bucket/name"
            )


def parse(url: str | os.PathLike[str]) -> Address:
    """The address of a path or URL; nothing is opened, and no server is asked.

    Raises
    ------
    UsageError
        a blank path, a NUL byte, chained URLs, a protocol that a store cannot lie on or whose package is not
        installed, or a URL without a bucket or folder
    """
    given = os.fspath(url)
    said = given if given.isprintable() and len(given) <= _LONGEST else shown(given)
    if not given.strip():
        raise UsageError("the path of the store is blank; give a folder, or a URL such as s3://bucket/name")
    if len(given) > _LONGEST:
        raise UsageError(f"{said} is longer than {_LONGEST} characters; give a shorter path or URL")
    if "\0" in given:
        raise UsageError(f"{said} holds a NUL character, which no path may; remove it")
    found = _SCHEME.match(given)
    if "::" in given and (found or not os.path.exists(given)):
        raise UsageError(
            f"{said} chains filesystems with '::', on which a store cannot lie; give a local folder or the URL of one "
            "filesystem"
        )
    protocol = found[1].lower() if found else "file"
    if protocol in LOCAL:
        local = given[found.end() + 1 :] if found else given
        if not local:
            raise UsageError(f"{said} names no folder; give one, such as file:///data/name")
        path = os.path.abspath(os.path.expanduser(local))
        return Address(given.rstrip("/") or "/", protocol, path)
    if protocol not in (*WRITTEN, *READ):
        raise UsageError(
            f"cannot open {said}: a store does not lie on {protocol}://{did_you_mean(protocol, (*WRITTEN, *READ))}; "
            f"give a local folder, or a URL of {', '.join(WRITTEN)}, or to read {', '.join(READ)}"
        )
    import fsspec  # only what URLs need, and it takes a fifteenth of a second

    try:
        path = str(fsspec.get_filesystem_class(protocol)._strip_protocol(given)).rstrip("/")
    except (ImportError, ValueError) as error:
        raise UsageError(f"cannot open {said}: {error}") from error
    if not path.strip("/"):
        raise UsageError(f"{said} names no bucket or folder; give one, such as {protocol}://bucket/name")
    return Address(given.rstrip("/"), protocol, path)
