"""A search that goes on with another file under the same name is refused: of every option that names a file."""

from __future__ import annotations

from dataclasses import fields
from itertools import product

import numpy as np
import pytest
from avreplay.core.decoders.registry import DECODERS
from avreplay.core.errors import DataError, UsageError
from avreplay.core.params.options import OptionSet, option, option_set
from avreplay.evaluate.inputs import decoder_inputs
from avreplay.evaluate.replay import stored_params
from avreplay.evaluate.tuning import TuneSettings, tune
from avreplay.evaluate.tuning.identity import difference, file_digests, means_digest
from ovavebench_made import Sizes, made_targets, write_made_annotations, write_made_store


@option_set
class TwoFiles(OptionSet):
    """Options of a plug-in with two files and a word that looks like one."""

    first: str = option("none", "A file.", file_unless=("none",))
    second: str = option("", "A file.", file_unless=("",))
    other: str = option("a.npz", "A name.")


OWN = tuple(name for name in DECODERS if ":" not in name)
PLACES = [
    (of, f.name)
    for of in (*(DECODERS.get(name).params for name in OWN), TwoFiles)
    for f in fields(of)
    if f.metadata["file_unless"] is not None
]
"""Every option of every decoder that names a file, and those of a plug-in."""


def test_options_that_take_files_are_declared():
    """What an option expects says whether it takes a file; what is said of files elsewhere are lists in a parameter
    file."""
    said = {
        (name, f.name)
        for name in OWN
        for f in fields(DECODERS.get(name).params)
        if "file" in f.metadata["expects"] or ".npz" in f.metadata["expects"]
    }
    assert said == {(name, n) for name in OWN for of, n in PLACES if of is DECODERS.get(name).params}
    assert ("scope", "means") in said
    assert len(PLACES) == len(said) + 2


@pytest.mark.parametrize(("of", "name"), PLACES)
def test_the_content_of_a_file_tells_searches_apart(of, name, tmp_path):
    file = tmp_path / "a file.npz"
    params = of().override({name: str(file)})
    with pytest.raises(DataError, match=rf"{name} names '.*a file\.npz', which cannot be read"):
        file_digests([params])
    seen = []
    for content in (b"one", b"two", b"one"):
        file.write_bytes(content)
        seen.append(file_digests([of(), params, params]))
    assert seen[0] == seen[2]
    words = difference({"files": seen[0]}, {"files": seen[1]})
    assert words is not None
    for told in (name, str(file), *(next(iter(s.values()))[:16] for s in seen[:2])):
        assert told in words
    assert not any(file_digests([of().override({name: word})]) for word in _words(of, name))


def _words(of, name):
    return next(f.metadata["file_unless"] for f in fields(of) if f.name == name)


def test_every_file_of_a_setting_counts(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    seen = set()
    for contents in product((b"x", b"y"), repeat=2):
        for file, content in zip((a, b), contents, strict=True):
            file.write_bytes(content)
        seen.add(tuple(sorted(file_digests([TwoFiles(first=str(a), second=str(b))]).items())))
    assert len(seen) == 4


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    sizes = Sizes(share=0.004, seen=4, unseen=2, dim=24, signal=0.3)
    targets = made_targets(sizes)
    write_made_store(str(folder / "ov"), targets, sizes)
    write_made_annotations(folder / "truth", targets)
    return folder


@pytest.mark.slow
def test_a_search_goes_on_with_the_same_means_only(world, tmp_path):
    file, other = tmp_path / "means.npz", tmp_path / "other.npz"

    def write(level):
        np.savez(file, audio=np.full(24, level), visual=np.zeros(24))

    def search(out, *settings, trials=4, ranges=()):
        return tune(
            world / "ov",
            settings=TuneSettings(
                dataset="json", metrics="ovavel", annotations=str(world / "truth"), split="val", report_split=None,
                decoder="scope", sampler="sobol", trials=trials, resamples=0, out=str(tmp_path / out),
                settings=settings, search=ranges,
            ),
        )  # fmt: skip

    write(0.01)
    one = search("one", f"means={file}")
    write(0.02)
    with pytest.raises(UsageError, match=r"holds a search with another means .*means\.npz \([0-9a-f]{16}, now "):
        search("one", f"means={file}")
    write(0.01)
    again = search("one", f"means={file}")
    assert stored_params(one.problem.decoder, one.kept) == stored_params(again.problem.decoder, again.kept)
    # a file that is only one of those that are searched
    other.write_bytes(file.read_bytes())
    search("two", ranges=("threshold=0.5:0.9", f"means=none,{other}"))
    np.savez(other, audio=np.ones(24), visual=np.zeros(24))
    with pytest.raises(UsageError, match=r"holds a search with another means .*other\.npz"):
        search("two", ranges=("threshold=0.5:0.9", f"means=none,{other}"))


def test_the_means_of_a_store_count_too(world):
    decoder = DECODERS.get("scope")
    with_means, without = (
        decoder_inputs(str(world / "ov"), decoder.reads([decoder.params(means=m)])) for m in ("store", "none")
    )
    assert means_digest(without) is None
    found = means_digest(with_means)
    assert found == means_digest(with_means.select([0, 1]))
    with_means.means["store"].audio[0] += 1
    assert means_digest(with_means) != found
