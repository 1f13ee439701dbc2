"""Resizing: equal to Pillow byte for byte, and to a plain twin where Pillow's own shortcuts do not reach."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from avreplay.extract.media.pillow_resize import FILTERS, PLACES, resampling_weights, resize_picture
from avreplay.extract.media.resize import Resize, centre_box, resized_shape
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

METHODS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def pillow(picture: np.ndarray, resized: tuple[int, int], method: str) -> np.ndarray:
    """In two steps, since Pillow 13 does not always begin with the columns."""
    narrow = Image.fromarray(picture).resize((resized[1], picture.shape[0]), METHODS[method])
    return np.asarray(narrow.resize(resized[::-1], METHODS[method]))


def twin(picture: np.ndarray, resized: tuple[int, int], method: str) -> np.ndarray:
    """Columns, then rows; every output pixel a sum over the whole line, rounded to a byte."""

    def matrix(size: int, small: int) -> np.ndarray:
        function, reach = FILTERS[method]
        scale = size / small
        wide = max(scale, 1.0)
        out = np.zeros((small, size), np.int64)
        for place in range(small):
            centre = (place + 0.5) * scale
            near = [x for x in range(size) if int(centre - reach * wide + 0.5) <= x < int(centre + reach * wide + 0.5)]
            weights = np.array([function((x - centre + 0.5) * (1 / wide)) for x in near])
            shares = weights / sum(weights.tolist()) * (1 << PLACES)
            out[place, near] = np.trunc(shares + np.copysign(0.5, shares)).astype(np.int64)
        return out

    def line(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
        sums = np.einsum("ox,yxc->yoc", weights, values.astype(np.int64)) + (1 << (PLACES - 1))
        return np.clip(sums >> PLACES, 0, 255)

    narrow = line(matrix(picture.shape[1], resized[1]), picture)
    return line(matrix(picture.shape[0], resized[0]), narrow.transpose(1, 0, 2)).transpose(1, 0, 2).astype(np.uint8)


def pictures(height: int, width: int, seed: int) -> list[np.ndarray]:
    """Noise, and the hardest edges there are: the filters overshoot on them."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return [noise, (noise > 127).astype(np.uint8) * 255, np.full_like(noise, 255)]


@settings(deadline=None, max_examples=60)
@given(st.tuples(*[st.integers(1, 70)] * 4), st.sampled_from(sorted(METHODS)), st.integers(0, 2**32 - 1))
def test_equals_pillow_and_the_twin(shape: tuple[int, int, int, int], method: str, seed: int) -> None:
    height, width, *resized = shape
    for picture in pictures(height, width, seed):
        got = resize_picture(picture, (resized[0], resized[1]), method=method)
        np.testing.assert_array_equal(got, pillow(picture, (resized[0], resized[1]), method))
        np.testing.assert_array_equal(got, twin(picture, (resized[0], resized[1]), method))


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize(("height", "width"), [(240, 320), (720, 1280), (333, 77), (224, 300), (100, 90), (225, 224)])
@pytest.mark.parametrize("squash", [False, True])
def test_shrinking_equals_resizing_and_cutting(height: int, width: int, squash: bool, method: str) -> None:
    shrink = pickle.loads(pickle.dumps(Resize(224, squash, method)))  # noqa: S301
    resized = resized_shape(height, width, 224, squash)
    top, left, *_ = centre_box(*resized, 224)
    for picture in pictures(height, width, 0):
        small = shrink(picture)
        np.testing.assert_array_equal(small, pillow(picture, resized, method)[top : top + 224, left : left + 224])
        assert shrink(small) is small  # so that it may be done early, or twice


def test_other_memory_layouts_are_the_same_picture() -> None:
    picture = pictures(40, 60, 3)[0]
    turned = np.ascontiguousarray(picture.transpose(1, 0, 2)).transpose(1, 0, 2)
    read_only = picture.copy()
    read_only.flags.writeable = False
    for same in (turned, read_only):
        np.testing.assert_array_equal(resize_picture(same, (20, 30)), resize_picture(picture, (20, 30)))


def test_weights_sum_to_one_and_stay_on_the_line() -> None:
    for size, resized in ((1000, 7), (7, 1000), (1, 5), (5, 1), (13, 13)):
        for method in METHODS:
            starts, weights = resampling_weights(size, resized, 0, resized, method)
            assert starts.min() >= 0
            assert (starts + weights.shape[1]).max() <= size
            assert np.abs(weights.sum(axis=1) - (1 << PLACES)).max() <= weights.shape[1]
