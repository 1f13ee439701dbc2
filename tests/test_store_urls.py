"""Which paths and URLs a store may have: what is refused, is refused before any filesystem is made."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest
from avreplay.cache.layout.location import Location
from avreplay.cache.storage.address import LOCAL, READ, WRITTEN, parse
from avreplay.core.errors import UsageError
from hypothesis import example, given, settings
from hypothesis import strategies as st

KNOWN = (*LOCAL, *WRITTEN, *READ)
OTHERS = sorted(set(fsspec.available_protocols()) - set(KNOWN))


@given(
    st.one_of(
        st.sampled_from(["", " ", "\t\n", "a\0b", "s3://b/\0", "s3://", "s3:///", "memory://", "file://", "local://"]),
        st.sampled_from(OTHERS).map("{}://host/x".format),
        st.from_regex(r"[a-z][a-z0-9+.-]{1,9}", fullmatch=True).filter(lambda p: p not in KNOWN).map("{}://x/y".format),
        st.tuples(st.sampled_from([*OTHERS, "simplecache", "dir", "zip", "reference"]),
                  st.sampled_from(KNOWN)).map("{0[0]}::{0[1]}://x/y".format),
        st.sampled_from(OTHERS).map("{}://x::/etc/passwd".format),
    )
)  # fmt: skip
@example("zip://x::/etc/passwd")
@example("dir::/etc")
@example("reference://x::/etc/passwd")
@example("s3://b/x::file:///etc/passwd")
@example("ftp://host/x")
@settings(max_examples=150, deadline=None)
def test_no_filesystem_is_made_for_a_refused_url(url: str) -> None:
    made = fsspec.AbstractFileSystem.__init__

    def refuse(self: object, *_: object, **__: object) -> None:
        raise AssertionError(f"a {type(self).__name__} was made")

    fsspec.AbstractFileSystem.__init__ = refuse
    try:
        with pytest.raises(UsageError) as refused:
            Location(url)
    finally:
        fsspec.AbstractFileSystem.__init__ = made
    assert "\n" not in str(refused.value)
    assert "\0" not in str(refused.value)


def said(url: str) -> str:
    try:
        return parse(url).protocol
    except UsageError as refused:
        return str(refused)


@given(st.text(st.characters(exclude_categories=()), max_size=20), st.sampled_from(["s3", "memory", "http", "S3"]))
@settings(max_examples=100, deadline=None)
def test_any_text_is_an_address_or_a_sentence(text: str, protocol: str) -> None:
    for url in (text, f"{protocol}://{text}"):
        assert said(url).isprintable()


def test_local_urls_and_slashes_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = str(tmp_path / "s")
    for url in (here, f"{here}//", f"file://{here}", f"local://{here}/", "s", "./s/", "FILE://" + here):
        assert Location(url).path == here
        assert Location(url).is_local
    assert Location("s3://bucket/s//").url == "s3://bucket/s"
    (tmp_path / "a::b").mkdir()
    assert Location("a::b").path == str(tmp_path / "a::b")  # a folder that is there is no chain
