"""What filesystems of servers raise, as one sentence: fsspec, botocore and aiohttp each have dozens of kinds."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterator
from contextlib import contextmanager

from ...core.causes import causes
from ...core.errors import AvreplayError, NoAnswer

_NO_BUCKET = {"NoSuchBucket", "InvalidBucketName"}
_NO_CREDENTIALS = {
    "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError",
    "ProfileNotFound", "SSOTokenLoadError", "UnauthorizedSSOTokenError", "DefaultCredentialsError", "RefreshError",
    "ClientAuthenticationError",
}  # fmt: skip
_REFUSED = {
    "AccessDenied", "AllAccessDisabled", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken",
    "403", "401", "RequestTimeTooSkewed", "AuthorizationHeaderMalformed",
}  # fmt: skip
_BUSY = {"InternalError", "ServiceUnavailable", "SlowDown", "RequestTimeout", "500", "502", "503", "504"}
_MALFORMED = {"ParamValidationError", "InvalidURL", "UnicodeEncodeError"}
_SILENT = (
    "EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError", "HTTPClientError",
    "ProxyConnectionError", "SSLError", "ClientConnectorError", "ClientConnectionError", "ServerDisconnectedError",
    "ClientPayloadError", "FSTimeoutError", "ResponseStreamingError", "IncompleteReadError",
)  # fmt: skip
_SILENT_ERRNO = (errno.EBUSY, errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTUNREACH, errno.ENETUNREACH,
                 errno.ETIMEDOUT, errno.EPIPE, getattr(errno, "EREMOTEIO", errno.EIO))  # fmt: skip


@contextmanager
def remote_errors(url: str, *, may_be_missing: bool = False) -> Iterator[None]:
    """Around requests to the filesystem of a URL.

    ``may_be_missing``: a FileNotFoundError passes, unless it is the bucket that is missing.

    Raises: NoAnswer with a sentence for whatever else the filesystem raises.
    """
    try:
        yield
    except AvreplayError:
        raise
    except Exception as error:
        codes = error_codes(error)
        if may_be_missing and isinstance(error, (FileNotFoundError, NotADirectoryError)) and not codes & _NO_BUCKET:
            raise
        raise NoAnswer(_sentence(url, error, codes)) from error


def _sentence(url: str, error: Exception, codes: set[str]) -> str:
    kinds = {type(e).__name__ for e in causes(error)}
    said = " ".join(str(error).split())[:200] or type(error).__name__
    if codes & _NO_BUCKET:
        return f"the bucket of {url} does not exist ({said}); check its name, or create it first"
    if kinds & _NO_CREDENTIALS:
        return f"there are no credentials for {url} ({said}); set them as for other tools, say AWS_ACCESS_KEY_ID"
    if codes & _REFUSED or isinstance(error, PermissionError):
        return f"the server refuses access to {url} ({said}); check the credentials, and what they are allowed to do"
    if kinds & _MALFORMED:
        return f"{url} is no address that its filesystem takes ({said}); check it"
    silent = isinstance(error, (TimeoutError, ConnectionError, asyncio.TimeoutError)) or bool(kinds & set(_SILENT))
    if "RecursionError" in kinds:  # redirected in a circle, which botocore follows to its end
        silent = False
    if silent or codes & _BUSY or (isinstance(error, OSError) and error.errno in _SILENT_ERRNO):
        return (
            f"the server of {url} does not answer ({said}); what was committed is kept, run the same command again "
            "when it does"
        )
    return f"{url} cannot be used ({type(error).__name__}: {said}); check the address and its server"


def error_codes(error: BaseException) -> set[str]:
    """The codes that a server gave with an error, such as ``PreconditionFailed``."""
    found: set[str] = set()
    for e in causes(error):
        response = getattr(e, "response", None)
        if isinstance(response, dict):
            found.add(str(response.get("Error", {}).get("Code", "")))
    return found - {""}
