"""The README's example, as it stands there, on a store of the demo world."""

from __future__ import annotations

import re
from pathlib import Path

import avreplay
import pytest
from avreplay.extract.demo.run import extract_demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return extract_demo(tmp_path_factory.mktemp("api"), videos=3)


def test_readme_example_runs(demo, monkeypatch, capsys):
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", readme, re.DOTALL).group(1)
    (demo.store.parent / "demo-output").symlink_to(demo.store.parent)
    monkeypatch.chdir(demo.store.parent)
    exec(compile(code, "README.md", "exec"), {})
    assert "type_av_seg" in capsys.readouterr().out


def test_every_public_name_is_there_and_documented():
    for name in avreplay.__all__:
        assert getattr(avreplay, name).__doc__, name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        _ = avreplay.nonsense
